"""Turns: how often a reader, or the listener, waits for the server. Counted by a proxy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from kck_publish import Cache, Depends, IntegerParameter, Primer, Reprime
from kck_publish.following import loop
from kck_publish.following.awaited_moments import Moment
from kck_publish.listener import shard_loop, signs_of_life
from kck_publish.listener.due_times import DueTimes
from kck_publish.listener.listener import Listener
from kck_publish.products import registry
from kck_publish.reading.primed_together import UNWAITED
from kck_publish.testing import assert_fresh, travel
from tests.catalog.fixtures import Session, another_session, drain, listening, sql, stored
from tests.catalog.models import Author, Item, Publisher
from tests.turns import Turn, Turns, counted

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


@pytest.fixture(scope="module", autouse=True)
def products() -> Iterator[None]:
    class Amount(Primer):
        """One query."""

        key = "turns_amount"
        parameters = (IntegerParameter("group"),)
        depends_on = (Depends(Item, group="group", columns=["amount"]),)
        hard_expire = timedelta(hours=1)

        def compute(self, group: int) -> int:
            return sum(Item.objects.filter(group=group).values_list("amount", flat=True))

    class Total(Amount):
        """The same, in one snapshot."""

        key = "turns_total"

        def augment(self, value: int, change: Any, group: int) -> int:
            raise Reprime

    class Plate(Primer):
        """Of a publisher, by one query."""

        key = "turns_plate"
        parameters = (IntegerParameter("publisher"),)
        depends_on = (Depends(Publisher, publisher="pk"),)

        def compute(self, publisher: int) -> str:
            return str(Publisher.objects.values_list("name", flat=True).get(pk=publisher))

    class Over(Primer):
        """Computed from another, without a query of its own."""

        key = "turns_over"
        parameters = (IntegerParameter("group"),)

        def compute(self, group: int) -> int:
            return int(cache.get(f"turns_amount/{group}"))

    declared = (Amount, Total, Plate, Over)
    yield
    for product in declared:
        registry.unregister(product.key)


@pytest.fixture
def turns(transactional_db: None) -> Iterator[Turns]:
    Item.objects.create(name="one", group=1, amount=5)
    drain()
    with counted() as turns:
        yield turns


@pytest.fixture
def listener(turns: Turns, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """A listener in a thread of its own, without duties beside its batches, that lingers never."""
    settings.KCK_PUBLISH = {"LINGER": 0.000001, "POLL_INTERVAL": 3600.0}
    monkeypatch.setattr(signs_of_life, "BEAT", 3600.0)
    with listening() as listener:
        yield listener


def after(turns: Turns, listener: Listener, change: str, most: int = 0) -> list[Turn]:
    """The turns from a change until the listener sleeps again; its statements are prepared.

    The fewest of several, and of many where there are more than ``most``: it waits for transactions
    of the tests beside this one, too.
    """
    seen = []
    with another_session() as other:
        other.execute("SELECT 'the writer'")
        (link,) = {turn.link for turn in turns.taken() if "'the writer'" in turn}
        for n in range(200):
            before = listener.moments.asleep.count
            turns.taken()
            other.execute(change, {"n": n})
            assert listener.moments.asleep.wait(120, before)
            seen.append([turn for turn in turns.taken() if turn.link != link])
            if n >= 20 and len(min(seen[5:], key=len)) <= (most or sys.maxsize):
                break
    return min(seen[5:], key=len)


def taken(turns: Turns, read: Callable[[], Any]) -> list[Turn]:
    """The turns of a read that is not the first of its session."""
    cache.get("turns_amount/0")
    turns.taken()
    read()
    return turns.taken()


def test_a_change(turns: Turns, listener: Listener) -> None:
    """Of three keys: readable after six turns, one of them the user's; silent after seven.

    A name that has changed is looked up: another row may have taken the old one.
    """
    publisher = Publisher.objects.create(name="Ace")
    cache.get(f"turns_plate/{publisher.pk}")
    seen = after(turns, listener, "UPDATE catalog_publisher SET name = 'n' || %(n)s", most=7)
    written = [number for number, turn in enumerate(seen, 1) if "turns_plate/" in turn]
    assert written == [6], seen
    assert len(seen) == 7, seen


@pytest.mark.long
def test_a_row_is_read_once_for_all_its_lookups(turns: Turns, listener: Listener) -> None:
    """Under its pk; under its slug it is the same row, as that is unique."""
    Author.objects.create(slug="a", first="A", last="B")
    born = "UPDATE catalog_author SET born = coalesce(born, date '2000-01-01') + 1"
    seen = after(turns, listener, born)
    asked = [str(turn) for turn in seen if 'FROM "catalog_author"' in turn]
    assert len(asked) == 2, asked
    assert '"catalog_author"."id" = ' in asked[0]
    assert '"first" = ' in asked[1], "it is not unique: there may be several"


def test_a_beat(turns: Turns, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All duties of a sleeping listener's beat are one message."""
    settings.KCK_PUBLISH = {"POLL_INTERVAL": 3600.0}
    for module in (loop, signs_of_life, shard_loop):
        monkeypatch.setattr(module, "BEAT", 0.01)
    listener, beats = Listener("default", say=lambda line: None), Moment()
    monkeypatch.setattr(DueTimes, "note_retry", told(DueTimes.note_retry, beats))
    following = Session(listener.run)
    try:
        assert listener.moments.asleep.wait(120)
        assert beats.wait(20, beats.count + 20)  # what is done now and then is done by now
        before = beats.count
        turns.taken()
        assert beats.wait(20, before + 20)
        seen = turns.taken()
        assert len(seen) <= beats.count - before + 1, seen
    finally:
        listener.stop()
        following.result()


def told(call: Callable[..., None], moment: Moment) -> Callable[..., None]:
    """The same function, whose calls another thread may wait for."""

    def tell(*args: Any) -> None:
        call(*args)
        moment.happens()

    return tell


def test_lookups_that_rows_exchange(turns: Turns) -> None:
    """Of a batch that has read each row under its pk."""
    authors = [Author(slug=f"a{n}", first=f"A{n}", last="B") for n in range(3)]
    Author.objects.bulk_create(authors)
    drain()
    with transaction.atomic():
        Author.objects.filter(slug="a0").update(slug="a")
        Author.objects.filter(slug="a1").update(slug="a0")
        Author.objects.filter(slug="a2").delete()
        Author.objects.filter(slug="a").update(slug="a2")
    drain()
    assert_fresh()
    assert Author.cached.get(slug="a0") == authors[1]
    assert Author.cached.get(slug="a2") == authors[0]
    for slug in ("a", "a1"):
        with pytest.raises(Author.DoesNotExist):
            Author.cached.get(slug=slug)


@pytest.mark.long
def test_a_change_that_touches_nothing(turns: Turns, listener: Listener) -> None:
    """The log, claim and look, the cursor, and the end of the batch."""
    author = Author.objects.create(slug="a", first="A", last="B")
    names = "Ace", "Bel"
    publishers = Publisher.objects.bulk_create([Publisher(name=name) for name in names])
    author.publishers.add(publishers[0])
    both = sum(publisher.pk for publisher in publishers)
    moved = f"UPDATE catalog_author_publishers SET publisher_id = {both} - publisher_id"
    seen = after(turns, listener, moved, most=4)
    assert len(seen) == 4, seen


@pytest.mark.parametrize("product", ["turns_amount", "turns_total"])
def test_a_miss(turns: Turns, product: str) -> None:
    """The read, lock and look, the compute's one query, and the write with commit and claims."""
    seen = taken(turns, lambda: cache.get(f"{product}/1"))
    assert len(seen) == 4, seen
    assert "pg_try_advisory_xact_lock" in seen[1]
    assert "COMMIT" in seen[3]
    assert UNWAITED.strip() in seen[3]
    assert "FROM kck_publish_shard" in seen[3]
    entry = stored(f"{product}/1")
    assert entry is not None
    assert entry.by == "reader"
    drain()
    assert_fresh()


def test_what_a_compute_has_written_is_waited_for(transactional_db: None) -> None:
    """The disk is not waited for where only the value would be lost."""
    for write in (False, True):
        with transaction.atomic():
            if write:
                Item.objects.create(name="written")
            sql(UNWAITED)
            assert sql("SHOW synchronous_commit") == [("on" if write else "off",)]


def test_many_misses(turns: Turns) -> None:
    keys = [f"turns_amount/{group}" for group in range(1, 4)]
    assert len(taken(turns, lambda: cache.get_many(keys))) == 3 + len(keys)


def test_a_miss_inside_a_miss(turns: Turns) -> None:
    """Two more: its own read, and lock and look. It is written with what it is missed by."""
    seen = taken(turns, lambda: cache.get("turns_over/1"))
    assert len(seen) == 4 + 2, seen
    assert stored("turns_over/1")
    assert stored("turns_amount/1")


def test_a_value_that_has_expired(turns: Turns) -> None:
    cache.get("turns_amount/1")
    with another_session() as other:
        other.execute("UPDATE catalog_item SET amount = 6")
    with travel(timedelta(hours=2)):
        assert len(taken(turns, lambda: cache.get("turns_amount/1"))) == 4
        assert cache.get("turns_amount/1") == 6


def test_a_write_that_fails_is_undone_and_the_session_goes_on(turns: Turns) -> None:
    """The value is given; nothing is stored, and nothing stays open."""
    cache.get("turns_amount/0")
    with another_session(autocommit=False) as other:
        other.execute("LOCK TABLE kck_publish_entry IN SHARE MODE")
        sql("SET lock_timeout = '50ms'")
        assert cache.get("turns_amount/1") == 5
        sql("RESET lock_timeout")
    assert stored("turns_amount/1") is None
    assert connection.connection.info.transaction_status.name == "IDLE"
    with transaction.atomic():
        Item.objects.update(amount=7)
        transaction.set_rollback(True)
    assert cache.get("turns_amount/1") == 5
    assert stored("turns_amount/1")


def test_who_looks_at_each_statement_sees_each(turns: Turns) -> None:
    """Under an execute wrapper nothing is sent past it."""
    cache.get("turns_amount/0")
    seen: list[str] = []

    def look(execute: Any, query: Any, *more: Any) -> Any:
        seen.append(str(query))
        return execute(query, *more)

    with connection.execute_wrapper(look):
        assert cache.get("turns_amount/1") == 5
    assert sum("pg_try_advisory_xact_lock" in query for query in seen) == 1
    assert sum("INSERT INTO kck_publish_entry" in query for query in seen) == 1
