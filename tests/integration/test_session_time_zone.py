"""Sessions that have said SET TIME ZONE: what the library stores and reads has the same moments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from kck_publish import Cache, UnknownProduct
from kck_publish.clock import now
from kck_publish.testing import travel
from tests.catalog.primers import Anything

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
HOUR = timedelta(hours=1)


@pytest.fixture(params=["America/New_York", "Asia/Tokyo"], autouse=True)
def zone(request: Any) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('TimeZone', %s, false)", [request.param])
    yield
    connection.close()


def test_a_value_by_hand_expires_in_its_time() -> None:
    cache.set("by/hand", 1, hard_expire=HOUR)
    assert cache.get("by/hand") == 1
    expires = cache.entry("by/hand").hard_expire
    assert expires is not None
    assert abs(expires - now() - HOUR) < timedelta(minutes=1)
    with travel(2 * HOUR), pytest.raises(UnknownProduct):
        cache.get("by/hand")


def test_a_product_expires_in_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Anything, "hard_expire", HOUR)
    Anything.values = {"x": 1}
    assert Anything.cached.get(name="x") == 1
    Anything.values = {"x": 2}
    assert Anything.cached.get(name="x") == 1
    assert cache.entry("anything/x").value == 1
    with travel(2 * HOUR):
        assert Anything.cached.get(name="x") == 2
        assert cache.entry("anything/x").value == 2
