from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

import songscore

sys.path.insert(0, str(Path(__file__).parent))
from gallery import copy_notebooks, gallery_page
from reference import commands_page

project = "songscore"
author = "The songscore authors"
version = release = songscore.__version__

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_design"]
exclude_patterns = ["_build", "figures"]
html_theme = "furo"
html_static_path, html_css_files = ["_static"], ["tables.css"]
html_title = f"songscore {version}"

autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
nb_execution_mode = "off"  # python docs/run_notebooks.py stores them with their outputs

PAGES = {"commands": commands_page, "gallery": gallery_page}


def setup(app: Sphinx) -> None:
    """Write what pages are made of: the reference of every command, and the notebooks."""
    copy_notebooks()
    app.connect("source-read", _fill)


def _fill(app: Sphinx, name: str, source: list[str]) -> None:
    if name in PAGES:
        source[0] = PAGES[name](source[0])
