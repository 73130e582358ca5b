"""The products: what is stored of each, what it costs, what it waits for; paused here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from ..conf import settings
from ..log import refreshes
from ..ops.figures import Figures, figures
from ..ops.verify import audit_products
from ..products import registry
from ..refresh import paused_products
from .acts import Act, Selection
from .log import record
from .page import Page
from .verified import PATIENCE, SECONDS, verified

PERIODS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
COLUMNS = (
    ("product", "Product", ""),
    ("keys", "Keys", "stored entries; about, where there are many"),
    ("bytes", "Size", "of their values, where these are in the database"),
    ("refreshed", "Refreshed", "keys, in the period"),
    ("mean", "Mean time", "of a compute, in the period"),
    ("longest", "Longest", "compute, in the period"),
    ("lag", "Mean lag", "from a change to the write of its key, in the period"),
    ("latest", "Longest lag", "at the most, in the period"),
    ("behind", "Behind", "keys that failed, or wait for the product to be resumed"),
    ("paused", "State", ""),
)


class ProductsPage(Page):
    """All products: there are some hundreds at the most, so they are on one page."""

    table = "pause"
    template = "products.html"

    def acts(self) -> Mapping[str, Act]:
        return {
            "pause": Act("Pause", self.pause),
            "resume": Act("Resume", self.resume),
            "refresh": Act("Refresh", self.refresh, confirm=True),
            "verify": Act("Verify", self.verify),
        }

    def listing(self, request: HttpRequest) -> dict[str, Any]:
        period = request.GET.get("period", "hour")
        period = period if period in PERIODS else "hour"
        order = request.GET.get("o", "product")
        products = registry.graph().products
        with self.cursor() as cursor:
            rows = figures(cursor, products, PERIODS[period])
        rows = [row for row in rows if request.GET.get("q", "").lower() in row.product.lower()]
        return {
            "rows": _ordered(rows, order),
            "declared": products.keys(),
            "columns": COLUMNS,
            "order": order,
            "period": period,
            "periods": PERIODS,
        }

    def names(self, request: HttpRequest, selection: Selection) -> Sequence[str]:
        """The products that an act is on."""
        if selection.everything:
            return sorted(_matching(request, _listed()))
        return selection.names

    def pause(self, request: HttpRequest, selection: Selection) -> str:
        """Have nothing computed of them."""
        with transaction.atomic(using=settings.DATABASE):
            paused = paused_products.pause(
                self.names(request, selection), request.user.get_username()
            )
            record(request, self.model, paused, "Paused.")
        return f"Paused {_products(paused)}: nothing is computed, and changes are kept."

    def resume(self, request: HttpRequest, selection: Selection) -> str:
        """Have all done that was postponed."""
        names = selection.names
        if selection.everything:  # those too that no code declares any more
            names = _matching(request, paused_products.all_paused())
        with transaction.atomic(using=settings.DATABASE):
            resumed = paused_products.resume(names)
            record(request, self.model, resumed, "Resumed.")
        return f"Resumed {_products(resumed)}: what has changed meanwhile is primed now."

    def refresh(self, request: HttpRequest, selection: Selection) -> str:
        """Have all that is stored primed."""
        declared = registry.graph().products
        names = [name for name in self.names(request, selection) if name in declared]
        with transaction.atomic(using=settings.DATABASE), self.cursor() as cursor:
            refreshes.log_whole(cursor, names)
            record(request, self.model, names, "Asked for a refresh of all its stored keys.")
        return f"The listener refreshes all stored keys of {_products(names)}."

    def verify(self, request: HttpRequest, selection: Selection) -> HttpResponse:
        """Compare a sample of each with a fresh compute."""
        declared = registry.graph().products
        names = [name for name in self.names(request, selection) if name in declared]
        report = audit_products(names, PATIENCE, SECONDS)
        record(request, self.model, names, f"Verified {report.compared} keys.")
        return verified(self, request, report)


def _matching(request: HttpRequest, names: Sequence[str]) -> list[str]:
    """Those that the page's search finds."""
    wanted = request.GET.get("q", "").lower()
    return [name for name in names if wanted in name.lower()]


def _listed() -> list[str]:
    return [name for name in registry.graph().products if not name.endswith(paused_products.DOMAIN)]


def _ordered(rows: list[Figures], order: str) -> list[Figures]:
    """By a column; by numbers the greatest first, and what has none last."""
    if order in {name for name, *_ in COLUMNS[1:-1]}:
        return sorted(rows, key=lambda row: -(getattr(row, order) or 0))
    if order == "paused":
        return sorted(rows, key=lambda row: row.paused_since is None)
    return rows


def _products(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} products"
