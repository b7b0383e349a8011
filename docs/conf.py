from __future__ import annotations

import songscore

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
