"""Aggregates as they are declared, read, refused; and ``check_augment``.

That an amended value is a computed one is held by ``tests/properties/test_aggregates.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kck_publish import (
    Cache,
    Depends,
    IntegerParameter,
    InvalidPrimer,
    Unserializable,
    signals,
)
from kck_publish.aggregates import (
    Aggregate,
    AggregatePrimer,
    Average,
    Count,
    Histogram,
    Max,
    Min,
    Ordered,
    Set,
    Sum,
    Top,
)
from kck_publish.products import registry
from tests.catalog.aggregates import SampleFigures, SampleLists, SampleTallies, SampleTotal
from tests.catalog.fixtures import drain, stored
from tests.catalog.models import Item, Sample, Seat
from tests.catalog.primers import ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


def sample(**values: Any) -> Sample:
    return Sample.objects.create(**{"group": 1, "kind": "a", **values})


def test_figures() -> None:
    sample(whole=1, price=Decimal("1.50"), lasts=timedelta(seconds=1), name="b", flag=True)
    sample(whole=2, price=Decimal("0.25"), lasts=timedelta(seconds=2), name="B")
    sample(name="ä")
    value = SampleFigures.cached.get(group=1, kind="a")
    assert (value["rows"], value["named"], value["dear"]) == (3, 3, 1)
    assert (value["whole"], value["price"], value["lasts"]) == (
        3,
        Decimal("1.75"),
        timedelta(seconds=3),
    )
    assert (value["mean_whole"], value["mean_price"], value["mean_lasts"]) == (
        1.5,
        Decimal("0.875"),
        timedelta(seconds=1.5),
    )
    assert (value["a_name"], value["z_name"]) == ("B", "ä")  # by code points
    assert (value["first"], value["ratio"]) == (None, None)


def test_of_no_rows() -> None:
    value = SampleFigures.cached.get(group=9, kind="a")
    assert (value["rows"], value["whole"], value["mean_price"], value["least"]) == (0, *[None] * 3)
    value = SampleTallies.cached.get(group=9)
    assert (value["ratio"], value["wholes"], value["prices"]) == (None, {}, set())
    assert SampleLists.cached.get(group=9) == {"dearest": [], "alone": [], "all": [], "codes": []}
    with pytest.raises(ObjectDoesNotExist):
        SampleTotal.cached.get()


def test_tallies_and_lists() -> None:
    for number in (-1, 0, 2, 3):
        sample(whole=number, name=f"n{number}", price=number, day=date(2020, 1, 5 - number))
    value = SampleTallies.cached.get(group=1)
    assert value["wholes"] == {-3: 1, 0: 2, 3: 1}
    assert value["days"] == {"2020-01-02": 1, "2020-01-03": 1, "2020-01-05": 1, "2020-01-06": 1}
    assert value["prices"] == {Decimal(-1), Decimal(0), Decimal(2), Decimal(3)}
    assert SampleLists.cached.get(group=1)["dearest"] == [
        {"name": "n3", "price": Decimal(3)},
        {"name": "n2", "price": Decimal(2)},
    ]


def test_a_value_leaves_with_its_last_row() -> None:
    first, second = sample(price=1), sample(price=1)
    SampleTallies.cached.get(group=1)
    drain()
    first.delete()
    assert drain().augmented == 1
    assert SampleTallies.cached.get(group=1)["prices"] == {Decimal(1)}
    second.delete()
    drain()
    assert SampleTallies.cached.get(group=1)["prices"] == set()


def test_the_bytes_are_what_is_shown() -> None:
    """And no more: the states lie elsewhere."""
    sample(whole=3)
    assert SampleTotal.cached.get() == "3 of 1"
    assert SampleTotal.cached.get_bytes() == b'"3 of 1"'
    drain()
    sample(whole=4)
    assert drain().augmented == 1
    assert SampleTotal.cached.get_bytes() == b'"7 of 2"'
    assert cache.entry("sample_total").value == "7 of 2"
    Sample.objects.all().delete()
    drain()
    assert stored("sample_total") is None


def test_set_by_hand_is_primed_then() -> None:
    sample(whole=3)
    cache.set("sample_total", "by hand")
    assert SampleTotal.cached.get() == "by hand"
    sample(whole=4)
    outcome = drain()
    assert (outcome.augmented, SampleTotal.cached.get()) == (0, "7 of 2")


def test_many_keys_take_as_many_queries_as_one() -> None:
    for group in (1, 2, 3):
        sample(group=group, whole=group)
        sample(group=group, kind="b", whole=10 * group)
    wanted = [{"group": group, "kind": kind} for group in (1, 2, 3) for kind in "ab"]
    with CaptureQueriesContext(connection) as queries:
        values = SampleFigures().compute_many(wanted)
    assert [one["whole"] for one in values] == [1, 10, 2, 20, 3, 30]
    assert len(queries) == 1
    with CaptureQueriesContext(connection) as queries:
        SampleLists().compute_many([{"group": 1}, {"group": None}, {"group": 3}])
    assert len(queries) == 5  # the count, and a list each
    assert sorted(one["group"] for one in SampleTallies().domain()) == [1, 2, 3]


def test_a_row_with_null_is_of_no_key() -> None:
    """Its key could not be named, and the whole domain could not be primed for it."""
    sample(group=1)
    sample(group=None)
    assert [one["group"] for one in SampleTallies().domain()] == [1]
    call_command("kck_prime", SampleTallies.key)
    assert cache.is_set(cache.build_key(SampleTallies.key, group=1))


def test_only_the_columns_read_are_captured() -> None:
    source = registry.graph().sources["catalog_sample"]
    assert "unread" not in source.captured
    assert "price" in source.captured


def test_hooks_see_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    for name in ("post_prime", "pre_set", "post_set"):
        monkeypatch.setattr(SampleTotal, name, lambda self, value: seen.append(value))
    sample(whole=3)
    SampleTotal.cached.get()
    assert seen == ["3 of 1"] * 3


def _declared(model: Any = Sample, where: Any = None, **values: Aggregate) -> None:
    try:
        type(
            "Wrong",
            (AggregatePrimer,),
            {"key": "wrong", "source": model, "values": values, "where": where or {}},
        )
        registry.graph()
    finally:
        registry.unregister("wrong")


@pytest.mark.parametrize(
    ("aggregate", "says"),
    [
        (lambda: Sum("name"), "Sum does not take"),
        (lambda: Sum("maker"), "Sum does not take"),
        (lambda: Average("flag"), "Average does not take"),
        (lambda: Max("code"), "Max does not take"),
        (lambda: Min("data"), "Min does not take"),
        (lambda: Histogram("price"), "Histogram does not take"),
        (lambda: Histogram("name", width=2), "width is a whole number"),
        (lambda: Set("data"), "Set does not take"),
        (lambda: Ordered("pk", by="data"), "An order does not take"),
        (lambda: Top(0, columns="pk", by="whole"), "a count from 1 on"),
        (lambda: Count("nothing"), "has no column 'nothing'"),
        (lambda: Count(where={"name__startswith": "a"}), "not among the conditions"),
        (lambda: Count(where={"name__gt": "a"}), "collation"),
        (lambda: Count(where={"whole": None}), "isnull"),
        (lambda: Count(where={"whole": "1"}), "the column's own type"),
        (lambda: Count(where={"flag": 1}), "the column's own type"),
        (lambda: Count(where={"whole__in": "12"}), "a list of values"),
        (lambda: Count(where={"whole__isnull": 1}), "True or False"),
        (lambda: Count(where={"data": {}}), "only isnull is sure"),
    ],
)
def test_what_cannot_be_exact_is_refused(aggregate: Any, says: str) -> None:
    with pytest.raises(InvalidPrimer, match=says):
        _declared(one=aggregate())


def test_wrong_declarations() -> None:
    with pytest.raises(InvalidPrimer, match="needs `source` and `values`"):
        _declared()
    with pytest.raises(InvalidPrimer, match="the columns that are read follow"):
        _declared(Depends(Sample, columns=["whole"]), one=Count())
    with pytest.raises(InvalidPrimer, match="several columns"):
        _declared(Seat, one=Count("pk"))
    with pytest.raises(InvalidPrimer, match="maps no column to group"):
        type(
            "Wrong",
            (AggregatePrimer,),
            {
                "key": "wrong",
                "source": Sample,
                "values": {"one": Count()},
                "parameters": [IntegerParameter("group")],
            },
        )
    with pytest.raises(InvalidPrimer, match="augment cannot be written"):
        type(
            "Wrong",
            (AggregatePrimer,),
            {
                "key": "wrong",
                "source": Sample,
                "values": {"one": Count()},
                "augment": lambda self, value, change: value,
            },
        )


# check_augment


@pytest.fixture
def differed() -> Iterator[list[str]]:
    seen: list[str] = []

    def receive(key: str, **_: Any) -> None:
        seen.append(key)

    signals.differed.connect(receive)
    yield seen
    signals.differed.disconnect(receive)


def _wrong(self: Any, value: Any, change: Any, group: int) -> Any:
    return {**value, "count": value["count"] + 7}


@pytest.mark.parametrize(("share", "count"), [(1.0, 2), (0.0, 8)])
def test_a_wrong_augment_is_found(
    share: float,
    count: int,
    differed: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(ItemTotal, "check_augment", share)
    monkeypatch.setattr(ItemTotal, "augment", _wrong)
    Item.objects.create(name="a", group=5, amount=1)
    drain()
    cache.get("item_total/5")
    Item.objects.create(name="b", group=5, amount=1)
    outcome = drain()
    assert cache.get("item_total/5")["count"] == count
    assert outcome.differed == len(differed) == share
    assert ("The augment of item_total/5 gave another value" in caplog.text) == (share == 1.0)


def test_a_right_augment_is_kept(differed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ItemTotal, "check_augment", 1.0)
    Item.objects.create(name="a", group=5, amount=1)
    drain()
    cache.get("item_total/5")
    Item.objects.create(name="b", group=5, amount=2)
    outcome = drain()
    assert (outcome.augmented, outcome.differed, differed) == (1, 0, [])
    assert cache.get("item_total/5") == {"count": 2, "amount": 3}


def test_a_check_that_fails_proves_nothing(
    differed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Any, group: int) -> Any:
        raise RuntimeError

    Item.objects.create(name="a", group=5, amount=1)
    drain()
    cache.get("item_total/5")
    monkeypatch.setattr(ItemTotal, "check_augment", 1)
    monkeypatch.setattr(ItemTotal, "compute", fail)
    Item.objects.create(name="b", group=5, amount=2)
    outcome = drain()
    assert (outcome.augmented, outcome.failed, differed) == (1, 0, [])


@pytest.mark.parametrize("share", [2, -0.1, "1", True])
def test_a_wrong_share_is_refused(share: Any) -> None:
    with pytest.raises(InvalidPrimer, match="a share from 0 to 1"):
        type("Wrong", (ItemTotal,), {"key": "wrong", "check_augment": share})


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_float_that_no_sum_can_hold_is_named(value: float) -> None:
    sample(ratio=value)
    with pytest.raises(Unserializable, match="no number"):
        SampleTallies.cached.get(group=1)
