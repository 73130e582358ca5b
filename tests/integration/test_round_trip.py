"""Several statements for one wait: what they are given, how they fail, and what is left then."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.pq import TransactionStatus

from kck_publish.postgres import PREPARE, connect
from kck_publish.round_trip import RoundTrip, answers, prepared, together
from tests.catalog.fixtures import another_session

pytestmark = pytest.mark.django_db(transaction=True)
Desk = psycopg.Connection[Any]
PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'kck%'"
ADD_1 = "INSERT INTO kept VALUES (1)"
VALUES: list[Any] = [
    None,
    7,
    -(2**40),
    1.5,
    True,
    "it's 100 % \\ \u20ac",
    b"\x00\xff",
    UUID(int=9),
    datetime(2026, 11, 30, tzinfo=UTC),
    [1, None, 3],
    ["a", 'b"c', None],
]


@pytest.fixture
def desk(transactional_db: None) -> Iterator[Desk]:
    with another_session() as session:
        session.execute("CREATE TEMP TABLE kept (number int PRIMARY KEY)")
        yield session


def kept(desk: Desk) -> list[int]:
    return [number for (number,) in desk.execute("SELECT number FROM kept ORDER BY number")]


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_as_from_a_cursor(desk: Desk, value: Any, binary: bool) -> None:
    query = "SELECT %s::text, %s" if isinstance(value, str) else "SELECT %s, %s"
    (expected,) = desk.execute(query, [value, value]).fetchall()
    trip = RoundTrip(desk, binary=binary)
    for _ in range(PREPARE + 1):
        assert trip.ask(query, [value, value]) == [expected]


def test_placeholders(desk: Desk) -> None:
    with together(desk) as trip:
        named = trip.execute("SELECT %(a)s::int, %(b)s::text, %(a)s::int", {"b": "x", "a": 1})
        binary = trip.execute("SELECT %b::bytea, %t::int", [b"\xfe", 5])
        percent = trip.execute("SELECT 7 %% %s, '%%s'", [4])
        plain = trip.execute("SELECT 7 % 4, '%s'")
        composed = trip.execute(sql.SQL("SELECT {}").format(sql.Literal(3)))
    assert named.fetchall() == [(1, "x", 1)]
    assert binary.fetchall() == [(b"\xfe", 5)]
    assert percent.fetchall() == [(3, "%s")]
    assert plain.fetchall() == [(3, "%s")]
    assert composed.fetchall() == [(3,)]


def test_all_that_is_sent_is_one_transaction(desk: Desk) -> None:
    with together(desk) as trip:
        added = trip.execute("INSERT INTO kept VALUES (1), (2)")
        trip.execute("INSERT INTO kept VALUES (3)")
        numbers = {
            trip.execute("SELECT pg_current_xact_id()::text"),
            trip.execute("SELECT pg_current_xact_id()::text"),
        }
        assert added.rowcount == -1  # not yet
        assert desk.info.transaction_status == TransactionStatus.IDLE
    assert added.rowcount == 2
    assert len({number.fetchall()[0] for number in numbers}) == 1
    assert kept(desk) == [1, 2, 3]


def test_what_is_committed_between_is(desk: Desk) -> None:
    texts = ["BEGIN", ADD_1, "COMMIT", "INSERT INTO kept VALUES (2)", "SELECT 1 / 0"]
    with pytest.raises(psycopg.errors.DivisionByZero):
        answers(desk, [(text, []) for text in texts])
    assert kept(desk) == [1]


def test_the_first_error_is_raised_and_nothing_is_left_open(desk: Desk) -> None:
    texts = ["BEGIN", ADD_1, ADD_1, "SELECT 1 / 0", "COMMIT"]
    with pytest.raises(psycopg.errors.UniqueViolation):
        answers(desk, [(text, []) for text in texts])
    assert desk.info.transaction_status == TransactionStatus.IDLE
    assert kept(desk) == []


def test_a_statement_by_itself_that_fails(desk: Desk) -> None:
    trip = RoundTrip(desk)
    for _ in range(PREPARE + 1):
        with pytest.raises(psycopg.errors.DivisionByZero):
            trip.ask("SELECT 1 / %s", [0])
        assert trip.ask("SELECT 1 / %s", [1]) == [(1,)]


def test_if_the_block_raises_nothing_is_sent(desk: Desk) -> None:
    def block() -> None:
        with together(desk) as trip:
            trip.execute(ADD_1)
            raise LookupError

    with pytest.raises(LookupError):
        block()
    assert kept(desk) == []


def test_if_the_block_raises_what_was_sent_for_a_fetch_is_rolled_back(desk: Desk) -> None:
    def block() -> None:
        with together(desk) as trip:
            trip.execute(f"{ADD_1} RETURNING number")
            assert trip.fetchall() == [(1,)]
            trip.execute("INSERT INTO kept VALUES (2)")
            raise LookupError

    with pytest.raises(LookupError):
        block()
    assert kept(desk) == []


def test_what_is_fetched_within_is_of_the_same_transaction(desk: Desk) -> None:
    with together(desk) as trip:
        trip.execute("INSERT INTO kept VALUES (1) RETURNING number")
        assert trip.fetchone() == (1,)
        trip.execute("INSERT INTO kept SELECT number + 1 FROM kept")
        assert [*trip.execute("SELECT number FROM kept").fetchall()] == []  # not yet sent
        assert sorted(trip) == [(1,), (2,)]
    assert kept(desk) == [1, 2]


def test_an_error_of_what_is_fetched_within(desk: Desk) -> None:
    def block() -> None:
        with together(desk) as trip:
            trip.execute(ADD_1)
            trip.execute("SELECT 1 / 0")
            trip.fetchall()

    with pytest.raises(psycopg.errors.DivisionByZero):
        block()
    assert kept(desk) == []


def test_what_comes_again_is_prepared_by_its_types(desk: Desk) -> None:
    query = "SELECT %s::text"
    for number in range(PREPARE + 2):
        assert answers(desk, [(query, ["x"]), (query, ["y"])]) == [[("x",)], [("y",)]]
        prepared = desk.execute(PREPARED).fetchall()
        assert prepared == [(1 if 2 * (number + 1) >= PREPARE else 0,)]
    for _ in range(PREPARE):
        answers(desk, [(query, [7])])
    assert desk.execute(PREPARED).fetchall() == [(2,)]
    unprepared = RoundTrip(desk, prepares=False)
    for _ in range(PREPARE + 1):
        assert unprepared.ask("SELECT 'z', %s", ["x"]) == [("z", "x")]
    assert desk.execute(PREPARED).fetchall() == [(2,)]


def test_no_more_than_so_many_are_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "KEPT", 2)
    for _ in range(PREPARE + 1):
        for number in range(4):
            assert answers(desk, [(f"SELECT {number}, %s", ["x"])]) == [[(number, "x")]]
    assert desk.execute(PREPARED).fetchall() == [(2,)]


def test_a_statement_that_cannot_be_prepared_is_not_believed_to_be(desk: Desk) -> None:
    query: tuple[str, list[Any]] = ("SELECT number FROM kept WHERE number = %s", [1])
    answers(desk, [query] * (PREPARE - 1))
    desk.execute("ALTER TABLE kept RENAME number TO other")
    with pytest.raises(psycopg.errors.UndefinedColumn):
        answers(desk, [query])
    desk.execute("ALTER TABLE kept RENAME other TO number")
    assert answers(desk, [query]) == [[]]
    with pytest.raises(psycopg.errors.DivisionByZero):  # aborted before it could be prepared
        answers(desk, [("SELECT 1 / 0", []), *[("SELECT 'late', %s", ["x"])] * PREPARE])
    assert answers(desk, [("SELECT 'late', %s", ["x"])] * PREPARE) == [[("late", "x")]] * PREPARE


def test_after_discard_all_it_prepares_anew(desk: Desk) -> None:
    query: tuple[str, list[Any]] = ("SELECT 1, %s", ["x"])
    answers(desk, [query] * PREPARE)
    desk.execute("DISCARD ALL")
    with pytest.raises(psycopg.errors.InvalidSqlStatementName), together(desk) as trip:
        trip.execute(*query)
    for _ in range(PREPARE + 1):
        assert answers(desk, [query]) == [[(1, "x")]]
    desk.execute("DISCARD ALL")
    assert answers(desk, [query]) == [[(1, "x")]]  # nothing was done: it is sent once more


@pytest.mark.parametrize("fetches", [False, True])
@pytest.mark.parametrize("others", [0, 1])
def test_an_error_of_the_commit(desk: Desk, others: int, fetches: bool) -> None:
    desk.execute("CREATE TEMP TABLE late (number int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    desk.execute("INSERT INTO late VALUES (1)")

    def block() -> None:
        with together(desk) as trip:
            for _ in range(others):
                trip.execute("SELECT 1")
            trip.execute("INSERT INTO late VALUES (1) RETURNING number")
            assert not fetches or trip.fetchall() == [(1,)]

    for _ in range(PREPARE + 1):
        with pytest.raises(psycopg.errors.UniqueViolation):
            block()
        assert desk.execute("SELECT count(*) FROM late").fetchall() == [(1,)]


def test_an_error_that_is_not_raised_further_is_not_lost(desk: Desk) -> None:
    """The transaction is: who goes on must not believe that it is committed."""
    with pytest.raises(psycopg.errors.PipelineAborted), together(desk) as trip:  # noqa: PT012
        trip.execute("SELECT 1 / 0")
        with suppress(psycopg.errors.DivisionByZero):
            trip.fetchall()
        trip.execute(ADD_1)
    assert kept(desk) == []


def test_a_pipeline_that_is_under_way_is_not_entered(desk: Desk) -> None:
    with desk.pipeline(), pytest.raises(psycopg.ProgrammingError):
        answers(desk, [("SELECT 1", [])])
    with together(desk) as trip:
        trip.execute("SELECT 1")
        assert trip.fetchall() == [(1,)]
        with pytest.raises(psycopg.ProgrammingError):
            answers(desk, [("SELECT 2", [])])
        trip.execute("SELECT 3")
        assert trip.fetchall() == [(3,)]
    assert answers(desk, [("SELECT 1", [])]) == [[(1,)]]


def test_threads_that_share_a_connection_wait_for_each_other(desk: Desk) -> None:
    """As psycopg's cursors do."""

    def ask(number: int) -> list[list[list[Any]]]:
        return [answers(desk, [("SELECT %s::int", [number])] * 2) for _ in range(100)]

    with ThreadPoolExecutor(4) as threads:
        for number, given in enumerate(threads.map(ask, range(4))):
            assert given == [[[(number,)]] * 2] * 100


def test_what_cannot_be_sent_harms_no_connection(desk: Desk) -> None:
    query = f"SELECT {', '.join(['%s'] * 70_000)}"
    with pytest.raises(psycopg.Error):
        answers(desk, [(query, ["x"] * 70_000)])
    assert answers(desk, [("SELECT 1", [])]) == [[(1,)]]


def test_rows_are_given_once(desk: Desk) -> None:
    with together(desk) as trip:
        trip.execute("SELECT generate_series(1, 4)")
        assert trip.fetchone() == (1,)
        assert next(iter(trip)) == (2,)
        assert trip.fetchall() == [(3,), (4,)]
        assert trip.fetchone() is None
    assert trip._adapter.pgresult is None  # and not kept


def test_psycopg_throws_nothing_away_on_the_librarys_own_connections(desk: Desk) -> None:
    """It says DEALLOCATE ALL after a ROLLBACK where it has prepared anything."""
    with closing(connect("default")) as own:
        for number in range(4 * PREPARE):
            with together(own) as trip:  # which sends nothing once more
                trip.execute("SELECT %s::text", ["x"])
            own.execute("SELECT %s::int + 1", [number])
            if number == 3 * PREPARE:
                own.execute("BEGIN")
                own.rollback()
        assert own.execute(PREPARED).fetchall() == [(1,)]
        assert own.execute("SHOW jit").fetchone() == ("off",)  # see ``connect``


@pytest.mark.parametrize("statements", [1, 3])
def test_a_lost_connection(desk: Desk, statements: int) -> None:
    with another_session() as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [desk.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        answers(desk, [("SELECT %s", ["x"])] * statements)
    assert desk.broken


@pytest.mark.parametrize("others", [0, 2])
def test_a_connection_that_is_lost_while_it_answers(desk: Desk, others: int) -> None:
    kill: tuple[str, list[Any]] = ("SELECT pg_terminate_backend(pg_backend_pid())", [])
    with pytest.raises(psycopg.OperationalError):
        answers(desk, [kill] + [("SELECT 1", [])] * others)
    assert desk.broken


@pytest.mark.parametrize("statements", [1, 2])
def test_an_interrupted_wait_closes_the_connection(desk: Desk, statements: int) -> None:
    """Nobody knows which answers are still to come: another statement must not be given them."""

    class InterruptedError(BaseException):
        pass

    def wait(generator: Any, **more: Any) -> Any:
        next(generator)
        raise InterruptedError

    desk.wait = wait  # type: ignore[assignment, method-assign]
    with pytest.raises(InterruptedError):
        answers(desk, [("SELECT pg_sleep(0.1)", [])] * statements)
    assert desk.broken


@pytest.mark.parametrize("statements", [1, 2])
def test_a_signal_that_raises_right_after_sending_closes_the_connection(
    desk: Desk, statements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Celery's soft time limit does. Else each later statement would fail, or be hung."""
    send = RoundTrip._send

    def cut_off(self: RoundTrip, *sent: Any) -> bool:
        send(self, *sent)
        raise TimeoutError

    monkeypatch.setattr(RoundTrip, "_send", cut_off)
    with pytest.raises(TimeoutError):
        answers(desk, [("SELECT 1", [])] * statements)
    assert desk.broken


def test_more_than_the_buffers_hold_goes_both_ways(desk: Desk) -> None:
    """The server waits until its answers are read, and reads nothing on meanwhile."""
    long = "x" * 3_000_000
    given = answers(desk, [("SELECT %s::text", [long])] * 4)
    assert given == [[(long,)]] * 4


def test_notifications_are_handed_on(desk: Desk) -> None:
    heard: list[str] = []
    desk.add_notify_handler(lambda notice: heard.append(notice.payload))
    answers(desk, [("LISTEN here", []), ("SELECT pg_notify('here', 'one')", [])])
    answers(desk, [("SELECT 1", []), ("SELECT 2", [])])
    assert heard == ["one"]


def test_a_closed_connection_is_forgotten() -> None:
    before = len(prepared._known)
    with another_session() as session:
        answers(session, [("SELECT 1", [])])
        assert len(prepared._known) == before + 1
    del session
    gc.collect()
    assert len(prepared._known) <= before
