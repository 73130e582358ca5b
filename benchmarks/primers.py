"""The products that are measured, beside the rows themselves."""

from __future__ import annotations

import os
import time
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

from django.db.models import Count, Sum

from benchmarks import flights as flights
from benchmarks.models import Author, Book, Captured, Counter, Tick, Watched
from kck_publish import Depends, IntegerParameter, Primer, Public

if os.environ.get("KCK_BENCH_QUERYSETS"):
    from benchmarks import needless_querysets as needless_querysets
    from benchmarks import queryset_flights as queryset_flights
if os.environ.get("KCK_BENCH_API") and find_spec("rest_framework"):
    from benchmarks import api_primers as api_primers


class AuthorPage(Primer):
    """A page of about 7 KB: an author with its books."""

    key = "author_page"
    parameters = [IntegerParameter("author")]
    depends_on = [Depends(Author, author="pk"), Depends(Book, author="author_id")]

    def compute(self, author: int) -> dict[str, Any]:
        """As a view would do it."""
        found = Author.objects.get(pk=author)
        books = list(Book.objects.filter(author=author).order_by("published", "pk"))
        numbers = Book.objects.filter(author=author).aggregate(n=Count("pk"), sum=Sum("price"))
        return {
            "author": {"id": found.pk, "name": found.name},
            "count": numbers["n"],
            "sum": str(numbers["sum"] or Decimal(0)),
            "books": [
                {
                    "id": book.pk,
                    "slug": book.slug,
                    "title": book.title,
                    "price": str(book.price),
                    "published": book.published.isoformat(),
                    "pages": book.pages,
                }
                for book in books
            ],
        }


class CapturedTotal(Primer):
    """Captures the key and two columns; nobody reads it here."""

    key = "captured_total"
    parameters = [IntegerParameter("author")]
    depends_on = [Depends(Captured, author="author_id", columns=["price"])]

    def compute(self, author: int) -> int:
        """How many rows there are."""
        return int(Captured.objects.filter(author=author).count())


class WatchedTotal(Primer):
    """The same, when any column of the row counts."""

    key = "watched_total"
    parameters = [IntegerParameter("author")]
    depends_on = [Depends(Watched, author="author_id")]

    def compute(self, author: int) -> int:
        """How many rows there are."""
        return int(Watched.objects.filter(author=author).count())


class CounterTotal(Primer):
    """What depends on a counter; none is ever stored, so the listener only follows."""

    key = "counter_total"
    parameters = [IntegerParameter("group")]
    depends_on = [Depends(Counter, group="group", columns=["count"])]

    def compute(self, group: int) -> int:
        """The sum."""
        return sum(Counter.objects.filter(group=group).values_list("count", flat=True))


class Heavy(Primer):
    """Some milliseconds of Python for each key."""

    key = "heavy"
    parameters = [IntegerParameter("group")]
    depends_on = [Depends(Counter, group="group", columns=["count"])]

    def compute(self, group: int) -> int:
        """A sum that takes its time."""
        count = sum(Counter.objects.filter(group=group).values_list("count", flat=True))
        return int(sum(number * number % 7 for number in range(100_000)) + count)


class Elsewhere(Primer):
    """20 ms of waiting for each key, as for what another machine computes."""

    key = "elsewhere"
    parameters = [IntegerParameter("group")]
    depends_on = [Depends(Counter, group="group", columns=["count"])]

    def compute(self, group: int) -> int:
        """The sum, later."""
        time.sleep(0.02)
        return sum(Counter.objects.filter(group=group).values_list("count", flat=True))


class TickAt(Primer):
    """When a row was written last: streams of ``live`` tell how long ago that was."""

    key = "tick"
    parameters = [IntegerParameter("tick")]
    depends_on = [Depends(Tick, tick="pk")]
    live = Public

    def compute(self, tick: int) -> dict[str, int]:
        """The row's time."""
        return {"at": Tick.objects.values_list("at", flat=True).get(pk=tick)}
