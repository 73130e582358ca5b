"""The site: ``make docs`` builds it into docs/_build/html; a warning is an error."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.typed_settings")

import django  # noqa: E402

django.setup()

from sphinx.application import Sphinx  # noqa: E402

import kck_publish  # noqa: E402

project = "kck_publish"
author = "the kck_publish developers"
copyright = "2026, the kck_publish developers"
version = release = kck_publish.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
# Foreign inventories are read where there is a way to them: a build without one has no such links.
if os.environ.get("READTHEDOCS") or os.environ.get("KCK_DOCS_ONLINE"):
    extensions.append("sphinx.ext.intersphinx")
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "django": (
        "https://docs.djangoproject.com/en/stable/",
        "https://docs.djangoproject.com/en/stable/_objects/",
    ),
    "psycopg": ("https://www.psycopg.org/psycopg3/docs/", None),
}

source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_extra_path = ["llms.txt", "_moved"]  # _moved: addresses of pages that were split
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
# Options behind a block's language ("python no-run") are for the tests; mermaid has no lexer.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = f"kck_publish {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}

copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

# The file that a block is written into, for the tests and, as its caption, for readers.
_NAMED = re.compile(r"^```(\w+) (write|append)=(\S+)$", re.MULTILINE)


def _captioned(app: Sphinx, name: str, source: list[str]) -> None:
    def block(found: re.Match[str]) -> str:
        language, how, path = found.groups()
        where = f"{path}, at the end" if how == "append" else path
        return f"```{{code-block}} {language}\n:caption: {where}\n"

    source[0] = _NAMED.sub(block, source[0])


def setup(app: Sphinx) -> None:
    """Connect what is done with a page's source."""
    app.connect("source-read", _captioned)


autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
