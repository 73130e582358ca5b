"""The figures of a few minutes, beside those of an earlier run: what a change of the code costs.

Counts first, which noise does not touch: Python calls and statements. Then ratios to what stands
beside it in the same round. ``KCK_BENCH_SAVED`` names the file of the earlier run
(``.bench-quick.json`` in the current folder unless it says otherwise); ``KCK_BENCH_SAVE=1`` puts
this run in its place, and so does the first run.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.batches import Batches
from benchmarks.figures import in_turn, markdown, median, ratio, short, timed
from benchmarks.filling import fill
from benchmarks.world import world

ROWS = 2_000
ROUNDS = int(os.environ.get("KCK_BENCH_ROUNDS", "15"))
# A figure that has grown by more than this part is named: of counts, and of ratios.
COUNTED, TIMED = 0.02, 0.10


def main() -> None:
    """Measure, print and compare."""
    with world("quick: counts, and ratios within a round") as found, found.connect() as raw:
        fill(raw, ["book", "leaflet"], ROWS)
        batches = Batches()
        batches.next()
        counts = _counts(raw, batches)
        ratios = _ratios(raw, batches)
    _report(counts, ratios)


def calls(run: Callable[[], object]) -> int:
    """How many functions of Python a call runs."""
    counted = [0]

    def count(frame: FrameType, event: str, arg: object) -> None:
        counted[0] += event == "call"

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return counted[0]


def _counts(raw: Any, batches: Batches) -> dict[str, float]:
    from benchmarks.models import Book
    from benchmarks.primers import AuthorPage

    def drained(table: str, rows: int) -> int:
        raw.execute(f"UPDATE benchmarks_{table} SET pages = pages + 1 WHERE id <= %s", [rows])
        return calls(batches.next)

    hundred = list(range(1, 101))
    reads: dict[str, Callable[[], object]] = {
        "calls: one instance": lambda: Book.cached.get(pk=1),
        "calls: 100 instances": lambda: Book.cached.in_bulk(hundred),
        "calls: page, bytes": lambda: AuthorPage.cached.get_bytes(author=1),
    }
    counts: dict[str, float] = {}
    for name, read in reads.items():
        for _ in range(8):  # its statement is prepared then
            read()
        counts[name] = calls(read)
    for table in ("leaflet", "book"):
        drained(table, 1500)
        marginal = (drained(table, 1500) - drained(table, 500)) / 1000
        counts[f"calls: a drained row of {table}"] = marginal
        for _ in range(4):
            counts[f"calls: a batch of one {table}"] = drained(table, 1)
    return counts


def _ratios(raw: Any, batches: Batches) -> dict[str, float]:
    from benchmarks.models import Book, Leaflet
    from benchmarks.primers import AuthorPage

    hundred = list(range(1, 101))
    loop = asyncio.new_event_loop()

    def change() -> None:
        raw.execute("UPDATE benchmarks_leaflet SET pages = pages + 1 WHERE id = 1")
        batches.next()

    async def gathered() -> None:
        await asyncio.gather(*(Book.cached.aget(pk=pk) for pk in hundred))

    def forgotten(run: Callable[[], object]) -> Callable[[], float]:
        """The seconds of one run after the page was removed, which does not count."""

        def measure() -> float:
            AuthorPage.cached.get(author=1)
            raw.execute("DELETE FROM kck_publish_entry WHERE product = 'author_page'")
            start = time.perf_counter()
            run()
            return time.perf_counter() - start

        return lambda: median([measure() for _ in range(9)])

    prepared = "SELECT * FROM benchmarks_book WHERE id = %s"
    runs: dict[str, Callable[[], float]] = {
        "turn": timed(lambda: raw.execute("SELECT 1").fetchone(), 50),
        "tuple": timed(
            lambda: raw.execute(prepared, [1], prepare=True, binary=True).fetchall(), 50
        ),
        "orm": timed(lambda: Book.objects.get(pk=1), 20),
        "one": timed(lambda: Book.cached.get(pk=1), 50),
        "in_bulk": timed(lambda: Book.objects.in_bulk(hundred), 5),
        "many": timed(lambda: Book.cached.in_bulk(hundred), 5),
        "gathered": timed(lambda: loop.run_until_complete(gathered()), 3),
        "change": timed(change, 3),
        "miss": forgotten(lambda: AuthorPage.cached.get(author=1)),
        "compute": forgotten(lambda: AuthorPage().compute(author=1)),
        "leaflet": timed(lambda: Leaflet.cached.get(pk=1), 50),
    }
    for run in runs.values():
        run()
    found = in_turn(runs, ROUNDS)
    loop.close()
    rounds = zip(found["miss"], found["compute"], found["turn"], strict=True)
    beside = median([(miss - compute) / turn for miss, compute, turn in rounds])
    return {
        "one instance, to psycopg's prepared tuple": ratio(found["one"], found["tuple"]),
        "one instance, to objects.get": ratio(found["one"], found["orm"]),
        "100 instances, to in_bulk": ratio(found["many"], found["in_bulk"]),
        "100 gathered aget, to in_bulk": ratio(found["gathered"], found["in_bulk"]),
        "a miss beside its compute, in bare round trips": beside,
        "a change and its batch, in bare round trips": ratio(found["change"], found["turn"]),
    }


def _report(counts: dict[str, float], ratios: dict[str, float]) -> None:
    path = Path(os.environ.get("KCK_BENCH_SAVED", ".bench-quick.json"))
    saved: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    rows = [["figure", "now", "saved", "change"]]
    worse = []
    for figures, allowed in ((counts, COUNTED), (ratios, TIMED)):
        for name, now in figures.items():
            before = saved.get(name)
            grown = None if not before else now / before - 1
            rows.append(
                [
                    name,
                    short(now),
                    "" if before is None else short(before),
                    "" if grown is None else f"{grown:+.0%}",
                ]
            )
            if grown is not None and grown > allowed:
                worse.append(name)
    markdown(rows)
    for name in worse:
        print(f"   - costs more than in the saved run: {name}")
    if not saved or os.environ.get("KCK_BENCH_SAVE"):
        path.write_text(json.dumps(counts | ratios, indent=1) + "\n")
        print(f"   saved: {path}")


if __name__ == "__main__":
    main()
