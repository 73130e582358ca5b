"""Steering what is announced: suppress, unsuppress and origin.

With the faults a and b of the ancestor: a decorated function obeys the outer suppression that is
in force when it is *called*; and suppression is of its own thread, and no change is lost by it
for good: whoever suppresses primes afterwards.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextlib import suppress as suppress_error
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import (
    DataError,
    InternalError,
    OperationalError,
    connection,
    connections,
    transaction,
)

from kck_publish import (
    Cache,
    Change,
    Depends,
    IntegerParameter,
    Primer,
    origin,
    suppress,
    unsuppress,
)
from kck_publish.products import registry
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import Session, another_session, drain, sql
from tests.catalog.models import (
    Author,
    Book,
    Box,
    Crate,
    Edition,
    Item,
    ItemTag,
    Publisher,
    Tag,
)

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


def logged() -> set[str]:
    """What has been captured since the last look, as short names of tables."""
    rows = sql("DELETE FROM kck_publish_change RETURNING source")
    return {str(row[0]).removeprefix("catalog_") for row in rows}


def origins() -> list[str | None]:
    rows = sql("SELECT origin FROM kck_publish_change ORDER BY seq")
    sql("DELETE FROM kck_publish_change")
    return [row[0] for row in rows]


def write() -> None:
    """One row of each of two sources."""
    Item.objects.create(name=str(Item.objects.count()))
    Publisher.objects.create(name=str(Publisher.objects.count()))


@pytest.fixture(autouse=True)
def nothing_is_left(transactional_db: None) -> Iterator[None]:
    """No test leaves a setting behind on the connection that the next one uses."""
    logged()  # the last test's rows were truncated, and that is a change
    yield
    logged()
    connection.ensure_connection()
    write()
    assert logged() == {"item", "publisher"}
    assert origins() == []


# Which changes


def test_without_it_all_is_captured() -> None:
    write()
    assert logged() == {"item", "publisher"}


def test_a_models_changes_are_not_captured_within_the_block() -> None:
    with suppress(Item):
        write()
        Item.objects.update(amount=1)
        sql("UPDATE catalog_item SET amount = 2")
        Item.objects.all().delete()
        assert logged() == {"publisher"}
    write()
    assert logged() == {"item", "publisher"}


def test_several_models() -> None:
    with suppress(Item, Publisher):
        write()
    assert logged() == set()


def test_without_arguments_nothing_is_captured() -> None:
    with suppress():
        write()
        sql("TRUNCATE catalog_item CASCADE")
    assert logged() == set()


def test_copy_inside() -> None:
    def copy(name: str) -> None:
        with (
            connection.cursor() as cursor,
            cursor.copy('COPY catalog_item (name, "group", amount) FROM STDIN') as target,
        ):
            target.write_row((name, 1, 1))

    with suppress(Item):
        copy("a")
    assert logged() == set()
    copy("b")
    assert logged() == {"item"}


def test_a_model_of_two_tables_is_suppressed_whole() -> None:
    with suppress(Crate):
        Crate.objects.create(name="c")
    assert logged() == set()
    Crate.objects.update(amount=3)
    assert "item" in logged()


def test_a_name_that_is_part_of_another_is_another() -> None:
    """``catalog_item`` is suppressed, and not ``catalog_itemtag``."""
    with suppress(Item):
        item, tag = Item.objects.create(name="x"), Tag.objects.create(name="y")
        ItemTag.objects.create(item=item, tag=tag)
    assert logged() == {"itemtag"}


@pytest.mark.parametrize("wrong", ["catalog.Item", Item(), int, None])
def test_what_is_no_model_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="suppress takes models"):
        suppress(wrong)


def test_what_was_suppressed_is_primed_afterwards() -> None:
    """Suppressed changes are gone without a trace: that is what it is for. A prime is the cure."""
    Item.objects.create(name="lamp", group=1, amount=1)
    assert cache.get("item_total/1") == {"count": 1, "amount": 1}
    drain()
    with suppress(Item):
        Item.objects.update(amount=9)
    drain()
    assert cache.get("item_total/1") == {"count": 1, "amount": 1}
    cache.refresh("item_total/1")
    drain()
    assert cache.get("item_total/1") == {"count": 1, "amount": 9}


# Nesting


def test_nested_blocks_add_up() -> None:
    with suppress(Item):
        with suppress(Publisher):
            write()
            assert logged() == set()
        write()
        assert logged() == {"publisher"}
    write()
    assert logged() == {"item", "publisher"}


def test_all_stays_all() -> None:
    with suppress():
        with suppress(Item):
            write()
        write()
    assert logged() == set()
    with suppress(Item):
        with suppress():
            write()
            assert logged() == set()
        write()
        assert logged() == {"publisher"}


def test_one_block_may_be_entered_twice() -> None:
    block = suppress(Item)
    with block:
        with block:
            write()
        write()
        assert logged() == {"publisher"}
    write()
    assert logged() == {"item", "publisher"}


def test_unsuppress_lifts_all_until_the_block_ends() -> None:
    with suppress(Publisher):
        with suppress(Item):
            unsuppress()
            write()
            assert logged() == {"item", "publisher"}
        write()
        assert logged() == {"item"}
    unsuppress()  # without a block there is nothing to lift
    write()
    assert logged() == {"item", "publisher"}


def test_unsuppress_as_a_context_manager() -> None:
    with suppress(Item):
        with unsuppress():
            write()
            assert logged() == {"item", "publisher"}
        write()
        assert logged() == {"publisher"}
        block = unsuppress()  # a call, ...
        write()
        assert logged() == {"item", "publisher"}
    with block:  # ... and whose block it was has ended
        write()
    write()
    assert logged() == {"item", "publisher"}


@unsuppress()
def loudly() -> set[str]:
    write()
    return logged()


def test_unsuppress_as_a_decorator() -> None:
    with suppress():
        assert loudly() == {"item", "publisher"}

        @unsuppress()
        def declared_inside() -> set[str]:
            write()
            return logged()

        write()
        assert logged() == set()
        assert declared_inside() == {"item", "publisher"}
        write()
    assert logged() == set()


@pytest.mark.parametrize(
    ("block", "expected"), [(suppress, set()), (unsuppress, {"item", "publisher"})]
)
def test_a_decorator_without_parentheses(block: Any, expected: set[str]) -> None:
    @block
    def written() -> set[str]:
        """Its own text."""
        write()
        return logged()

    assert (written.__name__, written.__doc__) == ("written", "Its own text.")
    with suppress(Item, Publisher):
        assert written() == expected
        assert written() == expected
    write()
    assert logged() == {"item", "publisher"}


def generated() -> Iterator[int]:
    yield 1


async def agenerated() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("block", [suppress(Item), suppress, unsuppress, origin("kafka")])
@pytest.mark.parametrize("generator", [generated, agenerated])
def test_a_generator_is_refused(block: Any, generator: Any) -> None:
    """It writes when nothing of the decorator is in force any more."""
    with pytest.raises(TypeError, match="as a context manager"):
        block(generator)


# Decorators (fault a)


@suppress(Item)
def quietly() -> set[str]:
    write()
    return logged()


def test_a_decorated_function_is_suppressed_while_it_runs() -> None:
    assert quietly() == {"publisher"}
    write()
    assert logged() == {"item", "publisher"}


def test_a_decorator_obeys_the_suppression_around_the_call() -> None:
    """Not that around its declaration."""
    with suppress(Publisher):
        assert quietly() == set()

        @suppress(Box)
        def declared_inside() -> set[str]:
            write()
            return logged()

    assert declared_inside() == {"item", "publisher"}
    with suppress(Item):
        assert declared_inside() == {"publisher"}
    with suppress():
        assert quietly() == set()


def test_a_decorated_function_may_call_itself() -> None:
    seen: list[set[str]] = []

    @suppress(Item)
    def down(depth: int) -> None:
        if depth:
            down(depth - 1)
        write()
        seen.append(logged())

    down(3)
    assert seen == [{"publisher"}] * 4


def test_a_decorated_function_in_two_threads_at_once() -> None:
    """One finishes while the other still runs."""
    inside, leave = threading.Barrier(2, timeout=20), threading.Event()

    @suppress(Item)
    def work(wait: bool) -> None:
        inside.wait()
        if wait:
            assert leave.wait(20)
        Item.objects.create(name=f"of {wait}")

    slow, quick = Session(lambda: work(True)), Session(lambda: work(False))
    quick.result()
    leave.set()
    slow.result()
    assert logged() == set()


# Leaving the block


class Leave(Exception):  # noqa: N818
    """Leaves a block."""


@contextmanager
def rolled_back() -> Iterator[None]:
    """A transaction, or a savepoint, that comes to nothing."""
    with suppress_error(Leave), transaction.atomic():
        yield
        raise Leave


def test_an_exception_ends_it() -> None:
    with pytest.raises(Leave), suppress(Item):
        raise Leave
    with pytest.raises(Leave):
        raising()
    write()
    assert logged() == {"item", "publisher"}


@suppress()
def raising() -> None:
    raise Leave


@pytest.mark.parametrize("fail", [False, True], ids=["left", "statement failed"])
def test_a_transaction_rolled_back_around_the_block(fail: bool) -> None:
    with rolled_back(), suppress(Item):
        write()
        if fail:
            with pytest.raises(DataError):
                sql("SELECT 1 / 0")
    write()
    assert logged() == {"item", "publisher"}


def test_a_transaction_rolled_back_inside_the_block() -> None:
    with suppress(Item):
        with rolled_back():
            write()
        write()
        assert logged() == {"publisher"}


def test_a_block_inside_a_savepoint_that_is_rolled_back() -> None:
    with suppress(Item), transaction.atomic():
        with rolled_back(), suppress(Publisher):
            write()
        write()
        assert logged() == {"publisher"}
    write()
    assert logged() == {"item", "publisher"}


def test_a_block_that_ends_in_a_broken_savepoint() -> None:
    """The savepoint's rollback comes after the block's end, which cannot speak to the database."""
    with transaction.atomic():
        with (
            pytest.raises(DataError),
            transaction.atomic(),
            suppress(Item),
            origin("kafka"),
        ):
            sql("SELECT 1 / 0")
        write()
    assert logged() == {"item", "publisher"}


def test_a_savepoint_that_is_rolled_back_inside_does_not_lift_it() -> None:
    """The settings are the transaction's, and may be younger than the savepoint."""
    with transaction.atomic():
        savepoint = connection.savepoint()
        assert savepoint is not None
        with suppress(Item):
            write()
            connection.savepoint_rollback(savepoint)
            write()
            assert logged() == {"publisher"}
    write()
    assert logged() == {"item", "publisher"}


def test_a_savepoint_of_the_block_that_is_rolled_back_after_it() -> None:
    with transaction.atomic():
        with suppress(Item):
            write()
            savepoint = connection.savepoint()
            assert savepoint is not None
        connection.savepoint_rollback(savepoint)
        write()
        assert logged() == {"item", "publisher"}


def test_unsuppress_is_not_rolled_back() -> None:
    with transaction.atomic(), suppress():
        write()
        savepoint = connection.savepoint()
        assert savepoint is not None
        unsuppress()
        write()
        connection.savepoint_rollback(savepoint)
        write()
        assert logged() == {"item", "publisher"}


def test_what_the_commit_fires_is_of_nobodys_block() -> None:
    sql(
        "CREATE FUNCTION pg_temp.late() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO catalog_publisher (name) VALUES (NEW.name); RETURN NULL; END'"
    )
    sql(
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON catalog_item DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION pg_temp.late()"
    )
    try:
        with transaction.atomic(), suppress():
            Item.objects.create(name="x")
        assert logged() == {"publisher"}
        with suppress():
            Item.objects.create(name="y")  # and its commit is within
    finally:
        sql("DROP TRIGGER late ON catalog_item")
    assert logged() == set()


def test_a_transaction_begun_by_hand() -> None:
    with suppress(Item):
        sql("BEGIN")
        write()
        sql("ROLLBACK")
        sql("/* by hand */ BEGIN")
        write()
        sql("COMMIT")
    assert logged() == {"publisher"}
    assert Item.objects.count() == 1


def test_the_isolation_level_may_be_set_inside() -> None:
    with suppress(Item), transaction.atomic():
        sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        write()
    assert logged() == {"publisher"}


def test_what_runs_in_no_transaction() -> None:
    """VACUUM; and a procedure that commits, whose writes are captured rather than refused."""
    sql(
        "CREATE OR REPLACE PROCEDURE twice() LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO catalog_tag (name) VALUES ('a'); COMMIT; "
        "INSERT INTO catalog_tag (name) VALUES ('b'); END $$"
    )
    with suppress(Item):
        sql("VACUUM catalog_item")
        sql("CALL twice()")
        with transaction.atomic(), pytest.raises(InternalError, match="invalid transaction"):
            sql("CALL twice()")
    sql("DROP PROCEDURE twice")
    assert Tag.objects.count() == 2


def test_a_connection_lost_inside_the_block() -> None:
    """What ends the block does not hide why it ended."""
    with pytest.raises(OperationalError), suppress(Item):
        sql("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.close()
    write()
    assert logged() == {"item", "publisher"}


# Connections and threads (fault b)


def test_a_connection_opened_inside() -> None:
    connection.close()
    with suppress(Item), origin("kafka"):
        write()
        assert origins() == ["kafka"]
        connection.close()
        write()
        assert logged() == {"publisher"}


def test_a_connection_opened_inside_is_as_any_other_afterwards() -> None:
    connection.close()
    with suppress():
        connection.ensure_connection()
    write()
    assert logged() == {"item", "publisher"}


def test_a_connection_closed_inside() -> None:
    with suppress():
        connection.close()
    write()
    assert logged() == {"item", "publisher"}


def test_other_threads_and_other_programs_are_captured() -> None:
    with suppress():
        Session(write).result()
        assert logged() == {"item", "publisher"}
        with another_session() as other:
            other.execute("UPDATE catalog_item SET amount = 3")
        assert logged() == {"item"}


def test_a_thread_may_suppress_for_itself() -> None:
    entered, leave = threading.Event(), threading.Event()

    def quiet() -> None:
        with suppress(Item):
            write()
            entered.set()
            assert leave.wait(20)

    session = Session(quiet)
    assert entered.wait(20)
    assert logged() == {"publisher"}
    write()
    assert logged() == {"item", "publisher"}
    leave.set()
    session.result()


# Origin


def test_the_origin_is_recorded() -> None:
    write()
    with origin("kafka"):
        write()
        with origin("other"):
            Item.objects.update(amount=1)
        Item.objects.filter(name="0").delete()
    Item.objects.create(name="last")
    assert origins() == [None, None, "kafka", "kafka", "other", "other", "kafka", None]


def test_the_origin_reaches_the_change() -> None:
    seen: list[Change] = []

    def touched(change: Change) -> Any:
        seen.append(change)
        return []

    namespace = {
        "key": "declared_here",
        "parameters": [IntegerParameter("n")],
        "depends_on": [Depends(Edition, keys=touched)],
        "compute": lambda self, n: n,
    }
    type("Declared", (Primer,), namespace)
    try:
        with suppress():
            author_book()
        with origin("kafka"):
            Edition.objects.update(copies=5)
        Edition.objects.update(copies=6)
        drain()
    finally:
        registry.unregister("declared_here")
    assert [(change.op, change.origin) for change in seen] == [
        ("update", "kafka"),
        ("update", None),
    ]


def author_book() -> None:
    author = Author.objects.create(slug="a", first="a", last="a")
    Edition.objects.create(book=Book.objects.create(author=author, title="t"))


def test_what_has_an_origin_refreshes_all_the_same() -> None:
    cache.get("item_total/1")
    drain()
    with origin("kafka"):
        Item.objects.create(name="lamp", group=1, amount=4)
        cache.refresh("item_names/1")
    drain()
    assert cache.get("item_total/1") == {"count": 1, "amount": 4}
    assert_fresh()


@origin("kafka")
def from_kafka() -> None:
    write()


def test_origin_as_a_decorator_and_with_suppress() -> None:
    from_kafka()
    assert origins() == ["kafka", "kafka"]
    with suppress(Item):
        from_kafka()
    assert origins() == ["kafka"]


@pytest.mark.parametrize("wrong", ["", None, 7])
def test_an_origin_has_a_name(wrong: Any) -> None:
    with pytest.raises(ValueError, match="origin takes a name"):
        origin(wrong)


@pytest.mark.parametrize("name", ["o'clock", 'a "quoted" one', "back\\slash", "über", "%s"])
def test_an_origin_may_be_called_anything(name: str) -> None:
    with origin(name):
        Item.objects.create(name="x")
    assert origins() == [name]


def test_an_asynchronous_function_is_steered(transactional_db: None) -> None:
    """The block lasts as long as the coroutine runs."""

    @suppress(Item)
    async def load() -> None:
        await Item.objects.acreate(name="quiet")

    @origin("async")
    async def write() -> None:
        await Item.objects.acreate(name="loud")

    async def both() -> None:
        await load()
        await write()

    async_to_sync(both)()
    assert sql("SELECT origin FROM kck_publish_change WHERE source = 'catalog_item'") == [
        ("async",)
    ]


def test_another_task_is_captured(transactional_db: None) -> None:
    """The tasks of an event loop share a connection."""

    async def quietly(entered: asyncio.Event, leave: asyncio.Event) -> None:
        async with suppress(Item):
            await Item.objects.acreate(name="quiet")
            entered.set()
            await leave.wait()
            await Item.objects.acreate(name="quiet too")

    async def both() -> None:
        entered, leave = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(quietly(entered, leave))
        await entered.wait()
        await Item.objects.acreate(name="loud")
        leave.set()
        await task

    async_to_sync(both)()
    assert names() == ["loud"]


def test_a_plain_block_in_a_coroutine(transactional_db: None) -> None:
    async def load() -> None:
        with suppress(Item):
            await Item.objects.acreate(name="quiet")
        await Item.objects.acreate(name="loud")

    async_to_sync(load)()
    assert names() == ["loud"]


def test_a_connection_that_another_task_opens(transactional_db: None) -> None:
    """When the block is entered there is none."""

    async def quietly(entered: asyncio.Event, opened: asyncio.Event) -> None:
        async with suppress(Item):
            entered.set()
            await opened.wait()
            await Item.objects.acreate(name="quiet")

    async def both() -> None:
        await sync_to_async(lambda: connections["default"].close())()
        entered, opened = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(quietly(entered, opened))
        await entered.wait()
        await Item.objects.acreate(name="loud")
        opened.set()
        await task

    async_to_sync(both)()
    assert names() == ["loud"]


def names() -> list[str]:
    """Of the items that were captured."""
    rows = sql(
        "DELETE FROM kck_publish_change WHERE source = 'catalog_item' "
        "RETURNING new[array_position(columns, 'name')]"
    )
    return [str(row[0]) for row in rows]
