"""Read-your-writes across requests: what a browser wrote, its next request sees.

Each request here has a database session of its own, unless a test says otherwise.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.core import signing
from django.db import connection, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.urls import path

from kck_publish.capture import own_request_writes, own_session_writes
from kck_publish.request.own_writes_cookies import PREFIX, ReadYourWritesMiddleware
from kck_publish.stores import read_own
from tests.catalog.fixtures import Session, another_session, computes, drain, sql
from tests.catalog.models import Author, Book, Edition, Item, Tag
from tests.catalog.primers import ItemTotal, Shelf, ShelfSum, Stock

pytestmark = pytest.mark.django_db(transaction=True)


class RollBack(Exception):  # noqa: N818
    """Leaves a block without its writes."""


class Patient(ReadYourWritesMiddleware):
    patience = 20.0


class Impatient(ReadYourWritesMiddleware):
    patience = 0.0


class Forgetful(ReadYourWritesMiddleware):
    max_age = -1


def write(amount: int) -> None:
    Item.objects.filter(name="one").update(amount=amount)


def rolled_back(amount: int) -> None:
    with suppress(RollBack), transaction.atomic():
        write(amount)
        raise RollBack


def and_close(amount: int) -> None:
    write(amount)
    connection.close()
    assert total() == amount


def in_a_thread(amount: int) -> None:
    context = copy_context()
    Session(lambda: context.run(write, amount)).result()
    Tag.objects.create(name="of another session")


def in_a_thread_that_stays(amount: int) -> None:
    """Of a pool, such as ``asyncio.to_thread`` uses."""
    total()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(copy_context().run, write, amount).result()
        try:
            assert total() == amount
        finally:
            pool.submit(connections.close_all).result()


HOW: dict[str, Callable[[int], None]] = {
    one.__name__: one
    for one in (write, rolled_back, and_close, in_a_thread, in_a_thread_that_stays)
}


def total() -> int:
    return int(ItemTotal.cached.get(group=1)["amount"])


def view(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        HOW[request.POST.get("how", "write")](int(request.POST["amount"]))
        return HttpResponse()
    with CaptureQueriesContext(connection) as queries, computes() as seen:
        amount = total()
    sources = sum("catalog_item" in query["sql"] for query in queries)
    return HttpResponse(json.dumps([amount, len(seen), len(queries), sources]))


async def aview(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        await Item.objects.filter(name="one").aupdate(amount=int(request.POST["amount"]))
        return HttpResponse()
    return HttpResponse(json.dumps([(await ItemTotal.cached.aget(group=1))["amount"]]))


def shelf(request: HttpRequest) -> HttpResponse:
    return HttpResponse(json.dumps(ShelfSum.cached.get(author=int(request.GET["author"]))))


urlpatterns = [path("item", view), path("aitem", aview), path("shelf", shelf)]


@pytest.fixture(autouse=True)
def middleware(settings: Any, transactional_db: None) -> Callable[[type], None]:
    def use(which: type) -> None:
        settings.MIDDLEWARE = [f"{which.__module__}.{which.__qualname__}"]

    settings.ROOT_URLCONF = __name__
    use(Impatient)
    Item.objects.create(name="one", group=1, amount=5)
    total()
    drain()
    return use


def tokens(client: Any) -> list[str]:
    return [name for name, one in client.cookies.items() if name.startswith(PREFIX) and one.value]


def post(client: Client, amount: int, how: str = "write") -> None:
    Session(lambda: client.post("/item", {"amount": amount, "how": how})).result()


def get(client: Client) -> list[int]:
    """The amount, how many computes and how many queries."""
    found = Session(lambda: client.get("/item")).result().content
    return json.loads(found)[:3]  # type: ignore[no-any-return]


def test_the_next_request_sees_the_write_and_others_are_not_bothered() -> None:
    mine, other = Client(), Client()
    assert get(mine) == [5, 0, 1]
    assert not mine.cookies
    post(mine, 8)
    assert get(mine)[:2] == get(mine)[:2] == [8, 1]
    assert get(other) == [5, 0, 1]
    assert not other.cookies
    drain()
    assert get(mine)[:2] == [8, 0]
    assert not tokens(mine)
    assert get(mine) == get(other) == [8, 0, 1]


def test_the_cookie(settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = True
    client = Client()
    post(client, 8)
    (name,) = tokens(client)
    cookie = client.cookies[name]
    assert cookie["httponly"]
    assert cookie["secure"]
    assert cookie["samesite"] == "Lax"
    assert cookie["max-age"] == 3600
    assert len(cookie.value) < 200


def test_only_reads_under_what_was_written_ask_anything() -> None:
    client = Client()
    Author.objects.create(slug="a")
    drain()
    get(client)
    with another_session() as session:  # what keeps the log from being empty
        session.execute("UPDATE catalog_item SET amount = 6")
    Session(lambda: Author.objects.update(first="B")).result()
    post(client, 8)
    (name,) = tokens(client)
    cluster, xids, sources = signing.loads(
        client.cookies[name].value, salt="kck_publish.read_your_writes"
    )
    assert len(sources.split()) == 1
    client.cookies[name] = signing.dumps(
        [cluster, xids, "ffffffff"], salt="kck_publish.read_your_writes"
    )
    assert get(client)[:2] == [5, 0]
    assert tokens(client)  # it may count for what was not read


@pytest.mark.parametrize("what", ["tampered", "foreign", "old", "another salt", "of no form"])
def test_tokens_that_are_not_ours_are_ignored_and_removed(what: str, middleware: Any) -> None:
    client = Client()
    post(client, 8)
    (name,) = tokens(client)
    token = client.cookies[name].value
    salt = "kck_publish.read_your_writes"
    cluster, xids, _ = signing.loads(token, salt=salt)
    if what == "old":
        middleware(Forgetful)
    client.cookies[name] = {
        "tampered": token[:-3] + ("abc" if token[-3:] != "abc" else "abd"),
        "foreign": signing.dumps(["1" + cluster, xids, None], salt=salt),
        "old": token,
        "another salt": signing.dumps([cluster, xids, None], salt="x"),
        "of no form": "x",
    }[what]
    reader = Client()  # which has the middleware of now
    reader.cookies[name] = client.cookies[name].value
    assert get(reader)[:2] == [5, 0]
    assert not reader.cookies[name].value


def test_a_name_that_no_cookie_may_have() -> None:
    response = Client().get("/item", headers={"cookie": f"{PREFIX}[x=y; {PREFIX}1=z"})
    assert response.status_code == 200
    assert list(response.cookies) == [f"{PREFIX}1"]


def test_a_token_of_a_time_that_is_no_more() -> None:
    """Of a cluster that was restored to an earlier point in time: its number is still to come."""
    client = Client()
    post(client, 8)
    (name,) = tokens(client)
    salt = "kck_publish.read_your_writes"
    cluster, _, _ = signing.loads(client.cookies[name].value, salt=salt)
    client.cookies[name] = signing.dumps([cluster, [2**40], None], salt=salt)
    assert get(client)[:2] == [5, 0]
    assert not tokens(client)


def test_what_was_rolled_back_gives_no_token() -> None:
    client = Client()
    post(client, 8, "rolled_back")
    assert not client.cookies
    assert get(client) == [5, 0, 1]


@pytest.mark.parametrize("busy", [False, True])
def test_a_token_of_a_transaction_that_never_commits_does_not_last(busy: bool) -> None:
    (xid,) = sql("SELECT pg_current_xact_id()::text::bigint")[0]
    (cluster,) = sql("SELECT system_identifier::text FROM pg_control_system()")[0]
    salt = "kck_publish.read_your_writes"
    client = Client()
    client.cookies[f"{PREFIX}{xid:x}"] = signing.dumps([cluster, [xid], None], salt=salt)
    if busy:
        with another_session() as session:
            session.execute("UPDATE catalog_item SET amount = 6")
            assert get(client)[:2] == [6, 1]
        drain()
        with another_session() as session:
            session.execute("UPDATE catalog_item SET amount = 7")
            assert get(client)[:2] == [6, 0]
    else:
        assert get(client)[:2] == [5, 0]
    assert not tokens(client)


@pytest.mark.parametrize("how", ["and_close", "in_a_thread", "in_a_thread_that_stays"])
def test_a_session_that_cannot_be_asked_any_more(how: str) -> None:
    client = Client()
    post(client, 8, how)
    assert get(client)[:2] == [8, 1]
    assert tokens(client)
    drain()
    assert get(client)[:2] == [8, 0]
    assert not tokens(client)


def test_a_session_that_serves_many_browsers() -> None:
    """What an earlier request wrote on a persistent connection is not the later one's."""
    first, second = Client(), Client()
    first.post("/item", {"amount": 8})
    second.post("/item", {"amount": 9, "how": "rolled_back"})
    assert len(tokens(first)) == 1
    assert not second.cookies
    second.post("/item", {"amount": 9})
    assert tokens(second) != tokens(first)


def test_later_writes_take_the_place_of_earlier_ones() -> None:
    client = Client()
    for amount in (6, 7, 8):
        post(client, amount)
        assert len(tokens(client)) == 1
        assert get(client)[0] == amount


def test_requests_that_overlap_do_not_take_each_others_tokens() -> None:
    """A tab reads, and finds its token settled, while another writes."""
    reader, client = Client(), Client()
    post(client, 8)
    reader.cookies.load({name: client.cookies[name].value for name in tokens(client)})
    drain()
    post(client, 9)
    assert get(reader)[0] == 8
    for name, cookie in reader.cookies.items():
        if not cookie.value:
            client.cookies.pop(name, None)
    assert get(client)[0] == 9


def test_two_transactions_are_both_waited_for() -> None:
    """The later number may have committed, and been handled, first."""
    slow, fast = Client(), Client()
    with another_session(autocommit=False) as session:
        session.execute("UPDATE catalog_item SET amount = 6")
        (early,) = session.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()  # type: ignore[misc]
        Session(lambda: Author.objects.create(slug="later")).result()
        late = sql("SELECT pg_current_xact_id()::text::bigint")[0][0]
        drain()
        session.commit()
    assert early < late
    (cluster,) = sql("SELECT system_identifier::text FROM pg_control_system()")[0]
    for xids in ([early, late], [late, early]):
        token = signing.dumps([cluster, xids, None], salt="kck_publish.read_your_writes")
        for client in (slow, fast):
            client.cookies[f"{PREFIX}1"] = token
        assert get(slow)[:2] == [6, 1]


def test_a_request_waits_a_little_for_the_listener(middleware: Any) -> None:
    middleware(Patient)
    mine, other = Client(), Client()
    post(mine, 8)
    waiting = threading.Event()
    own = read_own

    def noting(*arguments: Any) -> Any:
        found = own(*arguments)
        waiting.set()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kck_publish.reading.read_with_own_writes.read_own", noting)
        reader = Session(lambda: mine.get("/item"))
        assert waiting.wait(20)
        assert get(other) == [5, 0, 1]  # nobody else waits
        Session(drain).result()
        amount, _, _, sources = json.loads(reader.result().content)
        assert (amount, sources) == (8, 0)  # the listener's value
    assert not tokens(mine)


def test_a_product_over_products() -> None:
    author = Author.objects.create(slug="a", first="A", last="B")
    book = Book.objects.create(author=author, title="T")
    Edition.objects.create(book=book, copies=1)
    for read in (Stock.cached.get(book=book.pk), Shelf.cached.get(author=author.pk)):
        assert read
    ShelfSum.cached.get(author=author.pk)
    drain()
    client = Client()
    HOW["edition"] = lambda amount: Edition.objects.update(copies=amount)  # type: ignore[assignment]
    try:
        post(client, 2, "edition")
    finally:
        del HOW["edition"]

    def read_shelf() -> Any:
        found = Session(lambda: client.get("/shelf", {"author": author.pk})).result()
        return json.loads(found.content)

    assert read_shelf() == ["A B", 2]
    drain()
    with computes() as seen:
        assert read_shelf() == ["A B", 2]
    assert seen == []


def test_it_is_natively_asynchronous(middleware: Any) -> None:
    async def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    made = ReadYourWritesMiddleware(answer)
    assert iscoroutinefunction(made)
    assert not iscoroutinefunction(ReadYourWritesMiddleware(lambda request: HttpResponse()))
    assert asyncio.run(made(HttpRequest())).status_code == 200

    async def run() -> list[Any]:
        mine, other = AsyncClient(), AsyncClient()
        await mine.post("/aitem", {"amount": 8})
        assert len(tokens(mine)) == 1
        await sync_to_async(connections.close_all)()
        seen = [(await one.get("/aitem")).content for one in (mine, other)]
        await sync_to_async(drain)()
        seen.append((await mine.get("/aitem")).content)
        assert not tokens(mine)
        return seen

    assert async_to_sync(run)() == [b"[8]", b"[5]", b"[8]"]


def test_concurrent_contexts_have_their_own() -> None:
    """Tasks of one event loop, and threads."""
    clients = [Client() for _ in range(4)]
    post(clients[0], 8)

    with ThreadPoolExecutor(4) as pool:

        def one(client: Client) -> int:
            try:
                return int(json.loads(client.get("/item").content)[0])
            finally:
                connections.close_all()

        assert list(pool.map(one, clients)) == [8, 5, 5, 5]

    async def run() -> list[bytes]:
        asynchronous = [AsyncClient() for _ in clients]
        asynchronous[0].cookies.load({n: clients[0].cookies[n].value for n in tokens(clients[0])})
        found = await asyncio.gather(*(client.get("/aitem") for client in asynchronous))
        return [one.content for one in found]

    assert async_to_sync(run)() == [b"[8]", b"[5]", b"[5]", b"[5]"]
    assert own_request_writes.current() is None


def test_a_database_that_has_gone_costs_the_token_only(
    middleware: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    def gone(*_: Any) -> None:
        raise OperationalError

    monkeypatch.setattr(own_session_writes, "take", gone)
    client = Client()
    post(client, 8)
    assert not tokens(client)
    assert "the browser gets no token" in caplog.text


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    connections.close_all()
