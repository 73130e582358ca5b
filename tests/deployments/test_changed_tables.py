"""A listener runs, and somebody changes the tables of its sources by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kck_publish.capture import install
from kck_publish.products import registry
from tests.acceptance.test_listener_process import Start, start  # noqa: F401 - a fixture
from tests.catalog.fixtures import another_session, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]


@pytest.fixture
def listening(start: Start) -> Iterator[None]:  # noqa: F811
    """A listener that looks at the tables often; the capture is as it should be afterwards."""
    Item.objects.create(name="one", group=1, amount=5)
    ItemTotal.cached.get(group=1)
    listener = start(POLL_INTERVAL=0.1).wait_ready()
    yield
    assert listener.end() == 0, listener.lines
    install.install("default", registry.sources())


def says(amount: int) -> Callable[[], bool]:
    def said() -> bool:
        entry = stored("item_total/1")
        return entry is not None and f'"amount":{amount}}}'.encode() in (entry.body or b"")

    return said


def test_a_renamed_column_stops_writes_for_a_moment_only(listening: None, wait_until: Any) -> None:
    """The listener sees that the capture names a column that is gone (B9)."""
    with another_session() as other:
        other.execute("ALTER TABLE catalog_item RENAME COLUMN amount TO total")
        try:
            coarse = "SELECT FROM pg_description WHERE description = 'coarse'"
            wait_until(lambda: other.execute(coarse).fetchall())
            other.execute("UPDATE catalog_item SET total = 8")
        finally:
            other.execute("ALTER TABLE catalog_item RENAME COLUMN total TO amount")
        other.execute("UPDATE catalog_item SET amount = 9")
    wait_until(says(9))


def test_a_rewritten_table_is_announced(listening: None, wait_until: Any) -> None:
    """Rows that DDL changes are primed within moments (B7)."""
    with another_session() as other:
        change = "ALTER TABLE catalog_item ALTER COLUMN amount TYPE integer USING amount * 100"
        other.execute(change)
    wait_until(says(500))


def test_a_load_without_triggers_is_announced(listening: None, wait_until: Any) -> None:
    """As ``pg_restore --disable-triggers`` does; the triggers fire for all again (B8)."""
    with another_session() as other:
        other.execute("ALTER TABLE catalog_item DISABLE TRIGGER ALL")
        other.execute("UPDATE catalog_item SET amount = 6")
        other.execute("ALTER TABLE catalog_item ENABLE TRIGGER ALL")
    wait_until(says(6))
    assert install.faults("default", registry.sources()) == []
