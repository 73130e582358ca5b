"""Dumps of data that are restored into a database with our tables, with triggers and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from example_app.embedded_postgres import EmbeddedPostgres
from kck_publish.capture import install
from kck_publish.products import registry
from kck_publish.testing import assert_fresh
from tests.acceptance.test_listener_process import Process
from tests.catalog.fixtures import drain, sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.faults.conftest import (  # noqa: F401 - fixtures
    VERSION,
    listening,
    migrate,
    moved_to,
    restartable,
)
from tests.faults.test_restored_dump import run

pytestmark = pytest.mark.long

TRIGGERS = [[], ["--disable-triggers"]]
IDS = ["with triggers", "without"]


@pytest.fixture(scope="module")
def another() -> Iterator[EmbeddedPostgres]:
    """A server of its own, with our tables."""
    with EmbeddedPostgres.start(VERSION, {"fsync": "off"}) as server:
        migrate(server)
        yield server


@pytest.fixture
def dump(
    restartable: EmbeddedPostgres,  # noqa: F811
    moved_to: Callable[..., None],  # noqa: F811
    tmp_path: Path,
) -> Path:
    """The data of a database with three items, and of what was stored of them."""
    moved_to(restartable)
    sql("TRUNCATE catalog_item CASCADE")
    for name, amount in (("a", 5), ("b", 6), ("c", 7)):
        Item.objects.create(name=name, group=1, amount=amount)
    assert ItemTotal.cached.get(group=1)["amount"] == 18
    drain()
    file = tmp_path / "dump"
    run(
        restartable.programs / "pg_dump",
        "--data-only",
        "--format=custom",
        f"--file={file}",
        restartable.dsn,
    )
    return file


def is_total(amount: int) -> Callable[[], bool]:
    def is_stored() -> bool:
        entry = stored("item_total/1")
        return entry is not None and f'"amount":{amount}'.encode() in (entry.body or b"")

    return is_stored


@pytest.mark.parametrize("options", TRIGGERS, ids=IDS)
def test_a_table_is_restored_beside_a_listener(
    options: list[str],
    dump: Path,
    another: EmbeddedPostgres,
    moved_to: Callable[..., None],  # noqa: F811
    listening: Callable[..., Process],  # noqa: F811
    wait_until: Callable[..., Any],
) -> None:
    """What COPY writes is captured, or announced once the triggers are enabled again (B8)."""
    moved_to(another)
    sql("TRUNCATE catalog_item CASCADE")
    Item.objects.create(pk=10**6, name="own", group=1, amount=1)
    ItemTotal.cached.get(group=1)
    listener = listening(another.dsn, POLL_INTERVAL=0.2).wait_ready()
    wait_until(is_total(1))
    run(
        another.programs / "pg_restore",
        f"--dbname={another.dsn}",
        *options,
        "--table=catalog_item",
        str(dump),
    )
    wait_until(is_total(19))
    assert install.faults("default", registry.sources()) == []
    assert_fresh("item_total")
    assert listener.end() == 0, listener.lines


@pytest.mark.parametrize("options", TRIGGERS, ids=IDS)
def test_a_table_is_restored_while_nobody_listens(
    options: list[str],
    dump: Path,
    another: EmbeddedPostgres,
    moved_to: Callable[..., None],  # noqa: F811
) -> None:
    moved_to(another)
    sql("TRUNCATE catalog_item CASCADE")
    assert ItemTotal.cached.get(group=1)["amount"] == 0
    drain()
    run(
        another.programs / "pg_restore",
        f"--dbname={another.dsn}",
        *options,
        "--table=catalog_item",
        str(dump),
    )
    drain()
    assert ItemTotal.cached.get(group=1)["amount"] == 18
    assert install.faults("default", registry.sources()) == []
    assert_fresh("item_total")


# Migrations have filled some of them.
ALL_TABLES = """
SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
"""


@pytest.mark.parametrize("options", TRIGGERS, ids=IDS)
def test_all_data_is_restored_the_librarys_too(
    options: list[str],
    dump: Path,
    moved_to: Callable[..., None],  # noqa: F811
    listening: Callable[..., Process],  # noqa: F811
) -> None:
    """Into new tables of ``migrate``: entries and cursors of another cluster are among it."""
    with EmbeddedPostgres.start(VERSION, {"fsync": "off"}) as new:
        migrate(new)
        moved_to(new)
        ((tables,),) = sql(ALL_TABLES)
        sql(f"TRUNCATE {tables} CASCADE")
        run(
            new.programs / "pg_restore",
            f"--dbname={new.dsn}",
            "--exit-on-error",
            *options,
            str(dump),
        )
        sql("ALTER TABLE catalog_item DISABLE TRIGGER ALL")
        sql("UPDATE catalog_item SET amount = 8")
        sql("ALTER TABLE catalog_item ENABLE TRIGGER ALL")
        first = listening(new.dsn, "--once")
        assert first.wait() == 0, first.lines
        assert ItemTotal.cached.get(group=1) == {"count": 3, "amount": 24}
        Item.objects.update(amount=9)
        drain()
        assert is_total(27)()
        assert_fresh("item_total", "catalog.item")
