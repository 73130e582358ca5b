"""Promises 2, 3 and 4: whatever happens in whatever order, drained means true.

Hypothesis writes histories of several sessions: changes, rollbacks, truncations, transactions that
stay open and commit late, reads that prime lazily (some of them held in the middle), batches that
crash before or after their write, changes that are too many for a batch. Whenever everything is
drained, every stored entry equals a fresh compute, every row is published, and augmented values
were amended exactly once.
"""

from __future__ import annotations

import os
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.core.cache import caches
from django.db import connection
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kck_publish import Cache
from kck_publish.conf import settings as ours
from kck_publish.refresh import paused_products
from kck_publish.testing import assert_fresh
from tests.catalog import primers
from tests.catalog.crashes import Crash, dying
from tests.catalog.fixtures import OURS, Gate, Session, drain, empty, sql, stored
from tests.catalog.models import Author, Book, Edition, Item, ItemTag, Tag

pytestmark = pytest.mark.django_db(transaction=True)

cache = Cache.get_instance()
EXAMPLES = int(os.environ.get("KCK_TEST_EXAMPLES", "20"))
GROUPS = range(3)
NAMES = [f"n{number}" for number in range(4)]
TABLES = ("catalog_itemtag", "catalog_item", "catalog_edition", "catalog_book", "catalog_author")

names = st.sampled_from(NAMES)
groups = st.sampled_from(GROUPS)
amounts = st.integers(-3, 3)
# How many changes are too many for one batch.
bounds = st.sampled_from([1, 2, 5000])
keys = st.sampled_from(
    [f"item_names/{group}" for group in GROUPS]
    + [f"item_total/{group}" for group in GROUPS]
    + [f"catalog.item:name/{name}" for name in NAMES]
    + [f"catalog.item[group]/{group}" for group in GROUPS]
    + ["author_page/1", "author_page/2", "stock/1", "stock/2", "shelf/1", "shelf/2"]
    + ["shelf_sum/1", "shelf_sum/2", "tag_count/1", "tags_of_item/1", "titles", "fragile/1"]
    + ["catalog.book:title/A", "catalog.book:title/B", "catalog.author:first,last/F/L"]
)
PAUSABLE = (
    "item_names", "item_total", "author_page", "stock", "shelf", "shelf_sum", "tag_count",
    "titles", "catalog.item", "catalog.item:name", "catalog.item[group]", "catalog.book:title",
)  # fmt: skip
# TRUNCATE keeps readers waiting until its transaction ends: none in one that stays open.
truncations = st.sampled_from([("TRUNCATE catalog_edition", ()), ("TRUNCATE catalog_itemtag", ())])
rows = st.one_of(
    st.builds(
        lambda name, group, amount: (
            (
                'INSERT INTO catalog_item (name, "group", amount) VALUES (%s, %s, %s) '
                'ON CONFLICT (name) DO UPDATE SET "group" = excluded."group", '
                "amount = catalog_item.amount + excluded.amount"
            ),
            (name, group, amount),
        ),
        names,
        groups,
        amounts,
    ),
    st.builds(
        lambda group, other, amount: (
            'UPDATE catalog_item SET "group" = %s, amount = amount + %s WHERE "group" = %s',
            (other, amount, group),
        ),
        groups,
        groups,
        amounts,
    ),
    st.builds(
        lambda name: ("DELETE FROM catalog_item WHERE name = %s AND id <> 1", (name,)), names
    ),
    st.builds(
        lambda name: (
            (
                "UPDATE catalog_item SET id = nextval('catalog_item_id_seq') "
                "WHERE name = %s AND id <> 1"
            ),
            (name,),
        ),
        names,
    ),
    st.builds(
        lambda book, copies: (
            (
                "INSERT INTO catalog_edition (book_id, copies, remark) "
                "SELECT id, %s, '' FROM catalog_book WHERE id = %s"
            ),
            (copies, book),
        ),
        st.integers(1, 2),
        amounts,
    ),
    st.builds(
        lambda book, copies: (
            (
                "UPDATE catalog_edition SET copies = copies + %s, book_id = %s "
                "WHERE EXISTS (SELECT FROM catalog_book WHERE id = %s)"
            ),
            (copies, book, book),
        ),
        st.integers(1, 2),
        amounts,
    ),
    st.builds(
        lambda book, title, author: (
            "UPDATE catalog_book SET title = %s, author_id = %s WHERE id = %s",
            (title, author, book),
        ),
        st.integers(1, 2),
        st.sampled_from("ABC"),
        st.integers(1, 2),
    ),
    st.builds(
        lambda author, first: (
            "UPDATE catalog_author SET first = %s WHERE id = %s",
            (first, author),
        ),
        st.integers(1, 2),
        st.sampled_from("FGH"),
    ),
    st.just(("INSERT INTO catalog_itemtag (item_id, tag_id) VALUES (1, 1)", ())),
    st.just(("DELETE FROM catalog_itemtag", ())),
    st.just(("DELETE FROM catalog_edition", ())),
)
statements = rows | truncations


def also(**more: Any) -> dict[str, Any]:
    """The library's settings, and these."""
    return {**getattr(django_settings, "KCK_PUBLISH", {}), **more}


def _needs(key: str, held: str) -> bool:
    """Whether reading a key may compute the other one."""
    below = {"shelf_sum": ("shelf/", "author_page/", "stock/"), "shelf": ("stock/",)}
    return key == held or held.startswith(below.get(key.partition("/")[0], ()))


class Drains(RuleBasedStateMachine):
    """One history."""

    def __init__(self) -> None:
        super().__init__()
        # Values first: a near store would copy one that outlives its row, as readers read it.
        caches["shared" if "shared" in django_settings.CACHES else "default"].clear()
        empty(*TABLES, *OURS)
        self.flushed = False
        for number, (first, title) in enumerate([("F", "A"), ("G", "B")], start=1):
            Author.objects.create(pk=number, slug=str(number), first=first, last="L")
            Book.objects.create(pk=number, author_id=number, title=title)
            Edition.objects.create(book_id=number, copies=number)
        Item.objects.create(pk=1, name="fixed", group=0, amount=1)
        sql("SELECT setval('catalog_item_id_seq', 100)")
        Tag.objects.get_or_create(pk=1, defaults={"name": "t"})
        ItemTag.objects.create(item_id=1, tag_id=1)
        self.other: psycopg.Connection[Any] | None = None
        self.slow: tuple[Session, Gate, str] | None = None
        self.drained = False

    def _connect(self) -> psycopg.Connection[Any]:
        parameters = connection.get_connection_params()
        for name in ("cursor_factory", "context"):
            parameters.pop(name, None)
        return psycopg.connect(**parameters)

    @rule(statement=statements)
    def write(self, statement: Any) -> None:
        self._run(lambda: sql(statement[0], *statement[1]), statement)

    @rule(some=st.lists(statements, min_size=1, max_size=4), commit=st.booleans())
    def transaction(self, some: Any, commit: bool) -> None:
        from django.db import transaction

        def run() -> None:
            with transaction.atomic():
                sql("SET LOCAL lock_timeout = '50ms'")
                for query, values in some:
                    sql(query, *values)
                transaction.set_rollback(not commit)

        self._run(run, *some)

    def _run(self, run: Any, *some: Any) -> None:
        """Try it; the open transaction may hold a lock, and a conflict is an abort like any."""
        from django.db import DatabaseError

        sql("SET lock_timeout = '50ms'")
        try:
            run()
        except DatabaseError:
            pass
        finally:
            sql("SET lock_timeout = 0")
        self.drained = False

    @rule(statement=rows)
    def write_in_the_open_transaction(self, statement: Any) -> None:
        if self.other is None:
            self.other = self._connect()
        try:
            with self.other.transaction():
                self.other.execute("SET LOCAL lock_timeout = '50ms'")
                self.other.execute(statement[0], statement[1])
        except psycopg.Error:
            pass
        self.drained = False

    @precondition(lambda self: self.other is not None)
    @rule(commit=st.booleans())
    def end_the_open_transaction(self, commit: bool) -> None:
        other, self.other = self.other, None
        assert other is not None
        if commit:
            other.commit()
        other.close()
        self.drained = False

    @rule(some=st.lists(keys, min_size=1, max_size=4))
    def read(self, some: list[str]) -> None:
        # Who wants what the slow read computes would wait for it.
        free = [one for one in some if self.slow is None or not _needs(one, self.slow[2])]
        Session(lambda: cache.get_many(free)).result()
        self.drained = False

    @precondition(lambda self: self.slow is None)
    @rule(key=keys)
    def begin_a_slow_read(self, key: str) -> None:
        """A prime that is held at its start until ``end_the_slow_read``."""
        if stored(key) is not None or key.startswith("catalog."):
            return
        gate = Gate(key.partition("/")[0])
        primers.interfere.append(gate)
        session = Session(lambda: cache.get_many([key]))
        try:
            computes = gate.holds(session)
        finally:
            primers.interfere.remove(gate)
        if computes:  # a near store may hold what the cache has lost
            self.slow = session, gate, key
        self.drained = False

    @precondition(lambda self: self.slow is not None)
    @rule()
    def end_the_slow_read(self) -> None:
        assert self.slow is not None
        session, gate, _ = self.slow
        gate.open()
        session.result()
        self.slow, self.drained = None, False

    @precondition(lambda self: "shared" in django_settings.CACHES)
    @rule()
    def flush(self) -> None:
        """An operator empties the cache: what is read, or changes, is primed again."""
        caches["shared"].clear()
        self.flushed = True

    @rule(key=keys)
    def ask_for_a_refresh(self, key: str) -> None:
        cache.refresh(key)
        self.drained = False

    @rule(key=keys)
    def unset(self, key: str) -> None:
        if not key.startswith(("catalog.item:", "catalog.book:", "catalog.author", "titles")):
            cache.unset(key)
        self.drained = False

    @rule(nth=st.integers(1, 5), after=st.booleans(), chunk=st.integers(1, 3), most=bounds)
    def crash(self, nth: int, after: bool, chunk: int, most: int) -> None:
        """With a small bound, what is put aside outlives the crash, and more changes come."""
        from django.test import override_settings

        limits = also(MAX_BATCH=chunk, MAX_CHANGES=most)
        with override_settings(KCK_PUBLISH=limits), dying(nth, after):
            assert chunk == ours.MAX_BATCH
            try:
                Session(drain).result()
            except Crash:
                self.drained = False
            else:
                self.drained = not paused_products.all_paused()

    @rule(product=st.sampled_from([*PAUSABLE]))
    def pause(self, product: str) -> None:
        """Its changes are kept until ``resume``; what is drained meanwhile need not be true."""
        paused_products.pause([product])
        self.drained = False

    @rule()
    def resume(self) -> None:
        paused_products.resume(paused_products.all_paused())
        self.drained = False

    @rule(shards=st.sampled_from([1, 1, 2, 3]), most=bounds)
    def drain(self, shards: int, most: int) -> None:
        from django.test import override_settings

        with override_settings(KCK_PUBLISH=also(SHARDS=shards, MAX_CHANGES=most)):
            before = len(primers.computed)
            paused = set(paused_products.all_paused())
            Session(drain).result()
            if self.slow is None:
                assert paused.isdisjoint(
                    name.rstrip("+")
                    for name, _ in primers.computed[before:]
                    if name.rstrip("+") not in ("stock", "shelf", "author_page")  # read by others
                )
        self.drained = not paused

    @invariant()
    def stored_is_true(self) -> None:
        if not self.drained:
            return
        assert_fresh()
        if not self.flushed:
            self.rows_are_published()
        assert sql("SELECT key FROM kck_publish_failure") == []
        assert sql("SELECT key FROM kck_publish_entry WHERE behind") == []
        assert sql("SELECT name FROM kck_publish_backlog") == []
        assert sql("SELECT product FROM kck_publish_postponed") == []

    def rows_are_published(self) -> None:
        for item in Item.objects.all():
            for key in (f"catalog.item/{item.pk}", f"catalog.item:name/{item.name}"):
                entry = stored(key)
                assert entry is not None, key
                assert entry.body is not None, key
        for book in Book.objects.all():
            assert stored(f"catalog.book/{book.pk}") is not None
            assert stored(f"catalog.book:title/{book.title}") is not None or (
                Book.objects.filter(title=book.title).count() > 1
            )

    def teardown(self) -> None:
        if self.slow is not None:
            self.end_the_slow_read()
        if self.other is not None:
            self.end_the_open_transaction(commit=True)
        self.resume()
        self.drain(1, 5000)
        self.stored_is_true()


def run_histories(machine: type[Drains], examples: int = EXAMPLES) -> None:
    """So many histories of a machine."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


def test_drained_means_true() -> None:
    run_histories(Drains)
