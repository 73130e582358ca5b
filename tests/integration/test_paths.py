"""Paths in a mapping of Depends: what they touch, what they leave alone, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kck_publish import (
    AggregatePrimer,
    Cache,
    Count,
    Depends,
    IntegerParameter,
    InvalidPrimer,
    Primer,
)
from kck_publish.ops.graph import draw
from kck_publish.products import registry
from kck_publish.refresh.outcome import Outcome
from kck_publish.testing import assert_fresh, drain
from tests.atlas.models import City, Country, Sale, Shop, Ware
from tests.atlas.primers import augmented
from tests.properties.test_paths import PRODUCTS, fill, prime

pytestmark = pytest.mark.django_db
cache = Cache.get_instance()


@pytest.fixture
def world(db: None) -> None:
    fill()
    drain()
    prime()


def touched(change: Callable[[], Any]) -> Outcome:
    """What a drain does after a change."""
    change()
    outcome = drain()
    assert_fresh(*PRODUCTS)
    return outcome


def versions(*keys: str) -> list[int]:
    found = []
    for key in keys:
        entry = cache.entry(key)
        assert entry is not None
        found.append(entry.version)
    return found


def test_a_city_that_moves_refreshes_both_countries(world: None) -> None:
    keys = [f"atlas_country/{n}" for n in (1, 2, 3)]
    before = versions(*keys)
    touched(lambda: City.objects.filter(pk=1).update(country=2))
    assert cache.get_many(keys) == dict(zip(keys, [[], [[1, 1], [2, 1]], [[3, 1]]], strict=True))
    moved = [new != old for old, new in zip(before, versions(*keys), strict=True)]
    assert moved == [True, True, False]


def test_what_changes_together_is_found_by_what_it_was(world: None) -> None:
    City.objects.filter(pk=1).update(country=2)
    Ware.objects.filter(pk=1).update(brand="a")
    touched(lambda: Sale.objects.filter(pk=1).update(amount=4))
    assert cache.get("atlas_country_brand/1/b") == []
    assert cache.get("atlas_country_brand/2/a") == [[1, 4], [2, 1]]


def test_the_first_row_and_the_last_on_the_way_count(world: None) -> None:
    touched(lambda: Ware.labels.through.objects.filter(pk=1).delete())
    assert cache.get("atlas_wares/~") == ["b"]
    touched(lambda: Ware.labels.through.objects.create(pk=1, ware_id=1, label_id=2))
    assert cache.get("atlas_wares/~") == []
    touched(lambda: City.objects.filter(pk=2).update(country=3))
    touched(lambda: Ware.objects.filter(pk=2).delete())
    assert cache.get("atlas_country/3") == [[3, 1]]


@pytest.mark.parametrize(
    "change",
    [
        lambda: City.objects.filter(pk=1).update(name="other"),
        lambda: Ware.objects.filter(pk=1).update(price=7),
        lambda: City.objects.create(pk=9, country_id=1),
    ],
)
def test_what_no_key_can_show_touches_none(world: None, change: Callable[[], Any]) -> None:
    outcome = touched(change)
    assert not outcome.primed
    assert not outcome.unchanged


def test_a_changed_row_is_shown_to_augment_with_what_its_paths_lead_to(world: None) -> None:
    augmented.clear()
    touched(lambda: Sale.objects.filter(pk=1).update(amount=5))
    assert augmented == ["update"]
    touched(lambda: Sale.objects.filter(pk=1).update(ware=2))
    assert augmented == ["update"] * 3  # its old key and its new one
    touched(lambda: City.objects.filter(pk=1).update(country=2))
    assert augmented == ["update"] * 3  # a row on the way has moved: primed


def test_a_batch_asks_once_a_join(world: None) -> None:
    def asked(changes: int) -> int:
        Sale.objects.filter(pk__gte=10).delete()
        drain()
        Sale.objects.bulk_create(Sale(pk=10 + n, shop_id="s1", ware_id=1) for n in range(changes))
        with CaptureQueriesContext(connection) as queries:
            drain()
        joins = ("atlas_shop", "atlas_city", "atlas_ware")
        return sum(
            query["sql"].startswith(f'SELECT DISTINCT "{join}"')
            for query in queries
            for join in joins
        )

    assert asked(30) == asked(1) > 0


@pytest.mark.parametrize("path", ["shop__town", "shop__city__country__name__x", "shop__"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    class Lost(Primer):
        key = "atlas_lost"
        parameters = (IntegerParameter("x"),)
        depends_on = (Depends(Sale, x=path),)

        def compute(self, x: int) -> int:
            return x

    try:
        with pytest.raises(InvalidPrimer, match="shop__"):
            registry.graph()
    finally:
        registry.unregister("atlas_lost")


def test_the_graph_shows_the_paths_and_what_is_on_the_way() -> None:
    text = draw(registry.graph(), "text")
    assert "[country=shop__city__country; columns amount]" in text
    assert "-> atlas_country  [on the way of shop__city__country; columns code, city_id]" in text
    assert "-> atlas_country  [country=country_id, on the way of shop__city__country;" in text


@pytest.mark.django_db(transaction=True)
def test_rows_on_the_way_that_are_put_aside(settings: Any) -> None:
    """Of what is put aside nobody knows what it was: several tables together tell no key."""
    fill()
    drain()
    prime()
    settings.KCK_PUBLISH = {"MAX_CHANGES": 1}
    City.objects.filter(pk__in=[1, 2]).update(country=3)
    Ware.objects.filter(pk=1).update(brand="a")
    drain()
    assert_fresh(*PRODUCTS)
    assert Country.objects.count() == Shop.objects.count() == 3


def test_an_aggregate_over_joins_is_amended_by_its_rows_and_primed_by_those_on_the_way(
    world: None,
) -> None:
    def done(change: Callable[[], Any]) -> tuple[int, int]:
        change()
        outcome = drain()
        assert_fresh(*PRODUCTS)
        return outcome.augmented, outcome.primed

    before = cache.get("atlas_revenue/1")
    assert before == {
        "sales": 1,
        "revenue": 1,
        "staff": 0,
        "brands": set(),
        "top": [{"ware__brand": "b", "amount": 1}],
    }
    augmented.clear()
    amended, _ = done(lambda: Sale.objects.filter(pk=1).update(amount=5))
    assert amended == 1 + len(augmented) == 2
    assert cache.get("atlas_revenue/1")["revenue"] == 5
    amended, _ = done(lambda: Sale.objects.create(pk=5, shop_id="s1", ware_id=2, amount=7))
    assert cache.get("atlas_revenue/1")["revenue"] == 12
    assert amended
    amended, primed = done(lambda: Ware.objects.filter(pk=1).update(active=False))
    assert (amended, primed) == (0, 1)
    assert cache.get("atlas_revenue/1")["revenue"] == 7


def test_an_aggregate_takes_no_path_to_several_rows() -> None:
    namespace = {
        "key": "atlas_many",
        "parameters": (IntegerParameter("label"),),
        "source": Depends(Ware, label="labels__pk"),
        "values": {"n": Count()},
    }
    with pytest.raises(InvalidPrimer, match="leads to several rows"):
        type("Many", (AggregatePrimer,), namespace)
    registry.unregister("atlas_many")


def test_a_row_that_moves_with_those_on_its_way_is_not_amended(world: None) -> None:
    Sale.objects.create(pk=5, shop_id="s1", ware_id=1, amount=3)
    drain()
    Ware.objects.filter(pk=1).update(active=False, brand="a")
    Sale.objects.filter(pk=5).update(amount=8)
    City.objects.filter(pk=1).update(country=2)
    outcome = drain()
    assert_fresh(*PRODUCTS)
    assert not outcome.augmented
