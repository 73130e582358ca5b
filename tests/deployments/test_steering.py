"""``suppress`` and ``origin`` behind a pooler: of this context's writes, and of no other's."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from kck_publish import origin, suppress
from tests.catalog.fixtures import sql
from tests.catalog.models import Publisher
from tests.deployments.pgbouncer import connect

_numbers = itertools.count()


def name(whose: str) -> str:
    """A name that no row has yet."""
    return f"{whose}{next(_numbers)}"


def logged() -> list[tuple[str, str | None]]:
    """Whose publishers were captured since the last look, and their origin."""
    rows = sql(
        "DELETE FROM kck_publish_change RETURNING new[array_position(columns, 'name')], origin"
    )
    return [(str(written).rstrip("0123456789"), origin) for written, origin in rows]


INSERT = "INSERT INTO catalog_publisher (name) VALUES (%s)"


def _copy() -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY catalog_publisher (name) FROM STDIN") as target,
    ):
        target.write_row((name("mine"),))


def _many() -> None:
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, [(name("mine"),), (name("mine"),)])


def _stream() -> None:
    with connection.cursor() as cursor:
        assert list(cursor.stream(f"{INSERT} RETURNING id", [name("mine")]))


WRITES: dict[str, Callable[[], Any]] = {
    "save": lambda: Publisher.objects.create(name=name("mine")),
    "bulk": lambda: Publisher.objects.bulk_create([Publisher(name=name("mine"))]),
    "copy": _copy,
    "executemany": _many,
    "stream": _stream,
    "psycopg": lambda: connection.connection.execute(INSERT, [name("mine")]),
}


@pytest.mark.parametrize("how", WRITES)
@pytest.mark.parametrize("binding", [False, True], ids=["client", "server"])
@pytest.mark.parametrize("atomic", [False, True], ids=["autocommit", "atomic"])
def test_other_clients_are_captured_and_own_writes_are_not(
    pooled: int, how: str, atomic: bool, binding: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "server_side_binding", binding)
    connection.ensure_connection()
    with connect(pooled) as other:
        with suppress(Publisher):
            if atomic:
                with transaction.atomic():
                    WRITES[how]()
            else:
                WRITES[how]()
            other.execute(INSERT, [name("theirs")])
            WRITES[how]()
            assert [whose for whose, _ in logged()] == ["theirs"]
        other.execute(INSERT, [name("after")])
        WRITES[how]()
    assert {whose for whose, _ in logged()} == {"after", "mine"}


def test_other_clients_have_no_origin(pooled: int) -> None:
    with connect(pooled) as other, origin("kafka"):
        WRITES["save"]()
        other.execute(INSERT, [name("theirs")])
    assert sorted(logged()) == [("mine", "kafka"), ("theirs", None)]
