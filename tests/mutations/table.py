"""The table of guards as the documentation shows it."""

from __future__ import annotations

from itertools import groupby

from tests.mutations.guards import GUARDS, ROOT

TABLE = ROOT / "docs" / "guards.md"
_HEAD = """\
# How the tests are tested

What each protocol does so that nothing is lost, stale or counted twice, and the test that fails
when just that is taken out of the code. `python -m tests.mutations` takes them out one by one, on a
copy of the tree, and says so; a fast test holds that this table still fits the code.
"""


def render() -> str:
    """The contents of docs/guards.md."""
    parts = [_HEAD]
    for area, guards in groupby(GUARDS, key=lambda one: one.area):
        parts.append(f"\n## {area.capitalize()}\n\n| guard | without it fails |\n|---|---|\n")
        for one in guards:
            file, _, test = one.test.partition("::")
            shown = f"`{test}` in `{file}`" if test else f"`{file}`"
            parts.append(f"| {one.name} | {shown} |\n")
    return "".join(parts)
