"""Settings of the documentation site: built by ``make docs``, offline, warnings as errors."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

import anode  # noqa: E402

project = "anode"
author = "The anode authors"
copyright = author
version = release = anode.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "config_tables",
    "fields",
    "mathml",
    "number_tables",
    "offline",
    "plain_docstrings",
    "short_types",
]
exclude_patterns = ["_build"]
nitpicky = False

myst_enable_extensions = ["dollarmath", "deflist", "attrs_inline"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # tests/documentation runs the cells
suppress_warnings = ["mystnb.unknown_mime_type"]

html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"anode {release}"
html_static_path = ["_static"]
html_css_files = ["anode.css"]
html_copy_source = False
html_show_sphinx = False

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
