"""User code under which the server ends the connection: it fails, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kck_publish import Cache, Change, Depends, IntegerParameter, Primer, Retry
from kck_publish.listener.listener import Listener
from kck_publish.products import registry
from kck_publish.refresh.lost_connections import MOST
from tests.catalog.fixtures import Session, another_session, sql, stored
from tests.catalog.models import Author, Book, Item
from tests.catalog.primers import ItemTotal

cache = Cache.get_instance()
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
Wait = Callable[..., Any]
LIMITS = ["idle_in_transaction_session_timeout", "idle_session_timeout", "transaction_timeout"]
guilty: set[int] = set()
begun: list[int] = []
shown: list[dict[str, str]] = []
# Of user code that is no compute.
guilty_calls: set[str] = set()


def end_session() -> None:
    sql("SELECT pg_terminate_backend(pg_backend_pid())")


def swallow() -> None:
    """User code that keeps the loss to itself."""
    try:
        end_session()
    except Exception:  # noqa: BLE001
        return


deed: list[Callable[[], None]] = []


def total(group: int) -> int:
    return int(sum(Item.objects.filter(group=group).values_list("amount", flat=True)))


def amount(group: int) -> int:
    begun.append(group)
    shown.append(dict(sql("SELECT name, setting FROM pg_settings WHERE name LIKE '%%timeout'")))
    found = total(group)
    if group in guilty:
        deed[0]()
    return found


class Ending(Primer):
    abstract = True
    parameters = (IntegerParameter("n"),)
    depends_on = (Depends(Item, n="group", columns=["amount"]),)
    retry = Retry(max_retries=0)

    def compute(self, n: int) -> int:
        return amount(n)


@pytest.fixture(scope="module", autouse=True)
def products() -> Iterator[None]:
    class Alone(Ending):
        key = "ending"

    class Together(Ending):
        key = "ending_together"

        def compute_many(self, parameters: Any) -> Any:
            return [amount(group=each["n"]) for each in parameters]

    class Amended(Ending):
        key = "ending_amended"

        def augment(self, value: int, change: Change, n: int) -> int:
            if n in guilty:
                deed[0]()
            assert change.old is not None
            assert change.new is not None
            return int(value + change.new["amount"] - change.old["amount"])

    class Keyed(Primer):
        key = "ending_keyed"
        parameters = (IntegerParameter("n"),)
        depends_on = (Depends(Item, keys=lambda change: call("keys", [{"n": 1}, {"n": 2}])),)

        def compute(self, n: int) -> int:
            return total(n)

    class Eager(Primer):
        key = "ending_eager"
        parameters = (IntegerParameter("n"),)
        depends_on = (Depends(Item, n="group"),)
        eager = True

        def domain(self) -> Any:
            return call("domain", [{"n": n} for n in (1, 2, 3)])

        def compute(self, n: int) -> int:
            return total(n)

    yield
    for name in ("ending", "ending_together", "ending_amended", "ending_keyed", "ending_eager"):
        registry.unregister(name)


def call(kind: str, answer: Any) -> Any:
    begun.append(kind)  # type: ignore[arg-type]
    if kind in guilty_calls:
        deed[0]()
    return answer


@pytest.fixture(autouse=True)
def rows(transactional_db: None) -> Iterator[None]:
    for group in (1, 2, 3):
        Item.objects.create(name=f"i{group}", group=group, amount=5)
        ItemTotal.cached.get(group=group)
    deed[:] = [end_session]
    yield
    guilty.clear()
    guilty_calls.clear()
    begun.clear()
    shown.clear()


@pytest.fixture
def listening(wait_until: Wait) -> Iterator[Callable[[], Listener]]:
    """Start a listener in a thread; it is stopped at the end."""
    started: list[tuple[Listener, Session]] = []

    def start() -> Listener:
        listener = Listener("default", say=lambda line: None)
        started.append((listener, Session(listener.run)))
        assert listener.moments.connected.wait(120)
        return listener

    yield start
    for listener, session in started:
        listener.stop()
        session.result()


def value(key: str) -> bytes | None:
    entry = stored(key)
    return entry.body if entry else None


def failures() -> dict[str, tuple[str, Any]]:
    rows = sql("SELECT key, error, due_at FROM kck_publish_failure")
    return {key: (error.rpartition(".")[2], due) for key, error, due in rows}


def test_no_limit_of_the_role_ends_a_session_of_the_listeners(
    listening: Callable[[], Listener], wait_until: Wait
) -> None:
    """What is idle for long, or a long transaction, is not ended (C1)."""
    ((name, version),) = sql("SELECT current_database(), current_setting('server_version_num')")
    limits = LIMITS if int(version) >= 170000 else LIMITS[:2]
    with another_session() as session:
        for limit in limits:
            session.execute(f"ALTER DATABASE \"{name}\" SET {limit} = '50s'")
        try:
            cache.get("ending/1")
            shown.clear()
            listening()
            sql("UPDATE catalog_item SET amount = 6")
            wait_until(lambda: value("ending/1") == b"6")
        finally:
            for limit in limits:
                session.execute(f'ALTER DATABASE "{name}" RESET {limit}')
    assert {limit: shown[0][limit] for limit in limits} == dict.fromkeys(limits, "0")


@pytest.mark.parametrize("deeds", [end_session, swallow])
@pytest.mark.parametrize("product", ["ending", "ending_together", "ending_amended"])
def test_the_guilty_key_fails_and_the_others_go_on(
    listening: Callable[[], Listener], wait_until: Wait, product: str, deeds: Any
) -> None:
    """The batch is not repeated for ever, and no other product starves (C1)."""
    deed[:] = [deeds]
    for n in (1, 2, 3):
        cache.get(f"{product}/{n}")
    listener = listening()
    guilty.add(2)
    begun.clear()
    sql("UPDATE catalog_item SET amount = 6")
    wait_until(lambda: value("item_total/2") == b'{"count":1,"amount":6}')
    wait_until(lambda: value(f"{product}/1") == value(f"{product}/3") == b"6")
    assert failures() == {f"{product}/2": ("ConnectionLost", None)}
    assert begun.count(2) <= MOST
    guilty.clear()
    sql("UPDATE catalog_item SET amount = 7")
    wait_until(lambda: value(f"{product}/2") == b"7")
    wait_until(lambda: failures() == {})
    assert not listener.moments.lost.count > MOST + 1


@pytest.mark.parametrize("deeds", [end_session, swallow])
@pytest.mark.parametrize("kind", ["keys", "publish", "domain"])
def test_a_guilty_call_fails_and_the_others_go_on(
    listening: Callable[[], Listener],
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    deeds: Any,
) -> None:
    """Each batch would be repeated for ever, as by a compute (C1)."""
    deed[:] = [deeds]
    publish = Book.publish
    monkeypatch.setattr(Book, "publish", lambda book: call("publish", publish(book)))
    book = Book.objects.create(author=Author.objects.create(slug="a"), title="One")
    cache.get("ending_keyed/1")
    listener = listening()
    wait_until(lambda: value("ending_eager/1") == b"5")
    guilty_calls.add(kind)
    begun.clear()
    sql("UPDATE catalog_item SET amount = 6")
    Book.objects.update(title="Two")
    wait_until(lambda: value("item_total/2") == b'{"count":1,"amount":6}')
    wait_until(lambda: value("ending_keyed/1") == value("ending_eager/1") == b"6")
    names = {
        "keys": "keys= of ending_keyed",
        "publish": "Book.publish()",
        "domain": "domain() of ending_eager",
    }
    wait_until(lambda: f"{names[kind]} failed" in caplog.text)
    assert "ConnectionLost" in caplog.text
    calls = 2 if kind == "domain" else 1  # whoever computes it as a product, too
    assert begun.count(kind) <= MOST * calls  # type: ignore[arg-type]
    guilty_calls.clear()
    Book.objects.update(title="Three")
    sql("UPDATE catalog_item SET amount = 7")
    wait_until(lambda: value("ending_keyed/1") == value("ending_eager/1") == b"7")
    wait_until(lambda: b"Three" in (value(f"catalog.book/{book.pk}") or b"") or kind == "publish")
    assert listener.moments.lost.count <= MOST * calls + 1
