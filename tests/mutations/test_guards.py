"""The table of guards fits the code, the tests and the documentation."""

from __future__ import annotations

import ast

import pytest

from tests.mutations.guards import GUARDS, ROOT, Guard, check_syntax
from tests.mutations.table import TABLE, render


@pytest.mark.parametrize("guard", GUARDS, ids=lambda one: one.name)
def test_a_guard_is_still_in_the_code_and_has_its_test(guard: Guard) -> None:
    """Its text is found exactly once, what takes its place is code, and the test exists."""
    for path, (old, new) in zip(guard.files, guard.without, strict=True):
        assert old != new
        check_syntax(path, path.read_text().replace(old, new))
    file, _, test = guard.test.partition("::")
    names = {
        node.name
        for node in ast.walk(ast.parse((ROOT / file).read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert not test or test.partition("[")[0] in names


def test_the_documentation_shows_the_table() -> None:
    assert TABLE.read_text() == render(), "python -m tests.mutations --table"


def test_each_guard_is_named_once() -> None:
    names = [(one.area, one.name) for one in GUARDS]
    assert len(names) == len(set(names))
