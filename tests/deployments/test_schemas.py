"""Several schemas of one database, each with its own tables, triggers and listener."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.acceptance.test_listener_process import Process
from tests.catalog.fixtures import sql
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.deployments.schemas import NAMES, schemas, within

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tenants(transactional_db: None) -> Iterator[None]:
    """The schemas north and south."""
    with schemas():
        yield


@pytest.fixture
def listeners(tenants: None, process_environment: dict[str, str]) -> Iterator[dict[str, Process]]:
    """A listener of each schema, by its name."""
    started: dict[str, Process] = {}
    try:
        for name in NAMES:
            path = {"PGOPTIONS": f"-c search_path={name}"}
            started[name] = Process(process_environment | path)
        yield started
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
    listeners: dict[str, Process], wait_until: Callable[..., Any]
) -> None:
    """Two schemas of one database have a listener each (B4)."""
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
