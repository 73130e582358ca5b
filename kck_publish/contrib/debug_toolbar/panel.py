"""``ProductsPanel``: what a request has read, what it has written, and what that will touch."""

from __future__ import annotations

from collections.abc import Awaitable
from inspect import isawaitable
from typing import Any

from asgiref.sync import sync_to_async
from debug_toolbar.panels import Panel
from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponse

from ...capture import local_settings
from ...conf import settings
from ...log.lag import lags
from ...postgres import describe
from ...public_names import public_in
from ...reading import observed
from .reads import SHOWN, Reads
from .written import Written, new_trace, trace_here, written


@public_in("kck_publish.contrib.debug_toolbar")
class ProductsPanel(Panel):
    """Lists each key that the request has read, and each table that it has written.

    In ``DEBUG_TOOLBAR_PANELS``. A write costs one more statement while it is on.
    """

    title = "Products"
    template = "kck_publish/debug_toolbar/products.html"
    is_async = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._reads: Reads | None = None
        self._ended = False
        self._trace = ""
        self._before = local_settings.NOTHING
        self._found: Written | None = None
        self._problem = ""

    @property
    def nav_subtitle(self) -> str:
        """The numbers of the request."""
        stats = self.get_stats()
        text = f"{stats.get('count', 0)} keys of {stats.get('products', 0)} products"
        return f"{text}, {len(stats['repeated'])} could be fewer" if stats.get("repeated") else text

    def enable_instrumentation(self) -> None:
        """Observe the reads of this request, and mark its writes."""
        if self._reads is None:
            self._reads, trace = Reads(), new_trace()
            self._trace = trace_here(trace)
            local = local_settings.current.get()
            self._before = local
            local_settings.current.set(local._replace(trace=trace))
            observed.begin(self._reads)

    def disable_instrumentation(self) -> None:
        """Let the request's reads and writes be."""
        if self._reads is not None and not self._ended:
            self._ended = True
            observed.end()
            local_settings.current.set(self._before)

    def process_request(self, request: HttpRequest) -> Any:
        """Answer it; asynchronously, look then at what it has written: later nobody may wait."""
        response = super().process_request(request)
        return self._later(response) if isawaitable(response) else response

    async def _later(self, response: Awaitable[HttpResponse]) -> HttpResponse:
        answered = await response
        await sync_to_async(self._look)()
        return answered

    def generate_stats(self, request: HttpRequest, response: HttpResponse) -> None:
        """Keep what there is to show."""
        reads = self._reads
        if reads is None:
            return
        if self._found is None and not self._problem:
            self._look()
        found = self._found or Written([], [])
        self.record_stats(
            {
                "count": reads.count,
                "more": max(0, reads.count - SHOWN),
                "products": reads.products,
                "reads": reads.as_dicts(),
                "repeated": reads.repeated(),
                "changes": found.changes,
                "touched": found.touched,
                "problem": self._problem,
            }
        )

    def _look(self) -> None:
        """Ask the database what was written, and how far the listener is behind."""
        assert self._reads is not None
        try:
            with connections[settings.DATABASE].cursor() as cursor:
                self._reads.late(lags(cursor))
            self._found = written(self._trace)
        except DatabaseError as error:
            self._problem = f"The log cannot be read: {describe(error)}"
