"""What type checkers make of declarations, without a plugin: mypy, with and without django-stubs,
and pyright (basedpyright, which brings its node) on tests/typed, and on the blocks of README.md.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

import pytest

from kck_publish import InvalidPrimer
from kck_publish.aggregates import AggregatePrimer, Count
from kck_publish.products import registry
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.docs_project import blocks, write_project

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests/typed"

MYPY = """
[mypy]
strict = true
python_version = 3.11
follow_imports = silent
[mypy-pgtrigger.*,rest_framework.*]
ignore_missing_imports = true
"""
# What its plugin is for: to know the types of fields.
WITH_STUBS = """
[mypy-tests.typed.shop.models,catalog.models]
disable_error_code = var-annotated
"""
# As where nothing is known of Django.
WITHOUT_STUBS = """
[mypy-django.*]
follow_imports = skip
follow_imports_for_stubs = true
ignore_missing_imports = true
[mypy-tests.typed.shop.models,catalog.models]
disallow_subclassing_any = false
"""
PYRIGHT = {
    "typeCheckingMode": "strict",
    "pythonVersion": "3.11",
    "reportPrivateUsage": False,
    "reportUnusedExpression": False,
    "reportUnusedVariable": False,
    # django-stubs' fields, without their plugin.
    "reportUnknownVariableType": False,
    "reportUnknownMemberType": False,
    "reportUnknownArgumentType": False,
}

# By file and line, what is said of it.
Errors = dict[tuple[str, int], str]


def run(arguments: list[str], cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy(config: str, folder: Path, files: list[str], tmp_path: Path) -> Errors:
    (tmp_path / "mypy.ini").write_text(config)
    # The second test of a checker finds there what the first has read of Django.
    cache = tmp_path.parent / f"mypy-{len(config)}"
    options = ["--config-file", str(tmp_path / "mypy.ini"), "--cache-dir", str(cache)]
    said = run(["mypy", *options, *files], folder)
    found = re.findall(r"^([^:\n]+):(\d+): error: (.*)$", said, re.MULTILINE)
    return {(name, int(line)): text for name, line, text in found}


def pyright(folder: Path, files: list[str], tmp_path: Path) -> Errors:
    config = {
        **PYRIGHT,
        "include": [str(folder / name) for name in files],
        "extraPaths": [str(ROOT), str(folder)],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    said = run(
        ["basedpyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(tmp_path)],
        folder,
    )
    return {
        (str(Path(each["file"]).relative_to(folder)), each["range"]["start"]["line"] + 1): each[
            "message"
        ]
        for each in json.loads(said)["generalDiagnostics"]
        if each["severity"] == "error"
    }


def checked(checker: str, folder: Path, files: list[str], tmp_path: Path) -> Errors:
    """What one of the checkers says of these files."""
    if checker == "pyright":
        return pyright(folder, files, tmp_path)
    more = WITHOUT_STUBS if checker == "mypy without stubs" else WITH_STUBS
    return mypy(MYPY + more, folder, files, tmp_path)


CHECKERS = pytest.mark.parametrize("checker", ["mypy", "mypy without stubs", "pyright"])


@pytest.mark.long
@CHECKERS
def test_right_uses_are_inferred_and_wrong_ones_are_errors(checker: str, tmp_path: Path) -> None:
    files = [f"shop/{name}.py" for name in ("models", "primers", "right", "wrong")]
    marked = {
        (name, line)
        for name in files
        for line, text in enumerate((CASES / name).read_text().splitlines(), 1)
        if "# error" in text and not ("with stubs" in text and "without" in checker)
    }
    said = checked(checker, CASES, files, tmp_path)
    assert len(marked) >= 20
    assert said.keys() == marked, "\n".join(
        f"{name}:{line}: {said.get((name, line), 'no error')}"
        for name, line in sorted(said.keys() ^ marked)
    )


# What README.md says of its own examples.
README = """
from typing import assert_type
from catalog.models import Author
from catalog.primers import AuthorPage, Page

author = Author.cached.get(slug="le-guin")
assert_type(author, Author)
assert_type(Author.cached.in_bulk([1]), dict[int, Author])
assert_type(Author.cached.filter(name="Le Guin"), list[Author])
assert_type(AuthorPage.cached.get(author=1), Page)
assert_type(AuthorPage.cached.get_bytes(author=1), bytes)
assert_type(AuthorPage.cached.get_many([{"author": 1}]), list[Page | None])
AuthorPage.cached.get(author="1")  # error
AuthorPage.cached.get(auther=1)  # error
"""


@pytest.mark.long
@CHECKERS
def test_the_examples_of_the_readme_are_inferred(checker: str, tmp_path: Path) -> None:
    """As written there; what is done in a shell is a module, with no types that are given."""
    folder = tmp_path / "project"
    found = blocks(ROOT / "README.md", "README.md")
    write_project(folder, found)
    shell = "\n".join(block.code for block in found if block.run and block.file is None)
    (folder / "shell.py").write_text(shell)
    (folder / "told.py").write_text(README)
    files = ["catalog/models.py", "catalog/primers.py", "shell.py", "told.py"]
    said = checked(checker, folder, files, tmp_path)
    marked = [n for n, text in enumerate(README.splitlines(), 1) if text.endswith("# error")]
    assert sorted(said) == [("told.py", line) for line in marked], said


class Figures(TypedDict):
    rows: int


def test_a_typed_dict_in_brackets_has_the_names_of_the_values() -> None:
    """Else what a type checker believes would be silently wrong."""
    with pytest.raises(InvalidPrimer, match="Figures has the names rows, and `values` has count"):

        class Wrong(AggregatePrimer[Figures]):
            key = "typed_wrong"
            source = Item
            values = {"count": Count()}

    class Right(AggregatePrimer[Figures]):
        key = "typed_right"
        source = Item
        values = {"rows": Count()}

    registry.unregister("typed_right")


def test_a_parameter_without_its_name_is_refused() -> None:
    with pytest.raises(
        TypeError, match=r"item_total takes its parameters by name: get\(group=...\)"
    ):
        ItemTotal.cached.get(1)
    with pytest.raises(TypeError, match="by name"):
        ItemTotal.cached.get_bytes(1)
