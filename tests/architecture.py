"""Draws docs/architecture.md from the code: the rooms, and which imports which.

python -m tests.architecture            write the picture anew
python -m tests.architecture --check    exit 1 when it does not fit the code
"""

from __future__ import annotations

import ast
import sys

from tests.unit.test_layers import LAYERS, PACKAGE, ROOT, imported, layer_of, modules

PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- drawn by python -m tests.architecture -->\n", "<!-- end -->\n"
Arrows = dict[str, set[str]]


def rooms() -> dict[str, str]:
    """The packages in the order of the layers, and the first line of each one's docstring."""
    found = {}
    for layer in LAYERS:
        init = ROOT / PACKAGE / layer / "__init__.py"
        if init.exists() and (docstring := ast.get_docstring(ast.parse(init.read_text()))):
            found[layer] = docstring.splitlines()[0]
    return found


def arrows() -> Arrows:
    """Each room with those it imports from."""
    known = rooms()
    found: Arrows = {room: set() for room in known}
    for path in modules():
        if (room := layer_of(path)) in known:
            targets = {
                name.split(".")[1]
                for _, name in imported(path, path.read_text())
                if name.startswith(f"{PACKAGE}.")
            }
            found[room] |= targets & (known.keys() - {room})
    return found


def reduced(graph: Arrows) -> Arrows:
    """Without the arrows that others imply: a to c, where a imports b and b imports c."""

    def reached(start: str) -> set[str]:
        return graph[start].union(*(reached(room) for room in graph[start]))

    return {
        room: targets - set().union(*(reached(target) for target in targets))
        for room, targets in graph.items()
    }


def render() -> str:
    """The part of the page that is drawn: the picture, and the table of the rooms."""
    lines = ["```mermaid", "flowchart BT"]
    for room, targets in reduced(arrows()).items():
        lines += [f"    {room}"] + [f"    {room} --> {target}" for target in sorted(targets)]
    lines += ["```", "", "| room | what it is |", "|---|---|"]
    lines += [
        f"| `{room}/` | {text.rstrip('.').replace('``', '`')} |" for room, text in rooms().items()
    ]
    return "\n".join([*lines, ""])


def page() -> str:
    """The page as it should be."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return f"{before}{BEGIN}{render()}{END}{rest.partition(END)[2]}"


def main(arguments: list[str]) -> int:
    """Write the page, or only compare it."""
    if "--check" in arguments:
        return int(page() != PAGE.read_text())
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
