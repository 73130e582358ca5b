"""The first page: how the library is now, and how it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import clock
from .asking import Rows, ask
from .catalog import shown
from .filters import duration, number, size
from .page import Page
from .periods import PERIODS, Window, chosen
from .plots import BATCHES, computes, draw
from .queries import HISTORY, RECENT, STATE
from .state import MAX_LAG, State

SLOWEST = 8
# The names are ranked over a day at the most: of a month it would be millions of rows.
RANKED_SECONDS = 86400
_PLOTS = (
    ("lag", "Lag", "from a change to its write", "s"),
    ("changes", "Changes", "rows of the log a second", "/s"),
    ("refreshes", "Refreshes", "keys a second", "/s"),
    ("failures", "Failures", "keys, in each step", ""),
    ("queue", "Queue", "changes that waited, at the most", ""),
)


class Overview(Page):
    """Tiles, plots, the slowest products, listeners, what is paused."""

    tab = "overview"
    template = "overview"
    parts = ("health", "tiles", "slowest", "failing", "listeners", "paused")

    def look(self, **arguments: Any) -> dict[str, Any]:
        """All of it, by one statement."""
        period = chosen(self.request.GET.get("period"))
        window = period.window()
        since = clock.now().timestamp() - min(period.seconds, RANKED_SECONDS)
        rows = ask(
            {**STATE, "history": HISTORY, "recent": RECENT},
            {**window.parameters(""), "since": since},
        )
        state = State(rows)
        return {
            "state": state,
            "tiles": _tiles(state, window, rows),
            "slowest": slowest(rows["recent"]),
            "ranked_over": period.text if period.seconds <= RANKED_SECONDS else "24 hours",
            "failing": sorted(rows["failures"], key=lambda row: (-row["dead"], -row["retrying"])),
            "known": set(shown()),
            "paused": rows["pauses"],
            "period": period,
            "periods": PERIODS,
            "plots": _PLOTS,
            "history": draw(window, BATCHES, rows["history"]),
        }

    def data(self, shown: dict[str, Any]) -> dict[str, Any]:
        """The points of the plots."""
        return {"history": shown["history"]}


def slowest(recent: Rows) -> Rows:
    """The products with the longest mean compute, each with its share of the longest."""
    known = shown()
    found = [
        {**row, "mean": row["seconds"] / row["computes"]}
        for row in recent
        if row["computes"] and row["seconds"] and row["product"] in known
    ]
    found.sort(key=lambda row: -row["mean"])
    top = found[0]["mean"] if found else 1.0
    return [{**row, "share": 100 * row["mean"] / top} for row in found[:SLOWEST]]


def _tiles(state: State, window: Window, rows: Mapping[str, Rows]) -> list[dict[str, str]]:
    sizes = rows["sizes"][0] if rows["sizes"] else {"entries": 0, "entry_bytes": 0, "log_bytes": 0}
    asleep = sum(row["asleep"] and row["connected"] for row in state.listeners)
    return [
        _tile("Lag", duration(state.lag), "oldest unhandled change", bad=state.lag > MAX_LAG),
        _tile(
            "Queue",
            number(state.waiting - 1) + "+" if state.more_wait else number(state.waiting),
            f"{number(state.backlog)} parts deferred" if state.backlog else "changes to handle",
            warn=bool(state.backlog),
        ),
        _tile(
            "Refreshes",
            f"{number(_last_rate(window, rows['history']))}/s",
            f"keys, mean of the last {duration(window.last)}",
        ),
        _tile(
            "Failing",
            number(state.retrying + state.dead),
            f"{number(state.dead)} of them for good" if state.dead else "keys",
            bad=bool(state.dead),
            warn=bool(state.retrying),
        ),
        _tile(
            "Listeners",
            number(state.running),
            f"{asleep} asleep, waiting for changes" if asleep else "connected",
            bad=not state.running,
        ),
        _tile(
            "Entries",
            number(sizes["entries"]),
            f"{size(sizes['entry_bytes'])} stored, {size(sizes['log_bytes'])} of log",
        ),
    ]


def _last_rate(window: Window, history: Rows) -> float:
    """Keys a second in the last point; 0 where nothing was done in it."""
    last = history[-1] if history else None
    return computes(last) / window.last if last and last["at"] >= window.end - window.last else 0.0


def _tile(
    name: str, figure: str, note: str, bad: bool = False, warn: bool = False
) -> dict[str, str]:
    state = "bad" if bad else "warn" if warn else "plain"
    return {"name": name, "figure": figure, "note": note, "state": state}
