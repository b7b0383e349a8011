"""Marks of tests for what only some systems have."""

from __future__ import annotations

import sys

import pytest

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals, modes, links and pipes of POSIX")
linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc, devices, locks and limits of Linux")
