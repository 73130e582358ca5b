"""What a request keeps: the memo of ``.cached``, the middleware, and functions kept for it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.db import connection, transaction
from django.db.models import Count, F
from django.db.utils import ProgrammingError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path

import kck_publish
from kck_publish import Cache
from kck_publish.capture.statement_kind import may_write
from kck_publish.reading import request_memo
from kck_publish.request import (
    DataFetcher,
    GlobalRequest,
    GlobalRequestMiddleware,
    cache_within_request,
    clear_request_caches,
    get_request,
)
from tests.catalog.fixtures import another_session, computes, drain, sql
from tests.catalog.models import Author, Item, Publisher
from tests.catalog.primers import AuthorPage, ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)


class BySlug(DataFetcher):
    def batch_load_dict(self, keys: list[str]) -> dict[str, str]:
        return dict(Author.objects.filter(slug__in=keys).values_list("slug", "first"))


class RollBack(Exception):  # noqa: N818
    """Leaves a block without its writes."""


@pytest.fixture
def author() -> Author:
    row = Author.objects.create(slug="le-guin", first="Ursula", last="Le Guin")
    drain()
    return row


def queries(run: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        run()
    return len(captured)


# The memo


def test_a_key_is_read_once_a_request(author: Author) -> None:
    def read() -> Author:
        return Author.cached.get(pk=author.pk)

    with GlobalRequest():
        assert queries(read) == 1
        assert queries(read) == 0
        assert read() is read()
        assert queries(lambda: Author.cached.in_bulk([author.pk])) == 0
        assert Author.cached.in_bulk([author.pk, -1])[author.pk] is read()
        with GlobalRequest():
            assert queries(read) == 1
        inner = read()
    assert read() is not inner
    assert queries(read) == 1


def test_what_is_absent_is_remembered_too(author: Author) -> None:
    def read() -> None:
        with pytest.raises(Author.DoesNotExist):
            Author.cached.get(slug="nobody")

    with GlobalRequest():
        read()
        read()
        assert queries(read) == 0


def test_a_miss_is_computed_once_and_then_kept() -> None:
    Item.objects.create(name="a", amount=4)
    drain()
    with GlobalRequest():
        with computes() as computed:
            for _ in range(3):
                assert ItemTotal.cached.get(group=0) == {"count": 1, "amount": 4}
        assert computed == ["item_total"]
        assert queries(lambda: ItemTotal.cached.get(group=0)) == 0
        # Computing another key, and storing it, forgets nothing.
        ItemTotal.cached.get(group=5)
        assert queries(lambda: ItemTotal.cached.get(group=0)) == 0


def test_data_is_the_readers_own_and_rows_are_the_requests(author: Author) -> None:
    with GlobalRequest():
        page = AuthorPage.cached.get(author=author.pk)
        page["name"] = "changed"
        assert AuthorPage.cached.get(author=author.pk)["name"] == "Ursula Le Guin"
        rows = Author.cached.filter(last="Le Guin")
        rows.clear()
        (row,) = Author.cached.filter(last="Le Guin")
        assert Author.cached.filter(last="Le Guin")[0] is row
        row.first = "changed"
    assert Author.cached.get(pk=author.pk).first == "Ursula"


def test_a_row_is_one_object_by_whichever_lookup_it_is_read(author: Author) -> None:
    """Also when its reader has changed it; what another row stands under is another object."""
    Author.objects.create(slug="other", first="Other", last="Le Guin")
    drain()
    with GlobalRequest():
        row = Author.cached.get(pk=author.pk)
        row.first = "changed"
        assert Author.cached.get(slug="le-guin") is row
        assert Author.cached.get(first="Ursula", last="Le Guin") is row
        assert Author.cached.in_bulk(["le-guin"], field_name="slug")["le-guin"] is row
        first, other = Author.cached.filter(last="Le Guin")
        assert first is row
        assert Author.cached.get(slug="other") is other
        Author.objects.filter(pk=author.pk).update(slug="kroeber")  # forgets what was read
        drain()
        assert Author.cached.get(slug="kroeber") is Author.cached.get(pk=author.pk)
        assert Author.cached.get(pk=author.pk) is not row


def test_a_row_whose_other_key_is_ahead_has_the_values_it_was_asked_by(author: Author) -> None:
    """As on another shard: what was read before is not given in its place."""
    with GlobalRequest():
        row = Author.cached.get(pk=author.pk)
        with another_session() as session:
            session.execute("UPDATE catalog_author SET slug = 'new' WHERE id = %s", [author.pk])
        other = Author.cached.in_bulk(["new"], field_name="slug")
        assert (row.slug, other["new"].slug) == ("le-guin", "new")


def rename(new: str) -> dict[str, Callable[[], Any]]:
    def with_cursor(query: str) -> Callable[[], Any]:
        return lambda: sql(query)

    def copy() -> None:
        sql("DELETE FROM catalog_publisher")
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY catalog_publisher (id, name) FROM STDIN") as target,
        ):
            target.write_row((1, new))

    def many() -> None:
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE catalog_publisher SET name = %s WHERE id = %s", [(new, 1)])

    def stream() -> None:
        with connection.cursor() as cursor:
            query = f"UPDATE catalog_publisher SET name = '{new}' RETURNING id"
            assert list(cursor.stream(query))

    def raw() -> None:
        connection.connection.execute("UPDATE catalog_publisher SET name = %s", [new])

    def save() -> None:
        row = Publisher.objects.get(pk=1)
        row.name = new
        row.save()

    def function() -> None:
        sql(
            "CREATE OR REPLACE FUNCTION rename_all(new text) RETURNS integer LANGUAGE sql AS "
            "'UPDATE catalog_publisher SET name = new; SELECT 1'"
        )
        Publisher.cached.get(pk=1)
        sql("SELECT rename_all(%s)", new)

    update = f"UPDATE catalog_publisher SET name = '{new}'"
    return {
        "save": save,
        "update": lambda: Publisher.objects.update(name=new),
        "raw_sql": with_cursor(update),
        "with": with_cursor(f"WITH changed AS ({update} RETURNING id) SELECT * FROM changed"),
        "several": with_cursor(f"SELECT 1; {update}"),
        "do": with_cursor(f"DO $$ BEGIN {update}; END $$"),
        "explain": with_cursor(f"EXPLAIN ANALYZE {update}"),
        "merge": with_cursor(
            f"MERGE INTO catalog_publisher p USING (VALUES (1)) v (id) ON v.id = p.id "
            f"WHEN MATCHED THEN UPDATE SET name = '{new}'"
        ),
        "function": function,
        "copy": copy,
        "executemany": many,
        "stream": stream,
        "psycopg": raw,
        "raw_transaction": lambda: [sql("BEGIN"), sql(update), sql("COMMIT")],
    }


@pytest.mark.parametrize("how", rename("new"))
@pytest.mark.parametrize("inner", [False, True])
def test_a_write_of_the_request_is_seen_by_it(how: str, inner: bool) -> None:
    Publisher.objects.create(pk=1, name="old")
    drain()
    with GlobalRequest():
        assert Publisher.cached.get(pk=1).name == "old"
        if inner:
            with GlobalRequest():
                rename("new")[how]()
        else:
            rename("new")[how]()
        assert Publisher.cached.get(pk=1).name == "new"


@pytest.mark.parametrize("how", [how for how in rename("new") if how != "raw_transaction"])
@pytest.mark.parametrize("savepoint", [False, True])
def test_what_is_rolled_back_is_forgotten(how: str, savepoint: bool) -> None:
    Publisher.objects.create(pk=1, name="old")
    drain()

    def attempt() -> None:
        with suppress(RollBack), transaction.atomic():
            rename("new")[how]()
            assert Publisher.cached.get(pk=1).name == "new"
            assert Publisher.cached.get(pk=1).name == "new"
            raise RollBack

    with GlobalRequest():
        assert Publisher.cached.get(pk=1).name == "old"
        if savepoint:
            with transaction.atomic():
                Item.objects.create(name="before")
                attempt()
                assert Publisher.cached.get(pk=1).name == "old"
        else:
            attempt()
        assert Publisher.cached.get(pk=1).name == "old"


def test_a_rollback_that_no_statement_follows_is_noticed() -> None:
    """Two transactions right after each other: the second must not see the first one's."""
    Publisher.objects.create(pk=1, name="old")
    drain()
    with GlobalRequest():
        with suppress(RollBack), transaction.atomic():
            Publisher.objects.update(name="new")
            assert Publisher.cached.get(pk=1).name == "new"
            raise RollBack
        with transaction.atomic():
            assert Publisher.cached.get(pk=1).name == "old"


def test_another_threads_transaction_of_the_same_request() -> None:
    """While it has written and not ended, the memo keeps nothing that its commit would outdate."""
    Publisher.objects.create(pk=1, name="old")
    drain()
    with GlobalRequest(), ThreadPoolExecutor(1) as pool:

        def run(function: Callable[[], Any]) -> Any:
            return pool.submit(contextvars.copy_context().run, function).result(20)

        block = transaction.atomic()
        run(block.__enter__)
        run(lambda: Publisher.objects.update(name="new"))
        assert Publisher.cached.get(pk=1).name == "old"
        assert run(lambda: Publisher.cached.get(pk=1).name) == "new"
        run(lambda: block.__exit__(None, None, None))
        drain()
        assert Publisher.cached.get(pk=1).name == "new"
        run(lambda: connection.close())


def test_others_writes_wait_for_the_next_request() -> None:
    Publisher.objects.create(pk=1, name="old")
    drain()
    with GlobalRequest():
        assert Publisher.cached.get(pk=1).name == "old"
        with another_session() as other:
            other.execute("UPDATE catalog_publisher SET name = 'new'")
        drain_elsewhere()
        assert Publisher.cached.get(pk=1).name == "old"
    assert Publisher.cached.get(pk=1).name == "new"


def drain_elsewhere() -> None:
    """As another process does it."""
    contextvars.Context().run(drain)


def test_a_compute_sees_nothing_of_the_memo() -> None:
    """Else a value would be stored under a stamp that is newer than what it was made of."""
    author = Author.objects.create(slug="a", first="A", last="A")
    drain()
    with GlobalRequest():
        assert Author.cached.get(pk=author.pk).first == "A"
        AuthorPage.cached.get(author=author.pk)
        with another_session() as other:
            other.execute("UPDATE catalog_author SET first = 'B'")
        drain_elsewhere()
        from tests.catalog.primers import ShelfSum

        assert ShelfSum.cached.get(author=author.pk)[0] == "B A"


def test_by_hand(author: Author) -> None:
    cache = Cache.get_instance()
    with GlobalRequest():
        key = f"author_page/{author.pk}"
        assert cache.get(key)["name"] == "Ursula Le Guin"
        cache.set(key, {"name": "by hand"})
        assert cache.get(key) == {"name": "by hand"}
        assert AuthorPage.cached.get(author=author.pk) == {"name": "by hand"}
        cache.unset(key)
        assert cache.get(key)["name"] == "Ursula Le Guin"


def test_off_switch(author: Author, settings: Any) -> None:
    with GlobalRequest():
        Author.cached.get(pk=author.pk)
        settings.KCK_PUBLISH = {**getattr(settings, "KCK_PUBLISH", {}), "ENABLED": False}
        assert queries(lambda: Author.cached.get(pk=author.pk)) == 1


def test_reads_forget_nothing(author: Author) -> None:
    with GlobalRequest():
        row = Author.cached.get(pk=author.pk)
        list(Author.objects.filter(pk__in=[1, 2]).annotate(n=Count("book")).order_by(F("n").desc()))
        Author.objects.filter(slug__icontains="x").exists()
        list(Author.objects.iterator())
        with transaction.atomic(), transaction.atomic():
            Author.objects.count()
        assert queries(lambda: Author.cached.get(pk=author.pk)) == 0
        assert Author.cached.get(pk=author.pk) is row


@pytest.mark.parametrize(
    ("tag", "query", "writes"),
    [
        ("SELECT 1", 'SELECT "a"."id" FROM "a" WHERE ("a"."x" IN (%s) AND NOT (1=1))', False),
        ("SELECT 1", 'SELECT COUNT(*) AS "n" FROM (SELECT 1) subquery', False),
        ("SELECT 1", "SELECT 1 FROM unnest(%s) a (b) LEFT JOIN c USING (d)", False),
        ("SELECT 1", "SELECT 1 FROM unnest(%s) AS a(b)", False),
        ("SELECT 1", "SELECT jsonb_path_query(%s, '$'), upper(%s) FROM a WHERE b IN (1)", False),
        ("SELECT 1", "SELECT numeric(3, 1), EXTRACT('year' FROM now()), random()", False),
        ("SELECT 1", "SELECT (1), rename_all (2)", True),
        ("SELECT 1", "SELECT 1 WHERE (1=1) AND Rename_All (2)", True),
        ("SELECT 1", "SELECT public.rename_all(2)", True),
        ("SELECT 1", "SELECT nextval('a')", True),
        ("SELECT 1", "SELECT query_to_xml('SELECT rename_all(2)', true, true, '')", True),
        ("SELECT 1", 'SELECT "Count" (1)', True),
        ("SELECT 1", "SELECT f/**/(1)", True),
        ("SELECT 1", "SELECT f--\n(1)", True),
        ("SELECT 1", "WITH a AS (DeLeTe FROM b RETURNING 1) SELECT 1", True),
        ("SELECT 1", "SELECT 1; UPDATE a SET b = 1", True),
        ("SELECT 1", "SELECT 1;", False),
        ("SELECT 1", b"SELECT 1", True),
        (None, "SELECT 1", True),
        ("INSERT 0 1", "INSERT INTO a VALUES (1)", True),
        ("SET", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", False),
        ("SET CONSTRAINTS", "SET CONSTRAINTS ALL IMMEDIATE", True),
        ("ROLLBACK", 'ROLLBACK TO SAVEPOINT "a"', True),
        ("SAVEPOINT", 'SAVEPOINT "a"', False),
        ("CALL", "CALL a()", True),
        ("VACUUM", "VACUUM", True),
    ],
)
def test_which_statements_may_write(tag: str | None, query: Any, writes: bool) -> None:
    sql(
        "CREATE OR REPLACE FUNCTION rename_all(new text) RETURNS integer LANGUAGE sql AS 'SELECT 1'"
    )
    assert may_write(tag, query, connection.connection) is writes


def test_a_function_is_looked_up_once() -> None:
    """A transaction that has failed cannot be asked any more, and need not be."""
    sql("SELECT 1")
    raw = connection.connection
    with transaction.atomic():
        assert not may_write("SELECT 1", "SELECT covar_pop(1, 2)", raw)
        with suppress(ProgrammingError):
            sql("SELECT no_such_column")
        assert not may_write("SELECT 1", "SELECT covar_pop(1, 2)", raw)
        assert may_write("SELECT 1", "SELECT covar_samp(1, 2)", raw)
        transaction.set_rollback(True)


def test_a_name_that_does_not_exist_yet_is_looked_up_again() -> None:
    """A statement that fails says nothing of the names in it."""
    query = "SELECT made_later()"
    with kck_publish.suppress(Publisher), suppress(ProgrammingError):
        sql(query)
    sql("CREATE FUNCTION made_later() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    try:
        sql(query)
        assert may_write("SELECT 1", query, connection.connection)
    finally:
        sql("DROP FUNCTION made_later")


def test_the_memo_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_memo, "LIMIT", 3)
    with GlobalRequest():
        known = request_memo.current()
        assert known is not None
        for number in range(10):
            known.keep(known.ticket() or 0, {str(number): number})
        assert len(known.look(known.ticket() or 0, map(str, range(10)))) <= 3


class TestInTestCase:
    """Under the transaction of a TestCase."""

    pytestmark = pytest.mark.django_db(transaction=False)

    @pytest.mark.django_db(transaction=False)
    def test_as_in_production(self, django_capture_on_commit_callbacks: Any) -> None:
        Publisher.objects.create(pk=1, name="old")
        with GlobalRequest():
            with django_capture_on_commit_callbacks() as callbacks:
                Publisher.objects.update(name="new")
            assert callbacks == []
            assert Publisher.cached.get(pk=1).name == "new"
            assert queries(lambda: Publisher.cached.get(pk=1)) == 0
            with suppress(RollBack), transaction.atomic():
                Publisher.objects.update(name="newer")
                assert Publisher.cached.get(pk=1).name == "newer"
                raise RollBack
            assert Publisher.cached.get(pk=1).name == "new"


# The middleware


def view(request: HttpRequest) -> HttpResponse:
    assert get_request() is request
    pk = request.GET["pk"]
    with CaptureQueriesContext(connection) as captured:
        same = Author.cached.get(pk=pk) is Author.cached.get(pk=pk)
    return HttpResponse(f"{same} {len(captured)}")


async def aview(request: HttpRequest) -> HttpResponse:
    assert get_request() is request
    pk = request.GET["pk"]
    same = await Author.cached.aget(pk=pk) is await Author.cached.aget(pk=pk)
    found = await sync_to_async(get_request)()
    tasks = await asyncio.gather(*(arequest() for _ in range(3)))
    return HttpResponse(f"{same} {found is request} {all(one is request for one in tasks)}")


async def arequest() -> HttpRequest | None:
    await asyncio.sleep(0)
    return get_request()


def streaming(request: HttpRequest) -> StreamingHttpResponse:
    def body() -> Iterator[bytes]:
        for _ in range(3):
            yield b"y" if get_request() is request else b"n"

    return StreamingHttpResponse(body())


async def astreaming(request: HttpRequest) -> StreamingHttpResponse:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"y" if await arequest() is request else b"n"

    return StreamingHttpResponse(body())


def failing(request: HttpRequest) -> HttpResponse:
    raise RollBack


urlpatterns = [
    path("view", view),
    path("aview", aview),
    path("streaming", streaming),
    path("astreaming", astreaming),
    path("failing", failing),
]


@pytest.fixture
def installed() -> Iterator[None]:
    with override_settings(
        ROOT_URLCONF=__name__, MIDDLEWARE=["kck_publish.request.GlobalRequestMiddleware"]
    ):
        yield


@pytest.mark.usefixtures("installed")
def test_the_middleware_under_wsgi(author: Author) -> None:
    client = Client()
    assert client.get("/view", {"pk": author.pk}).content == b"True 1"
    assert client.get("/aview", {"pk": author.pk}).content == b"True True True"
    assert b"".join(client.get("/streaming").streaming_content) == b"yyy"  # type: ignore[attr-defined]
    with pytest.raises(RollBack):
        client.get("/failing")
    assert get_request() is None


@pytest.mark.usefixtures("installed")
def test_the_middleware_under_asgi(author: Author) -> None:
    async def run() -> None:
        client = AsyncClient()
        assert (await client.get("/aview", {"pk": author.pk})).content == b"True True True"
        assert (await client.get("/view", {"pk": author.pk})).content == b"True 1"
        response = await client.get("/astreaming")
        assert [part async for part in response.streaming_content] == [b"y"] * 3  # type: ignore[attr-defined]
        with pytest.raises(RollBack):
            await client.get("/failing")
        assert get_request() is None

    async_to_sync(run)()


def test_the_middleware_is_natively_asynchronous() -> None:
    """Fault 9 of django-data-fetcher: its middleware is adapted through a thread."""

    async def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(b"" if get_request() is request else b"no")

    made = GlobalRequestMiddleware(answer)
    assert GlobalRequestMiddleware.sync_capable
    assert GlobalRequestMiddleware.async_capable
    assert iscoroutinefunction(made)
    assert not iscoroutinefunction(GlobalRequestMiddleware(lambda request: HttpResponse()))
    assert asyncio.run(made(HttpRequest())).content == b""


def test_contexts_nest_and_threads_have_their_own() -> None:
    assert get_request() is None
    with GlobalRequest() as outer:
        assert get_request() is outer
        with GlobalRequest() as inner:
            assert get_request() is inner
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(get_request).result(20) is None
                context = contextvars.copy_context()
                assert pool.submit(context.run, get_request).result(20) is inner
        assert get_request() is outer
        with pytest.raises(RollBack), GlobalRequest():
            raise RollBack
        assert get_request() is outer
        with GlobalRequest(outer):  # the same request keeps what it knows
            assert request_memo.current() is not None
            assert get_request() is outer
    assert get_request() is None

    async def asynchronous() -> None:
        async with GlobalRequest() as request:
            assert get_request() is request

    asyncio.run(asynchronous())


def test_a_task_that_outlives_its_request_remembers_nothing_of_it(author: Author) -> None:
    """It would read for ever what was true then; so would its fetchers and cached functions."""
    answered, changed = asyncio.Event(), asyncio.Event()

    def rename() -> None:
        with another_session() as other:
            other.execute("UPDATE catalog_author SET first = 'U.'")
        drain()

    async def read() -> list[Any]:
        row = await Author.cached.aget(pk=author.pk)
        return [row.first, await BySlug.get_instance().aget("le-guin"), get_request() is None]

    async def task() -> list[Any]:
        before = await read()
        answered.set()
        await changed.wait()
        with GlobalRequest():
            assert (await read())[:2] == ["U.", "U."]
        return [*before, *await read()]

    async def run() -> list[Any]:
        async with GlobalRequest():
            running = asyncio.create_task(task())
            await answered.wait()
        await sync_to_async(rename)()
        changed.set()
        return await running

    assert async_to_sync(run)() == ["Ursula", "Ursula", False, "U.", "U.", True]


# Functions


calls: list[Any] = []


@cache_within_request
def double(value: Any, *, more: int = 0) -> Any:
    calls.append((value, more))
    return [value, value]


class Owner:
    @classmethod
    @cache_within_request
    def outermost(cls, value: int) -> str:
        calls.append(value)
        return f"{cls.__name__} {value}"

    @cache_within_request
    @classmethod
    def innermost(cls, value: int) -> str:
        calls.append(value)
        return f"{cls.__name__} {value}"

    @cache_within_request
    @staticmethod
    def static(value: int) -> int:
        calls.append(value)
        return value

    @cache_within_request
    def method(self, value: int) -> int:
        calls.append(value)
        return value


class Heir(Owner):
    pass


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


def test_a_function_runs_once_a_request() -> None:
    with GlobalRequest():
        assert double(1) is double(1)
        assert double(1) is double(value=1, more=0)
        assert double(True) is not double(1)
        assert double(1, more=2) is not double(1)
        assert len(calls) == 3
        with GlobalRequest():
            double(1)
        assert len(calls) == 4
        clear_request_caches()
        double(1)
        assert len(calls) == 5
        with pytest.raises(TypeError, match="double"):
            double()  # type: ignore[call-arg]


def test_methods_in_either_order_of_decorators() -> None:
    with GlobalRequest():
        for _ in range(2):
            assert Owner.outermost(1) == Owner.innermost(1) == "Owner 1"
            assert Heir.outermost(1) == Heir.innermost(1) == "Heir 1"
            assert Owner.static(1) == Owner().static(1) == 1
        assert len(calls) == 5
        one, other = Owner(), Owner()
        for _ in range(2):
            one.method(1)
            other.method(1)
        assert len(calls) == 7


def test_a_coroutine_function_runs_once_a_request() -> None:
    @cache_within_request
    async def slow(value: int) -> list[int]:
        calls.append(value)
        await asyncio.sleep(0)
        if value < 0:
            raise ValueError(value)
        return [value]

    async def run() -> None:
        with GlobalRequest():
            one, other = await asyncio.gather(slow(1), slow(1))
            assert one is other is await slow(1)
            for _ in range(2):
                with pytest.raises(ValueError, match="-1"):
                    await slow(-1)
            assert calls == [1, -1, -1]
        assert await slow(1) is not one

    asyncio.run(run())


def test_fault_j_no_print_outside_a_request(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "kck_publish"):
        double(1)
        double(1)
    assert len(calls) == 2
    assert capsys.readouterr() == ("", "")
    assert "double is called outside a request" in caplog.text


def test_fault_k_arguments_that_cannot_be_hashed() -> None:
    class Odd:
        __hash__ = None  # type: ignore[assignment]

    with GlobalRequest():
        some = [1, {"a": {2}}]
        assert double(some) is double([1, {"a": {2}}])
        some.append(3)
        assert double(some) is not double([1, {"a": {2}}])
        odd = Odd()
        assert double(odd) is not double(odd)
        assert double((1,)) is not double([1])
