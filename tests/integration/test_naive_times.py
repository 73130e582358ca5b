"""Projects without USE_TZ: their times are naive, and local. Those of the library never are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from kck_publish import Cache, DateTimeParameter, Depends, Primer
from kck_publish.clock import now
from kck_publish.log import decoder
from kck_publish.ops.explain import explain
from kck_publish.products import registry
from kck_publish.testing import assert_fresh, travel
from tests.catalog.fixtures import computes, drain, sql
from tests.catalog.models import Sample
from tests.catalog.primers import Anything

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
HOUR = timedelta(hours=1)
MOMENT = datetime(2024, 7, 1, 12, 30)


@pytest.fixture(autouse=True)
def naive(settings: Any) -> Iterator[None]:
    """A connection of Django's that tells naive times, five hours from UTC."""
    forget()
    settings.USE_TZ, settings.TIME_ZONE = False, "America/New_York"
    yield
    forget()


def forget() -> None:
    """What follows from the settings, which no process changes while it runs."""
    connection.close()
    decoder._known.clear()  # how columns are read


@pytest.fixture
def by_moment() -> Iterator[Any]:
    class ByMoment(Primer):
        key = "by_moment"
        parameters = (DateTimeParameter("at"),)
        depends_on = [Depends(Sample, at="at")]

        def compute(self, at: datetime) -> list[str]:
            return sorted(Sample.objects.filter(at=at).values_list("kind", flat=True))

    yield ByMoment
    registry.unregister("by_moment")


def test_values_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Anything, "hard_expire", HOUR)
    Anything.values = {"x": 1}
    assert Anything.cached.get(name="x") == 1
    entry = cache.entry("anything/x")
    assert entry.hard_expire is not None
    assert entry.hard_expire.tzinfo is not None
    with computes() as seen:
        assert Anything.cached.get(name="x") == 1
    assert seen == []
    Anything.values = {"x": 2}
    with travel(HOUR):
        assert Anything.cached.get(name="x") == 2
        drain()
    assert_fresh()


def test_products_are_refreshed_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Anything, "refresh_every", HOUR)
    Anything.values = {"x": 1}
    Anything.cached.get(name="x")
    drain()
    plan = explain("anything/x").schedule
    assert plan is not None
    assert plan["due_at"].tzinfo is not None
    for value in (2, 3):
        Anything.values = {"x": value}
        with travel(HOUR * (value - 1)):
            drain()
    assert Anything.cached.get(name="x") == 3


def test_keys_and_rows_have_the_times_of_the_project(by_moment: Any) -> None:
    sample = Sample.objects.create(kind="a", at=MOMENT)
    assert by_moment.cached.get(at=MOMENT) == ["a"]
    drain()
    Sample.objects.create(kind="b", at=MOMENT)
    sql("UPDATE catalog_sample SET kind = 'c' WHERE id = %s", sample.pk)
    drain()
    with computes() as seen:
        assert by_moment.cached.get(at=MOMENT) == ["b", "c"]
    assert seen == []


def test_a_failing_key_is_tried_again_in_time() -> None:
    Anything.values = {"x": 1}
    Anything.cached.get(name="x")
    drain()
    Anything.values = {}
    cache.refresh("anything/x")
    drain()
    failure = explain("anything/x").failure
    assert failure is not None
    assert failure["since"] <= now() < failure["due"]
    Anything.values = {"x": 2}
    drain()
    assert Anything.cached.get(name="x") == 1
    with travel(HOUR):
        drain()
    assert Anything.cached.get(name="x") == 2


@pytest.mark.parametrize("rows", [300, 2500])
@pytest.mark.parametrize("most", [4, 100_000])
def test_many_changes_have_aware_times_too(
    by_moment: Any, settings: Any, rows: int, most: int
) -> None:
    """Those that come with the look, that are streamed, and that are put aside."""
    settings.KCK_PUBLISH = {"MAX_CHANGES": most}
    Sample.objects.bulk_create(Sample(kind="a", at=MOMENT) for _ in range(rows))
    assert by_moment.cached.get(at=MOMENT) == ["a"] * rows
    drain()
    Sample.objects.update(kind="b")
    drain()
    with computes() as seen:
        assert by_moment.cached.get(at=MOMENT) == ["b"] * rows
    assert seen == []
