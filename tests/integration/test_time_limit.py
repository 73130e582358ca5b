"""A compute that hangs is cut off: the key fails as any does, the others go on, nothing leaks."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import connection, transaction

from kck_publish import (
    Cache,
    Change,
    ComputeTimeout,
    Depends,
    IntegerParameter,
    InvalidPrimer,
    Primer,
    primer,
)
from kck_publish.products import registry
from kck_publish.products.time_limit import _in_milliseconds
from kck_publish.testing import travel
from tests.catalog.fixtures import Session, drain, sql, stored
from tests.catalog.models import Item

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
LIMIT = timedelta(seconds=1)
hang: dict[int, Callable[[], object]] = {}
passes: list[int] = []


def _amount(n: int) -> int:
    hang.get(n, int)()
    return int(sum(Item.objects.filter(group=n).values_list("amount", flat=True)))


def pg_sleep() -> None:
    sql("SELECT pg_sleep(15)")


def busy() -> None:
    while True:
        pass


def reading() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.recv(1)


def many_queries() -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        sql("SELECT pg_sleep(0.05)")


def swallowing() -> None:
    try:
        pg_sleep()
    except Exception:  # noqa: BLE001
        raise ObjectDoesNotExist from None


ON = Depends(Item, n="group", columns=["amount"])
NAMES = ["limited", "limited_pass", "limited_over", "limited_sum", "unlimited", "limited_late"]


@pytest.fixture(scope="module", autouse=True)
def products() -> Iterator[None]:
    class Limited(Primer):
        key = "limited"
        parameters = (IntegerParameter("n"),)
        depends_on = (ON,)
        time_limit = LIMIT

        def compute(self, n: int) -> int:
            return _amount(n)

    class Pass(Limited):
        key = "limited_pass"

        def compute_many(self, parameters: Any) -> Any:
            passes.append(len(parameters))
            return [_amount(**one) for one in parameters]

    @primer("limited_over/<int:n>", depends_on=[ON], time_limit=LIMIT)
    def over(n: int) -> int:
        try:
            return 1 + int(cache.get(f"unlimited/{n}"))
        except Exception:  # noqa: BLE001 - it hides what has happened
            return -1

    class Total(Limited):
        key = "limited_sum"

        def augment(self, value: int, change: Change, n: int) -> int:
            hang.get(n, int)()
            return value

    class Unlimited(Primer):
        key = "unlimited"
        parameters = (IntegerParameter("n"),)
        depends_on = (ON,)

        def compute(self, n: int) -> int:
            return _amount(n)

    @primer("limited_late", time_limit=timedelta(seconds=0.1))
    def late() -> int:
        return threading.Event().wait(0.2) or 5

    yield
    for name in NAMES:
        registry.unregister(name)


@pytest.fixture(autouse=True)
def world(transactional_db: None) -> Iterator[None]:
    for n in (1, 2, 3):
        Item.objects.create(name=f"i{n}", group=n, amount=5)
    hang.clear()
    passes.clear()
    before = signal.getsignal(signal.SIGALRM)
    yield
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before
    assert sql("SHOW statement_timeout") == [("0",)]
    assert connection.execute_wrappers == []


def _failed() -> dict[str, str]:
    rows = sql("SELECT key, error FROM kck_publish_failure")
    return {key: error.partition("\n")[0].rpartition(".")[2] for key, error in rows}


def _write(amount: int) -> None:
    Item.objects.update(amount=amount)


HANGS = [pg_sleep, busy, reading, many_queries, swallowing]


@pytest.mark.parametrize("how", HANGS, ids=lambda one: one.__name__)
def test_a_refresh_that_hangs_fails_and_the_others_go_on(
    how: Callable[[], None], caplog: Any
) -> None:
    cache.get_many(["limited/1", "limited/2", "limited/3"])
    drain()
    hang[2] = how
    _write(8)
    start = time.monotonic()
    drain()
    assert time.monotonic() - start < 20
    assert _failed() == {"limited/2": "ComputeTimeout"}
    assert "The compute of 'limited/2' took longer than 1 s: cut off." in caplog.text
    entry = stored("limited/2")
    assert entry is not None
    assert entry.behind
    assert cache.entry("limited/2").value == 5
    assert [cache.entry(f"limited/{n}").value for n in (1, 3)] == [8, 8]
    hang.clear()
    with travel(timedelta(hours=1)):
        drain()
    assert not _failed()
    assert cache.entry("limited/2").value == 8


@pytest.mark.long
@pytest.mark.parametrize("how", [pg_sleep, busy, reading], ids=lambda one: one.__name__)
def test_a_pass_that_is_cut_off_is_done_one_by_one(how: Callable[[], None]) -> None:
    cache.get_many(["limited_pass/1", "limited_pass/2", "limited_pass/3"])
    drain()
    passes.clear()
    hang[2] = how
    _write(8)
    drain()
    assert passes == [3]
    assert _failed() == {"limited_pass/2": "ComputeTimeout"}
    assert [cache.entry(f"limited_pass/{n}").value for n in (1, 2, 3)] == [8, 5, 8]


@pytest.mark.long
@pytest.mark.parametrize("how", HANGS[:4], ids=lambda one: one.__name__)
def test_a_reader_is_told(how: Callable[[], None]) -> None:
    hang[1] = how
    with pytest.raises(ComputeTimeout) as told:
        cache.get("limited/1")
    assert (told.value.what, told.value.seconds) == ("limited/1", 1)
    assert not cache.is_set("limited/1")
    with transaction.atomic():
        with pytest.raises(ComputeTimeout), transaction.atomic():
            cache.get("limited/1")
        assert sql("SHOW statement_timeout") == [("0",)]


@pytest.mark.parametrize("how", [pg_sleep, many_queries], ids=lambda one: one.__name__)
def test_a_reader_in_a_thread_is_cut_off_in_its_queries(how: Callable[[], None]) -> None:
    ended: list[Callable[[], None]] = []

    def hanging() -> None:
        how()
        ended.append(how)

    hang[1] = hanging

    def read() -> object:
        with pytest.raises(ComputeTimeout):
            cache.get("limited/1")
        return sql("SHOW statement_timeout")

    assert Session(read).result() == [("0",)]
    assert ended == []  # by the server, and not before the query that comes next


def test_what_is_late_and_ends_counts() -> None:
    """In a thread nothing can cut it off but its next query; there is none."""
    assert Session(lambda: cache.get("limited_late")).result() == 5


def test_without_a_transaction_around(settings: Any) -> None:
    settings.KCK_PUBLISH = {"ENABLED": False}
    hang[1] = pg_sleep

    def read() -> object:
        with pytest.raises(ComputeTimeout):
            cache.get("limited/1")
        assert not connection.in_atomic_block
        return sql("SHOW statement_timeout")

    assert read() == Session(read).result() == [("0",)]


def test_the_limit_of_the_settings(settings: Any) -> None:
    settings.KCK_PUBLISH = {"TIME_LIMIT": 0.2}
    hang[1] = pg_sleep
    with pytest.raises(ComputeTimeout, match=r"0\.2 s"):
        cache.get("unlimited/1")
    with pytest.raises(ComputeTimeout, match="than 1 s"):
        cache.get("limited/1")


def test_a_limit_that_is_none() -> None:
    for wrong in (0, 5, timedelta(0), timedelta(seconds=-1)):
        with pytest.raises(InvalidPrimer, match="time_limit is a timedelta"):
            type("Wrong", (Primer,), {"key": "w", "time_limit": wrong, "compute": lambda self: 1})


@pytest.mark.parametrize("how", [pg_sleep, busy, many_queries], ids=lambda one: one.__name__)
def test_a_compute_within_one_is_cut_off_with_it(how: Callable[[], None]) -> None:
    """And what it hides of that is not believed; the inner key has not failed by itself."""
    assert cache.get("limited_over/1") == 6
    cache.get("unlimited/1")
    drain()
    hang[1] = how
    Item.objects.filter(group=1).update(amount=8)
    # The inner one alone has no limit: let the batch compute the outer one first.
    with pytest.raises(ComputeTimeout, match="limited_over/1"):
        cache.refresh("limited_over/1", queued=False)
    hang.clear()
    drain()
    assert cache.get("limited_over/1") == 9


def test_an_augment_that_hangs_is_cut_off_and_primed(caplog: Any) -> None:
    cache.get("limited_sum/1")
    drain()
    cuts = iter([busy])
    hang[1] = lambda: next(cuts, int)()
    Item.objects.filter(group=1).update(amount=8)
    drain()
    assert "augment of limited_sum/1 failed (ComputeTimeout): it is primed" in caplog.text
    assert cache.entry("limited_sum/1").value == 8


@pytest.mark.parametrize(("own", "seen"), [("200ms", "200ms"), ("2min", "1s")])
def test_the_sessions_own_timeout_holds_where_it_is_shorter(own: str, seen: str) -> None:
    shown: list[Any] = []
    hang[1] = lambda: shown.append(sql("SHOW statement_timeout")[0][0])
    with transaction.atomic():
        sql("SELECT set_config('statement_timeout', %s, true)", own)
        cache.get("limited/1")
        assert sql("SHOW statement_timeout") == [(own,)]
    assert len(shown) == 1
    assert _in_milliseconds(seen) / 2 < _in_milliseconds(shown[0]) <= _in_milliseconds(seen)


def test_a_query_that_fails_within_does_not_lift_the_limit() -> None:
    """The batch rolls back what a compute within a compute has spoiled, and the setting with it."""
    from kck_publish.products.compute import compute

    shown: list[Any] = []

    class Batch:
        memory: dict[Any, Any] | None = None

        def lookup(self, *_: Any) -> None: ...
        def breathe(self, seconds: float = 0.0) -> None: ...
        def admit(self, *_: Any) -> None: ...
        def check(self) -> None: ...
        def recover(self, keys: Any = ()) -> None:
            connection.needs_rollback = False
            sql("ROLLBACK TO SAVEPOINT here")

    graph = registry.graph()

    def outer() -> None:
        hang[2] = lambda: sql("SELECT 1 / 0")
        compute(graph.products["limited"], [{"n": 2}])
        shown.append(sql("SHOW statement_timeout")[0][0])

    hang[1] = outer
    with transaction.atomic():
        sql("SAVEPOINT here")
        (found,) = compute(graph.products["limited"], [{"n": 1}], Batch())
        assert found.get() == 5
    assert shown[0] not in ("0", "")


def test_those_who_wait_for_a_reader_that_hangs_go_on() -> None:
    """In a thread it cannot be cut off; they are waited for no longer than it may take."""
    begun, end = threading.Event(), threading.Event()

    def stuck() -> None:
        hang.clear()
        begun.set()
        end.wait(20)

    hang[1] = stuck
    first = Session(lambda: cache.get("limited/1"))
    begun.wait(20)
    try:
        assert cache.get("limited/1") == 5
        assert sql("SHOW lock_timeout") == [("0",)]
        assert first.is_alive()
    finally:
        end.set()
    with pytest.raises(ComputeTimeout):
        first.result()
