"""The cursor that the reads of a connection share: whose rows it gives, and what it outlives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pgtrigger
import pytest
from django.db import close_old_connections, connection, connections, transaction
from django.db.backends.signals import connection_created
from django.db.utils import IntegrityError, ProgrammingError

from kck_publish.postgres import PREPARE
from tests.catalog.fixtures import another_session, drain, sql
from tests.catalog.models import Author

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def authors(transactional_db: None) -> list[Author]:
    found = [Author.objects.create(slug=f"a{n}", first="A", last=f"B{n}") for n in range(3)]
    drain()
    return found


def kept(wrapper: Any = connection) -> Any:
    return vars(connections[wrapper.alias]).get("kck_publish_reads")


def name_of(author: Author) -> str:
    return str(Author.cached.get(pk=author.pk).last)


def test_reads_share_one(authors: list[Author]) -> None:
    name_of(authors[0])
    first = kept()
    assert first is not None
    assert [name_of(one) for one in authors] == ["B0", "B1", "B2"]
    assert set(Author.cached.in_bulk([one.pk for one in authors])) == {one.pk for one in authors}
    assert kept() is first


def test_nobody_else_has_it_meanwhile(
    authors: list[Author], django_assert_num_queries: Any
) -> None:
    """Another read on the same connection, between this one's statement and its rows."""
    others: list[str] = []

    def between(execute: Callable[..., Any], *statement: Any) -> Any:
        result = execute(*statement)
        if not others:
            others.append("")
            others[0] = name_of(authors[1])
        return result

    name_of(authors[0])
    with connection.execute_wrapper(between), django_assert_num_queries(2):
        assert name_of(authors[0]) == "B0"
    assert others == ["B1"]


def test_it_is_of_the_connection_that_there_is(
    authors: list[Author], django_assert_num_queries: Any
) -> None:
    # What is not found stored is asked for again, of the table.
    assert name_of(authors[0]) == "B0"
    before = kept()
    assert before is not None
    connection.close()
    with django_assert_num_queries(1):
        assert name_of(authors[1]) == "B1"
    assert name_of(authors[1]) == "B1"
    assert kept() is not before
    assert kept().connection is connection.connection


def test_after_an_error_there_is_another_one(authors: list[Author]) -> None:
    name_of(authors[0])
    before = kept()

    with transaction.atomic():
        sql("ALTER TABLE kck_publish_entry RENAME COLUMN body TO elsewhere")
        with pytest.raises(ProgrammingError):
            name_of(authors[0])
        transaction.set_rollback(True)
    assert kept() is None
    assert name_of(authors[0]) == "B0"
    assert kept() is not before


def test_reads_are_prepared_where_no_pooler_is(authors: list[Author]) -> None:
    """And Django's own statements are not; what somebody throws away is not asked for again."""
    connection.close()
    for _ in range(PREPARE + 1):
        assert name_of(authors[0]) == "B0"
    prepared = "SELECT statement FROM pg_prepared_statements WHERE NOT from_sql"
    assert [text for (text,) in sql(prepared) if "kck_publish_entry" in text] == [
        text for (text,) in sql(prepared)
    ]
    assert len(sql(prepared)) == 1
    connection.connection.pgconn.exec_(b"DISCARD ALL")  # past all that would notice
    for _ in range(PREPARE + 1):
        assert [name_of(one) for one in authors] == ["B0", "B1", "B2"]
    assert sql(prepared) == []


def test_a_miss_is_prepared_too_and_outlives_discard_all(authors: list[Author]) -> None:
    connection.close()
    for author in authors * PREPARE:
        sql("DELETE FROM kck_publish_entry")
        assert name_of(author) == author.last
    prepared = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%entry%'"
    assert sql(prepared) != [(0,)]
    for _ in range(2):
        connection.connection.pgconn.exec_(b"DISCARD ALL")
        for author in authors:
            sql("DELETE FROM kck_publish_entry")
            assert name_of(author) == author.last


@pytest.mark.parametrize("text", ["DISCARD ALL", "DEALLOCATE ALL"])
def test_a_session_that_is_cleaned_before_each_transaction(
    authors: list[Author], text: str
) -> None:
    """A read that is not prepared any more would fail, and its transaction with it."""
    for _ in range(3 * PREPARE):
        sql(text)
        with transaction.atomic():
            assert [name_of(one) for one in authors] == ["B0", "B1", "B2"]


def test_a_pool_that_cleans_the_sessions_that_it_is_given_back(
    authors: list[Author], monkeypatch: pytest.MonkeyPatch
) -> None:
    def reset(raw: Any) -> None:
        raw.autocommit = True
        raw.execute("DISCARD ALL")
        raw.autocommit = False

    pool = {"min_size": 1, "max_size": 1, "reset": reset}
    connection.close()
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "pool", pool)
    try:
        for _ in range(3 * PREPARE):
            with transaction.atomic():
                assert name_of(authors[0]) == "B0"
            connection.close()
    finally:
        connection.close_pool()  # type: ignore[attr-defined]
        monkeypatch.undo()


def test_who_names_a_threshold_has_decided(
    authors: list[Author], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "prepare_threshold", None)
    connection.close()
    try:
        for _ in range(2 * PREPARE):
            assert name_of(authors[0]) == "B0"
        assert sql("SELECT count(*) FROM pg_prepared_statements") == [(0,)]
    finally:
        monkeypatch.undo()
        connection.close()


def test_it_keeps_no_rows(authors: list[Author]) -> None:
    assert name_of(authors[0]) == "B0"
    assert kept()._last.result is None
    assert kept()._adapter.pgresult is None


def test_within_a_pipeline_of_psycopgs(authors: list[Author]) -> None:
    connection.ensure_connection()
    for _ in range(PREPARE + 1):
        with connection.connection.pipeline():
            assert [name_of(one) for one in authors] == ["B0", "B1", "B2"]
        assert name_of(authors[0]) == "B0"


@pytest.mark.parametrize("by", ["options", "receiver"])
def test_where_psycopg_prepares_a_rollback_to_a_savepoint_breaks_no_read(
    authors: list[Author], by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says DEALLOCATE ALL after it, and throws away what anybody has prepared."""

    def prepare(connection: Any, **_: Any) -> None:
        connection.connection.prepare_threshold = 1

    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "server_side_binding", True)
    if by == "options":
        monkeypatch.setitem(connection.settings_dict["OPTIONS"], "prepare_threshold", 1)
    else:
        connection_created.connect(prepare)
    connection.close()
    try:
        for _ in range(3 * PREPARE):
            sql("SELECT 1")  # psycopg prepares it, and so has something to throw away
            with transaction.atomic():
                with suppress(IntegrityError), transaction.atomic():
                    Author.objects.create(slug="a0", first="A", last="B")
                assert [name_of(one) for one in authors] == ["B0", "B1", "B2"]
            assert name_of(authors[0]) == "B0"
    finally:
        connection_created.disconnect(prepare)
        monkeypatch.undo()
        connection.close()


def test_times_are_aware_whatever_the_connection_says(authors: list[Author], settings: Any) -> None:
    """Expiry compares them: see ``clock``."""
    settings.USE_TZ = False
    connection.close()
    try:
        sql("UPDATE kck_publish_entry SET hard_expire = clock_timestamp() + interval '1 day'")
        assert name_of(authors[0]) == "B0"
    finally:
        connection.close()


def test_the_encoding_may_change_meanwhile(authors: list[Author]) -> None:
    Author.objects.filter(pk=authors[0].pk).update(slug="\xe9")
    drain()
    try:
        for encoding in ("UTF8", "LATIN1", "UTF8"):
            sql("SELECT set_config('client_encoding', %s, false)", encoding)
            for _ in range(PREPARE + 1):
                assert Author.cached.get(slug="\xe9").last == "B0"
    finally:
        connection.close()


def test_a_lost_connection_is_noticed_where_django_is_told_to_look(
    authors: list[Author], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """CONN_HEALTH_CHECKS: before the first statement of a request, which a read may be."""
    monkeypatch.setitem(connection.settings_dict, "CONN_HEALTH_CHECKS", True)
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", None)
    connection.close()
    try:
        assert name_of(authors[0]) == "B0"
        process = connection.connection.info.backend_pid
        with another_session() as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", [process])
        close_old_connections()  # as a request does when it begins
        assert name_of(authors[0]) == "B0"
        assert caplog.messages == []
    finally:
        connection.close()


def test_within_pgtrigger_ignore(
    authors: list[Author], django_assert_num_queries: Any, settings: Any
) -> None:
    """It sends its setting in one string with each statement."""
    settings.USE_TZ = False
    sql("UPDATE kck_publish_entry SET hard_expire = clock_timestamp() + interval '1 day'")
    with pgtrigger.ignore(), django_assert_num_queries(2):
        assert name_of(authors[0]) == "B0"
        assert {
            row.last for row in Author.cached.in_bulk([one.pk for one in authors]).values()
        } == {
            "B0",
            "B1",
            "B2",
        }
    with transaction.atomic(), pgtrigger.ignore():
        assert name_of(authors[1]) == "B1"
        assert [row.last for row in Author.cached.filter(last="B2")] == ["B2"]
