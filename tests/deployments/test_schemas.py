"""Several schemas of one database, each with its own tables, triggers and listener."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.models import F
from psycopg.sql import SQL, Identifier

from kck_publish import search_path
from kck_publish.capture.install import install
from kck_publish.diagnosis.registry import diagnose
from kck_publish.following.ear import CHANNEL
from kck_publish.listener.listener import Listener
from kck_publish.products import registry
from kck_publish.request import GlobalRequest
from kck_publish.stores.near.reader import NearReader, reader
from tests.acceptance.test_listener_process import Process
from tests.catalog.fixtures import another_session, sql
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.deployments.schemas import NAMES, schemas, within

Listening = Callable[..., dict[str, Process]]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]


@pytest.fixture
def tenants(transactional_db: None) -> Iterator[None]:
    """The schemas north and south."""
    with schemas():
        yield
    search_path.forget()


@pytest.fixture
def listening(process_environment: dict[str, str]) -> Iterator[Listening]:
    """``listening(**settings)``: a listener of each schema, by its name."""
    started: dict[str, Process] = {}

    def start(**settings: Any) -> dict[str, Process]:
        for name in NAMES:
            started[name] = Process(
                {
                    **process_environment,
                    "DJANGO_SETTINGS_MODULE": "tests.acceptance.listener_settings",
                    "KCK_TEST_PUBLISH": repr(settings),
                    "PGOPTIONS": f"-c search_path={name}",
                }
            )
        return started

    try:
        yield start
    finally:
        for process in started.values():
            process.popen.kill()
            process.wait()


def amount() -> int:
    return int(ItemTotal.cached.get(group=1)["amount"])


def stored_amount() -> list[tuple[Any, ...]]:
    query = "SELECT convert_from(body, 'UTF8')::json ->> 'amount' FROM kck_publish_entry"
    return sql(f"{query} WHERE key = 'item_total/1' AND NOT behind")


def test_each_schema_has_a_listener_which_owns_its_shards(
    tenants: None, listening: Listening, wait_until: Callable[..., Any]
) -> None:
    """Two schemas of one database have a listener each (B4)."""
    listeners = listening()
    for place, name in enumerate(NAMES):
        listeners[name].wait_ready()
        assert "shards [0]" in "".join(listeners[name].lines)
        with within(name):
            Item.objects.create(name="one", group=1, amount=place)
            assert amount() == place
    for place, name in enumerate(NAMES):
        with within(name):
            Item.objects.update(amount=place + 5)
            wait_until(lambda wanted=str(place + 5): stored_amount() == [(wanted,)])
            ((asleep, seat_belt),) = wait_until(
                lambda: sql("SELECT asleep, seat_belt FROM kck_publish_listener WHERE asleep")
            )
            assert (asleep, seat_belt) == (True, 0)


@pytest.mark.parametrize("store", ["postgres", "cache:default"])
def test_a_process_that_switches_schemas_reads_each_ones_own(
    store: str, tenants: None, settings: Any
) -> None:
    """Tenants with tables in each schema are served their own values (A7)."""
    settings.KCK_PUBLISH = {"STORE": store}
    caches["default"].clear()
    for place, name in enumerate(NAMES):
        with within(name):
            Item.objects.create(pk=1, name="one", group=1, amount=place)
    check_amounts([0, 1])
    with within(NAMES[0]):
        Item.objects.update(amount=5)
        Listener("default").once()
    check_amounts([5, 1])


def test_a_compute_that_looks_into_another_schema_is_stored_in_its_own(
    tenants: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a backend sets the search path with each cursor (django-tenants)."""
    now = NAMES[0]
    made = BaseDatabaseWrapper._cursor  # type: ignore[attr-defined]

    def cursor(self: Any, name: Any = None) -> Any:
        self.ensure_connection()
        self.connection.execute(f"SET search_path = {now}")
        return made(self, name)

    def compute(self: ItemTotal, group: int) -> Any:
        nonlocal now
        total = own(self, group)
        now = NAMES[1]
        Item.objects.count()
        now = NAMES[0]
        return total

    own = ItemTotal.compute
    monkeypatch.setattr(ItemTotal, "compute", compute)
    monkeypatch.setattr(DatabaseWrapper, "_cursor", cursor, raising=False)
    Item.objects.create(name="one", group=1, amount=7)
    assert amount() == 7
    assert stored_amount() == [("7",)]
    now = NAMES[1]
    assert stored_amount() == []


def test_each_schema_has_a_near_store(
    tenants: None, listening: Listening, settings: Any, tmp_path: Path, wait_until: Any
) -> None:
    """A process that switches schemas reads the near store of each (A7)."""
    settings.KCK_PUBLISH = {"NEAR": str(tmp_path / "near")}
    for process in listening(**settings.KCK_PUBLISH).values():
        process.wait_ready()
    for place, name in enumerate(NAMES):
        with within(name):
            Item.objects.create(pk=1, name="one", group=1, amount=place)
    for name in NAMES:
        near = reader(str(tmp_path / f"near.{name}"))

        def is_near(name: str = name, near: NearReader = near) -> bool:
            with within(name):
                amount()
            product = registry.find("item_total/1")
            assert product is not None
            return near.get("item_total/1", product.fingerprint) is not None

        wait_until(is_near)
    check_amounts([0, 1])
    with within(NAMES[1]):
        Item.objects.update(amount=5)
        wait_until(lambda: stored_amount() == [("5",)])
        wait_until(lambda: amount() == 5)
    check_amounts([0, 5])


def check_amounts(amounts: Sequence[int]) -> None:
    """Each schema's own are served, within a request, too."""
    for name, expected in zip(NAMES, amounts, strict=True):
        with within(name):
            assert (amount(), Item.cached.get(pk=1).amount) == (expected, expected)
    with GlobalRequest():
        for name, expected in zip(NAMES * 2, [*amounts, *amounts], strict=True):
            with within(name):
                assert (amount(), Item.cached.get(pk=1).amount) == (expected, expected)


def test_schemas_that_share_the_librarys_tables_are_refused(transactional_db: None) -> None:
    """Tenants over one log would be served each other's values (A7)."""
    assert diagnose("shared log", "default") == []
    try:
        for name in NAMES:
            sql(f"CREATE SCHEMA {name}; CREATE TABLE {name}.catalog_item (LIKE catalog_item)")
            with within(f"{name}, public"):
                install("default", registry.sources())
        (problem,) = diagnose("shared log", "default")
        assert (problem.id, "north, public, south" in problem.message) == ("E023", True)
    finally:
        for name in NAMES:
            sql(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        search_path.forget()


def test_row_level_security_is_refused_unless_the_tenant_is_a_parameter(
    transactional_db: None,
) -> None:
    """What one tenant may see is not served to another (A7)."""
    assert diagnose("row level security", "default") == []
    try:
        sql("ALTER TABLE catalog_edition ENABLE ROW LEVEL SECURITY")
        sql("CREATE POLICY own ON catalog_edition USING (remark = current_setting('app.tenant'))")
        (problem,) = diagnose("row level security", "default")
        assert (problem.id, "catalog_edition" in problem.message) == ("E022", True)
        sql("DROP POLICY own ON catalog_edition")
        sql("CREATE POLICY own ON catalog_edition USING (book_id::text = current_setting('app.b'))")
        assert diagnose("row level security", "default") == []
    finally:
        sql("DROP POLICY IF EXISTS own ON catalog_edition")
        sql("ALTER TABLE catalog_edition DISABLE ROW LEVEL SECURITY")


def test_a_transaction_that_writes_in_two_schemas_rings_for_both(tenants: None) -> None:
    """The table has one name in both: what was announced in the one says nothing of the other."""
    with another_session() as ear:
        channels = []
        for place, name in enumerate(NAMES):
            with within(name):
                Item.objects.create(pk=1, name="one", group=1, amount=place)
                sql(
                    "INSERT INTO kck_publish_listener (name, asleep, backend) VALUES ('t', true, 1)"
                )
                ((channel,),) = sql(CHANNEL)
                channels.append(channel)
        for channel in channels:
            ear.execute(SQL("LISTEN {}").format(Identifier(channel)))
        with transaction.atomic():
            for name in (*NAMES, *NAMES):
                sql("SELECT set_config('search_path', %s, true)", name)
                Item.objects.update(amount=F("amount") + 1)
        heard = [each.channel for each in ear.notifies(timeout=10, stop_after=2)]
        assert sorted(heard) == sorted(channels)
