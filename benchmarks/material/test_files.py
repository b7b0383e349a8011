"""Makers of sounds, of broken files and of small disks, which are those of the tests.

They import each other by name, as pytest lets them, so their folder is put on the path, here and nowhere else.
"""

from __future__ import annotations

import sys

from .place import ROOT

sys.path.append(str(ROOT / "tests"))

from hostile import flipped, good_files, write_hostile
from small_disk import PAGE, mounted
from sounds import FORMATS, set_title, sine, write, write_as_named, write_m4a

__all__ = [
    "FORMATS",
    "PAGE",
    "flipped",
    "good_files",
    "mounted",
    "set_title",
    "sine",
    "write",
    "write_as_named",
    "write_hostile",
    "write_m4a",
]
