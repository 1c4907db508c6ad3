"""Configuration of Sphinx."""

import re

from skgd import __version__

project = "skgd"
author = "The skgd developers"
copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx-mathjax-offline",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "examples"]
toc_object_entries_show_parents = "hide"
default_role = "literal"  # docstrings name parameters in single backticks

html_title = f"skgd {version}"
html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "footer_end": [],
    "header_links_before_dropdown": 6,
    "logo": {"image_light": "_static/logo.svg", "image_dark": "_static/logo.svg", "text": project},
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "show_prev_next": False,
}
html_context = {"default_mode": "auto"}
html_use_index = html_domain_indices = False  # docs/api.rst replaces the index
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/logo.svg"
html_show_sourcelink = False
# Pages without subpages need no sidebar.
html_sidebars = {
    page: []
    for page in (
        "benchmarks",
        "changelog",
        "choosing",
        "getting_started",
        "glossary",
        "testing",
        "user_guide/differences_from_sklearn",
    )
}

# The button copies the input without prompts.
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

# The class template lists the members itself.
numpydoc_show_class_members = False
numpydoc_validation_checks = {
    "all",  # all but the following
    "ES01",  # extended summary: not always needed
    "EX01",
    "SA01",
    "GL01",  # the summary starts on the first line
    "GL02",  # and a docstring of one line ends on it
    "GL08",  # the check ignores docstrings inherited from the base class, Sphinx shows them
    "RT03",  # description of the return value: the type can be enough
}
# Module pages document the names in `__all__`, including imported ones.
autosummary_ignore_module_all = False
autosummary_imported_members = True

autodoc_typehints = "none"  # the docstrings are more precise than the annotations

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "within_subsection_order": "FileNameSortKey",
    "gallery_dirs": "auto_examples",
    "abort_on_example_error": True,
    "download_all_examples": False,
    # Animations at the end of a cell: the gallery shows them itself, notebooks by this option.
    "matplotlib_animations": True,
    "ignore_repr_types": r"matplotlib\.animation",
    "first_notebook_cell": (
        "%matplotlib inline\nimport matplotlib.pyplot as plt\n\n"
        'plt.rcParams["animation.html"] = "jshtml"'
    ),
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,
}


def skip_member(app, what, name, obj, skip, options):
    """Skip members inherited from scikit-learn, which its own documentation describes."""
    inherited = (getattr(obj, "__module__", None) or "").startswith("sklearn.")
    return True if inherited else skip


def keep_initials(app, what, name, obj, options, lines):
    """Escape references that start with an initial, which docutils would read as list items."""
    lines[:] = re.sub(r"(?m)^([A-Z]\. )", r"\n\\\1", "\n".join(lines)).split("\n")


def remove_icon_link(app, pagename, templatename, context, doctree):
    """Remove the link of animations to icons on another site; the theme has them."""
    if "body" in context:
        context["body"] = re.sub(r"<link[^>]*font-awesome[^>]*>", "", context["body"])


def setup(app):
    """Connect the hooks."""
    app.connect("autodoc-process-docstring", keep_initials, priority=900)  # after numpydoc
    app.connect("autodoc-skip-member", skip_member)
    app.connect("html-page-context", remove_icon_link)
