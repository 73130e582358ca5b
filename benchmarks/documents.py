"""What a benchmark has printed, into docs/benchmarks.md, so that nobody copies figures by hand.

It goes between the benchmark's two markers there. ``make bench`` and ``make bench-NAME`` write;
``python -m benchmarks.NAME`` alone only prints. Tables, targets and pictures are Markdown as they
are printed; other lines are put into fences.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "benchmarks.md"
PICTURES = DOCS / "benchmarks"


def keep(name: str, output: str) -> None:
    """Put a benchmark's output in place of its last one; at the page's end if it has none."""
    begin, end = f"<!-- bench:{name} -->\n", f"<!-- /bench:{name} -->\n"
    text = PAGE.read_text()
    if begin not in text:
        text = text.rstrip("\n") + f"\n\n{begin}{end}"
    before, rest = text.split(begin, 1)
    _, after = rest.split(end, 1)
    PAGE.write_text(before + begin + "\n" + markdown(output) + "\n" + end + after)


def markdown(output: str) -> str:
    """The printed lines as Markdown."""
    parts = []
    for fenced, lines in groupby(_unindented(output), key=_is_plain):
        text = "\n".join(lines).strip("\n")
        if text.strip():
            parts.append(f"```text\n{text}\n```\n" if fenced else text + "\n")
    return "\n".join(parts)


def _unindented(output: str) -> Iterable[str]:
    for line in output.splitlines():
        yield "" if not line.strip() else line.removeprefix("   ").replace("== ", "### ", 1)


def _is_plain(line: str) -> bool:
    """Whether it is no Markdown; an empty line goes with what is."""
    return bool(line) and not line.startswith(("|", "- ", "![", "### "))
