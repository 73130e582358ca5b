"""The table of the products, and the page of one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import Http404
from django.urls import NoReverseMatch, reverse

from .. import clock
from ..ops.graph import edges
from ..ops.show_value import may_be_shown
from ..products import registry
from .access import OPERATE, VIEW_VALUE, may
from .asking import ask
from .catalog import Line, lines, shown
from .page import Page
from .periods import PERIODS, chosen
from .plots import PRODUCT, draw
from .queries import FAILING, HISTORY, RECENT, STATE, STORED
from .state import State

# The figures of the table are of so many seconds.
RECENTLY = 3600
_PLOTS = (
    ("refreshes", "Refreshes", "keys a second", "/s"),
    ("compute", "Compute", "of one key", "s"),
    ("lag", "Lag", "from a change to its write", "s"),
    ("failures", "Failures", "keys, in each step", ""),
)


class Products(Page):
    """All products, to be sorted and searched."""

    tab = "products"
    template = "products"
    parts = ("health", "rows")

    def look(self, **arguments: Any) -> dict[str, Any]:
        """All of it, by one statement."""
        since = clock.now().timestamp() - RECENTLY
        rows = ask({**STATE, "recent": RECENT, "stored": STORED}, {"since": since})
        found = lines(rows)
        return {
            "state": State(rows),
            "lines": found,
            "exact": all(line.exact for line in found),
        }


class ProductPage(Page):
    """One product."""

    tab = "products"
    template = "product"
    parts = ("health", "figures", "failures")

    def look(self, **arguments: Any) -> dict[str, Any]:
        """All of it, by one statement."""
        name = arguments["name"]
        if name not in shown():
            raise Http404(f"There is no product {name}.")
        period = chosen(self.request.GET.get("period"))
        window = period.window()
        rows = ask(
            {**STATE, "history": HISTORY, "recent": RECENT, "stored": STORED, "failing": FAILING},
            {**window.parameters(name), "since": clock.now().timestamp() - RECENTLY},
        )
        return {
            "state": State(rows),
            "line": _of(lines(rows), name),
            "failing": rows["failing"],
            "sees_keys": may(self.request, OPERATE),
            "sees_values": may(self.request, VIEW_VALUE) and may_be_shown(shown()[name]),
            **_neighbours(name),
            "elsewhere": _in_admin(name) if may(self.request, OPERATE) else [],
            "period": period,
            "periods": PERIODS,
            "plots": _PLOTS,
            "history": draw(window, PRODUCT, rows["history"]),
        }

    def data(self, shown: dict[str, Any]) -> dict[str, Any]:
        """The points of the plots."""
        return {"history": shown["history"]}


def _of(found: list[Line], name: str) -> Line:
    return next(line for line in found if line.name == name)


def _neighbours(name: str) -> dict[str, Any]:
    known = shown()
    all_ = [edge for edge in edges(registry.graph()) if edge.label != "domain"]
    return {
        "inputs": [edge for edge in all_ if edge.by == name],
        "dependents": sorted(
            {edge.by for edge in all_ if edge.on_product and edge.on == name and edge.by in known}
        ),
    }


def _in_admin(name: str) -> list[tuple[str, str]]:
    """Where the admin has what may be done: the text and the address of each page."""
    pages = (
        ("Pause, resume, refresh, verify", "product", {"q": name}),
        ("Stored entries", "storedkey", {"product": name}),
        ("Failures", "failedkey", {"product": name}),
    )
    try:
        return [
            (text, f"{reverse(f'admin:kck_publish_{page}_changelist')}?{urlencode(query)}")
            for text, page, query in pages
        ]
    except NoReverseMatch:
        return []
