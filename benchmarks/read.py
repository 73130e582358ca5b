"""Reading: one instance, a hundred, and a page of 7 KB as bytes; beside what one would use instead.

The store is the PostgreSQL one. Django's locmem cache pickles and lives in one process; it is the
floor of what is not shared. "raw psycopg" is the table's row by a prepared statement, as a tuple.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import cycle
from typing import Any

import psycopg

from benchmarks.figures import in_turn, table, timed
from benchmarks.filling import fill
from benchmarks.world import world

ROWS = 20_000
ROUNDS = int(os.environ.get("KCK_BENCH_ROUNDS", "9"))
STORED = "SELECT body FROM kck_publish_entry WHERE digest = %s AND fingerprint = %s"
Contestants = dict[str, Callable[[], object]]


def main() -> None:
    """Measure and print."""
    with world("read: the PostgreSQL store and its peers") as found, found.connect() as raw:
        fill(raw, ["book"], ROWS)
        raw.prepare_threshold = 0
        from django.core.management import call_command

        raw.execute("UPDATE benchmarks_book SET pages = pages + 1")
        call_command("kck_listen", "--once", verbosity=0)
        raw.execute("VACUUM ANALYZE")
        _compare("one instance by pk", _one(raw), 300, "objects.get")
        _compare("one instance by a lookup", _lookup(), 300, "objects.get")
        _compare("100 instances by pk", _hundred(raw), 20, "objects.in_bulk")
        _compare("a page of 7 KB", _page(raw), 100, "compute")


def _compare(title: str, contestants: Contestants, times: int, against: str) -> None:
    for run in contestants.values():
        run()
    figures = in_turn({name: timed(run, times) for name, run in contestants.items()}, ROUNDS)
    print(f"   {title}")
    table(figures, "us", 1e6, against)


def _some() -> Callable[[], int]:
    return cycle(range(1, ROWS, 37)).__next__


def _one(raw: psycopg.Connection[Any]) -> Contestants:
    from django.core.cache import cache

    from benchmarks.models import Book

    some = _some()
    for pk in range(1, ROWS, 37):
        cache.set(f"book/{pk}", Book.objects.get(pk=pk), None)
    select = "SELECT * FROM benchmarks_book WHERE id = %s"
    return {
        "objects.get": lambda: Book.objects.get(pk=some()),
        ".cached.get": lambda: Book.cached.get(pk=some()),
        "raw psycopg": lambda: raw.execute(select, [some()]).fetchone(),
        "Django's locmem cache": lambda: cache.get(f"book/{some()}"),
    }


def _lookup() -> Contestants:
    from benchmarks.models import Book

    some = _some()
    return {
        "objects.get": lambda: Book.objects.get(slug=f"slug-of-row-{some()}"),
        ".cached.get": lambda: Book.cached.get(slug=f"slug-of-row-{some()}"),
    }


def _hundred(raw: psycopg.Connection[Any]) -> Contestants:
    from django.core.cache import cache

    from benchmarks.models import Book

    pks = list(range(1, ROWS, ROWS // 100))[:100]
    keys = [f"book/{pk}" for pk in pks]
    for pk in pks:
        cache.set(f"book/{pk}", Book.objects.get(pk=pk), None)
    select = "SELECT * FROM benchmarks_book WHERE id = ANY (%s)"
    return {
        "objects.in_bulk": lambda: Book.objects.in_bulk(pks),
        ".cached.in_bulk": lambda: Book.cached.in_bulk(pks),
        "raw psycopg": lambda: raw.execute(select, [pks]).fetchall(),
        "Django's locmem cache": lambda: cache.get_many(keys),
    }


def _page(raw: psycopg.Connection[Any]) -> Contestants:
    from django.core.cache import cache

    from benchmarks.primers import AuthorPage
    from kck_publish.stores import Address

    primer = AuthorPage()
    body = AuthorPage.cached.get_bytes(author=7)
    cache.set("page/7", body, None)
    print(f"   (the page has {len(body):,} bytes)")
    from kck_publish import registry

    address = Address("author_page/7", registry.get("author_page").fingerprint)
    identity = [address.digest, address.fingerprint]
    return {
        "compute": lambda: primer.compute(author=7),
        ".cached.get_bytes": lambda: AuthorPage.cached.get_bytes(author=7),
        ".cached.get": lambda: AuthorPage.cached.get(author=7),
        "raw psycopg, the stored bytes": lambda: raw.execute(STORED, identity).fetchone(),
        "Django's locmem cache": lambda: cache.get("page/7"),
    }


if __name__ == "__main__":
    main()
