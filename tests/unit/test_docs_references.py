"""What docstrings and comments name in double backticks exists.

A name alone is one of the same file or room, a room, or something defined in the package; a module
of another room is named with its room: ``reading.read``.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "kck_publish"
FILES = sorted(PACKAGE.rglob("*.py"))
DEFINITION = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
NAMED = re.compile(r"``@?([a-z_][\w./]*\w)(?:\([^`]*\))?``")
# Words of Python, SQL, Django and pytest, and of the examples in docstrings.
FOREIGN = re.findall(
    r"\w+",
    """
    add author author_id author_page board book concrete_fields dbshell disable django_db
    drf enable exact finally fsum get_type_hints gt gte ignore in isnull kck_publish_entry
    list lt lte math migrate objects order_by pgtrigger pk prepare_threshold sorted typing
    """,
)


def code(path: Path) -> ast.Module:
    """A file without its docstrings."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | DEFINITION) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    return tree


def defined(path: Path) -> set[str]:
    """The names of a file's functions and classes, and of what a class or the file assigns."""
    found = set()
    for node in ast.walk(code(path)):
        if isinstance(node, DEFINITION):
            found.add(node.name)
        if isinstance(node, ast.ClassDef | ast.Module):
            assigned = [part for part in node.body if isinstance(part, ast.Assign | ast.AnnAssign)]
            found |= {word for part in assigned for word in re.findall(r"\w+", ast.unparse(part))}
    return found


def modules() -> set[str]:
    """Dotted paths of modules and rooms, from the package's root."""
    names = {".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in FILES}
    return {name.removesuffix(".__init__") for name in names}


@pytest.mark.long
def test_what_docstrings_name_exists() -> None:
    everywhere = set().union(*(defined(path) for path in FILES), FOREIGN)
    everywhere |= {name.split(".")[-1] for name in modules() if name.startswith("management")}
    lies = []
    for path in FILES:
        room = ".".join(path.relative_to(PACKAGE).parent.parts)
        near = {name.removeprefix(f"{room}.") for name in modules()} if room else modules()
        here = set(re.findall(r"\w+", ast.unparse(code(path)))) | everywhere
        for name in NAMED.findall(path.read_text()):
            module, _, attribute = name.rpartition(".")
            exists = name in near or (module in near and attribute in everywhere)
            exists = exists or ("/" in name and (PACKAGE.parent / name).exists())
            if not exists and not set(name.split(".")) <= here:
                lies.append(f"{path.relative_to(PACKAGE)}: {name}")
    assert not lies, "\n".join(lies)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_the_paths_that_a_page_names_exist(name: str) -> None:
    root = PACKAGE.parent
    paths = re.findall(r"`([\w.]+/[\w./]*)`", (root / name).read_text())
    assert paths
    assert not [path for path in paths if not any((at / path).exists() for at in (root, PACKAGE))]


def test_the_readme_lists_all_folders_of_the_package() -> None:
    end = (PACKAGE.parent / "README.md").read_text().partition("## Read on")[2]
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders <= set(re.findall(r"`(\w+)`", end))
