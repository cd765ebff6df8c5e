"""How Sphinx builds these pages."""

import re
from importlib.metadata import version as installed_version

project = "hepreco"
author = "The hepreco developers"
copyright = "2026, The hepreco developers"
version = release = installed_version("hepreco").partition("+")[0]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "jupyter_execute"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
# A dataclass says in its docstring what its fields are.
autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True, "show-inheritance": False}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = "hepreco"


def _escape_bars(*arguments):
    """Bars in docstrings are absolute values, never substitutions of reStructuredText."""
    lines = arguments[-1]
    for number, line in enumerate(lines):
        parts = line.split("``")
        if not line.lstrip().startswith(">>>"):
            parts[::2] = [re.sub(r"\|(?=\w)", r"\\|", part) for part in parts[::2]]
        lines[number] = "``".join(parts)


def setup(app):
    app.connect("autodoc-process-docstring", _escape_bars)
