"""Writes docs/api.md: a directive for every public name (``python docs/names.py``).

A test compares the page with what this module writes.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "api.md"
MODULES = [
    "kck_publish.aggregates",
    "kck_publish.request",
    "kck_publish.testing",
    "kck_publish.signals",
    "kck_publish.status",
    "kck_publish.contrib.rest_framework",
    "kck_publish.contrib.kafka",
    "kck_publish.contrib.prometheus",
    "kck_publish.contrib.opentelemetry",
    "kck_publish.health",
]
HEAD = """\
<!-- written by python docs/names.py -->
# Python API

Every public name, with its docstring. The [reference](reference/index.md) shows them together.
"""


def page() -> str:
    """The text of the page."""
    import kck_publish

    errors = [name for name in kck_publish.__all__ if _is_error(getattr(kck_publish, name))]
    others = [name for name in kck_publish.__all__ if name not in errors]
    parts = [HEAD, _section("kck_publish", kck_publish, others)]
    for name in MODULES:
        module = import_module(name)
        parts.append(_section(name, module, _public(module)))
    parts.append(_section("kck_publish.exceptions", kck_publish, errors))
    return "\n".join(parts)


def _public(module: ModuleType) -> list[str]:
    named = getattr(module, "__all__", None)
    if named is None:
        named = [
            name
            for name, thing in vars(module).items()
            if not name.startswith("_") and getattr(thing, "__module__", "") == module.__name__
        ]
    return sorted(named)


def _is_error(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, BaseException)


def _section(title: str, module: ModuleType, names: list[str]) -> str:
    lines = [f"\n## {title}\n", "```{eval-rst}"]
    for name in names:
        thing = getattr(module, name)
        if isinstance(thing, type):
            lines += [f".. autoclass:: {module.__name__}.{name}", "   :members:", ""]
        elif callable(thing):
            lines += [f".. autofunction:: {module.__name__}.{name}", ""]
        else:
            lines += [f".. autodata:: {module.__name__}.{name}", "   :no-value:", ""]
    return "\n".join([*lines, "```"])


if __name__ == "__main__":
    import os

    import django

    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.typed_settings")
    django.setup()
    PAGE.write_text(page() + "\n")
