"""Settings of the documentation's site; CONTRIBUTING.md says how to build it."""

import sys
from pathlib import Path

# The gallery looks every class up in scikit-learn, which raises ImportError otherwise.
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

from fastnn import __version__

# Four small extensions of our own, one concept each.
sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "fastnn"
release = version = __version__
smartquotes = False  # "relu" is code wherever it stands
html_title = f"fastnn {release}"
html_theme = "furo"  # all pages of a flat manual in one sidebar
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "command_help",
    "repository_links",
    "scikit_learn_methods",
]
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["site.css"]
exclude_patterns = ["_build"]

# Code hosts make the same names of titles.
myst_heading_anchors = 4

default_role = "py:obj"  # a link where there is such an object, else code
toc_object_entries_show_parents = "hide"
autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections say more
autodoc_member_order = "groupwise"
# The template lists members; a second list would have scikit-learn's among them.
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "gallery_order.CourseOrder",
    "doc_module": ("fastnn",),
    "backreferences_dir": "generated/backreferences",
    "capture_repr": ("_repr_html_",),  # tables; displays are drawn, not named
    "matplotlib_animations": True,
    "write_computation_times": False,
}
