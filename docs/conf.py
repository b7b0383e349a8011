from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

import songscore

sys.path.insert(0, str(Path(__file__).parent))
from reference import commands_page

project = "songscore"
author = "The songscore authors"
version = release = songscore.__version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "figures"]
html_theme = "furo"
html_title = f"songscore {version}"

autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False
myst_heading_anchors = 3


def setup(app: Sphinx) -> None:
    """Put the reference of every command into its page."""
    app.connect("source-read", _fill)


def _fill(app: Sphinx, name: str, source: list[str]) -> None:
    if name == "commands":
        source[0] = commands_page(source[0])
