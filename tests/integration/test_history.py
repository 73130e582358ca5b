"""The history: what was done by product and minute, and where its lag came from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from kck_publish import Cache
from kck_publish.listener.maintenance.history import PORTION, History
from kck_publish.listener.maintenance.service import Budget
from kck_publish.models import History as Row
from kck_publish.refresh.batch_counts import Tally
from kck_publish.testing import travel
from tests.catalog.fixtures import another_session, drain, interfering, sql
from tests.catalog.models import Item
from tests.catalog.primers import Fragile, ItemNames, ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


def history(product: str) -> dict[str, Any]:
    """The sums of all minutes."""
    total = Tally()
    for row in Row.objects.filter(product=product):
        total.add(Tally(**{name: getattr(row, name) for name in Tally.__slots__}))
    return {name: getattr(total, name) for name in Tally.__slots__}


@pytest.fixture
def item(transactional_db: None) -> Item:
    row = Item.objects.create(name="one", group=1, amount=5)
    for product in (ItemTotal, ItemNames, Fragile):
        product.cached.get(group=1)
    drain()
    sql("DELETE FROM kck_publish_history")
    return row


def test_what_was_done_is_counted_by_product(item: Item) -> None:
    item.amount = 6
    item.save()
    drain()
    item.name = "longer"
    item.save()
    drain()
    item.name = "longer"
    item.save(force_update=True)
    cache.refresh("item_names/1", queued=True)

    def fail(product: str, parameters: Any) -> None:
        if product == "fragile":
            raise RuntimeError

    with interfering(fail):
        item.amount = 7
        item.save()
        drain()
    total, names, fragile = history("item_total"), history("item_names"), history("fragile")
    assert (total["augmented"], total["refreshed"]) == (2, 0)
    assert (names["refreshed"], names["unchanged"]) == (1, 1)
    assert (fragile["refreshed"], fragile["failed"]) == (1, 1)
    assert names["bytes"] == len(b'[[,"longer"]]') + len(str(item.pk))
    assert 0 < names["seconds_max"] <= names["seconds"] < 10
    whole = history("")
    assert (whole["batches"], whole["changes"]) == (3, 4)
    for column in ("refreshed", "augmented", "unchanged", "failed"):  # of all products together
        products = Row.objects.exclude(product="").values_list(column, flat=True)
        assert whole[column] == sum(products) > 0, column


def test_the_lag_is_split_into_waiting_and_computing(item: Item) -> None:
    """A change that waits for a listener, and one that waits for its compute."""
    item.name = "other"
    item.save()
    sql("UPDATE kck_publish_change SET at = at - interval '30 s'")

    def slow(product: str, parameters: Any) -> None:
        if product == "item_names":
            sql("SELECT pg_sleep(0.2)")

    with interfering(slow):
        drain()
    names = history("item_names")
    assert names["lagged"] == 1
    assert 30 <= names["waiting"] < 40
    assert 0.2 <= names["computing"] < 10
    assert names["waiting_max"] == names["waiting"]


def test_several_listeners_add_up_in_one_row(item: Item) -> None:
    with another_session() as desk, travel(timedelta(0)):
        for seconds in (1.0, 3.0):
            one = History(desk, {})
            one.add({"item_total": Tally(refreshed=2, seconds=seconds, seconds_max=seconds)})
            one.close()
    found = history("item_total")
    assert (found["refreshed"], found["seconds"], found["seconds_max"]) == (4, 4.0, 3.0)


def test_a_minute_is_written_when_it_is_over(item: Item) -> None:
    with another_session() as desk:
        kept = History(desk, {})
        kept.add({"item_total": Tally(refreshed=1)})
        kept.beat(Budget(lambda: False))
        written = history("item_total")["refreshed"]
        with travel(timedelta(minutes=1)):
            kept.beat(Budget(lambda: False))
        assert (written, history("item_total")["refreshed"]) in ((0, 1), (1, 1))
        with travel(timedelta(minutes=2)):
            kept.beat(Budget(lambda: False))
    assert history("item_total")["refreshed"] == 1


def test_it_is_trimmed_by_age_and_can_be_switched_off(item: Item) -> None:
    sql(
        "INSERT INTO kck_publish_history (product, minute) "
        "SELECT 'old', now() - make_interval(days => 8, mins => n) FROM generate_series(1, %s) n",
        PORTION + 10,
    )
    sql("INSERT INTO kck_publish_history (product, minute) VALUES ('young', now())")
    with another_session() as desk:
        kept = History(desk, {0: None})  # type: ignore[dict-item]
        kept.beat(Budget(lambda: False))
    assert sql("SELECT product FROM kck_publish_history") == [("young",)]
    with override_settings(KCK_PUBLISH={"HISTORY": None}):
        item.name = "other"
        item.save()
        drain()
    assert sql("SELECT product FROM kck_publish_history") == [("young",)]
    connection.close()
