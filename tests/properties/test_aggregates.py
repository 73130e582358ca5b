"""An aggregate that was amended change by change is what a compute gives, byte for byte.

Also its hidden state: else it would be right today and wrong after the next change. A Top's state
may hold a longer or shorter reserve, which is left out.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db.models import Avg, Count, Max, Min, Sum
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kck_publish import Cache, stores
from kck_publish.aggregates.lists import Top
from kck_publish.aggregates.product import AggregateProduct, State
from kck_publish.log.keys import product_of
from kck_publish.products import registry
from kck_publish.stores import Address
from tests.catalog import aggregates
from tests.catalog.fixtures import OURS, drain, empty, sql
from tests.catalog.models import Author, Sample

pytestmark = pytest.mark.django_db(transaction=True)

cache = Cache.get_instance()
EXAMPLES = int(os.environ.get("KCK_TEST_EXAMPLES", "15"))
PRODUCTS = ["sample_figures", "sample_tallies", "sample_lists", "sample_total"]
KEYS = [
    *(f"sample_figures/{group}/{kind}" for group in (1, 2) for kind in "ab"),
    "sample_tallies/1",
    "sample_tallies/2",
    "sample_lists/1",
    "sample_lists/2",
    "sample_lists/~",
    "sample_total",
]

floats = st.sampled_from([0.1, 0.2, 0.30000000000000004, -0.0, 0.0, 1e300, -1e300, 1e-300, 5e-324])
# Few values, so that there are ties, and values that come and go.
columns = {
    "group": st.sampled_from([1, 1, 1, 2, None]),
    "kind": st.sampled_from(["a", "a", "b", "c"]),
    "whole": st.none() | st.integers(-4, 4) | st.just(2**60),
    "price": st.none() | st.sampled_from(["0.10", "1.50", "1.51", "-3.00", "9999999999.99"]),
    "ratio": st.none() | floats | st.floats(allow_nan=False, allow_infinity=False, width=32),
    "lasts": st.none() | st.sampled_from([1, -1, 10**11]).map(lambda n: timedelta(microseconds=n)),
    "at": st.none() | st.integers(0, 3).map(lambda n: datetime(2020, 1, 1, n, 0, 0, n, UTC)),
    "day": st.none() | st.integers(1, 4).map(lambda n: date(2020, 1, n)),
    "hour": st.none() | st.integers(0, 3).map(lambda n: time(n, 30, 0, n)),
    "name": st.none() | st.sampled_from(["a", "B", "b", "ä", "Z", "_", "10", "9", ""]),
    "flag": st.none() | st.booleans(),
    "code": st.none() | st.integers(1, 3).map(lambda n: UUID(int=n << n * 30)),
    "maker": st.none() | st.just(1),
    "data": st.none() | st.just({"a": [1, None]}),
    "unread": st.integers(0, 3),
}
Change = tuple[str, int, dict[str, Any]]
inserts = st.tuples(st.just("insert"), st.just(0), st.fixed_dictionaries({}, optional=columns))
updates = st.tuples(
    st.just("update"), st.integers(0, 9), st.fixed_dictionaries({}, optional=columns)
)
deletes: st.SearchStrategy[Change] = st.tuples(st.just("delete"), st.integers(0, 9), st.just({}))
changes: st.SearchStrategy[Change] = inserts | inserts | updates | updates | deletes
batches = st.lists(st.lists(changes, max_size=6), min_size=1, max_size=5)


def run(change: Change) -> None:
    op, nth, values = change
    values = {"maker_id" if name == "maker" else name: one for name, one in values.items()}
    if op == "insert":
        Sample.objects.create(**{"group": 1, **values})
        return
    pks = list(Sample.objects.order_by("pk").values_list("pk", flat=True))
    if pks and op == "update":
        Sample.objects.filter(pk=pks[nth % len(pks)]).update(**values)
    elif pks:
        Sample.objects.filter(pk=pks[nth % len(pks)]).delete()


def kept(product: AggregateProduct, state: State) -> list[Any]:
    """The state in the form that does not depend on how it came about."""
    bound = product.plan.aggregates.values()
    return [state.rows] + [
        one.pack(one.show(each) if isinstance(one, Top) else each)
        for one, each in zip(bound, state.states, strict=True)
    ]


def assert_true() -> None:
    for name in PRODUCTS:
        product = registry.get(name)
        assert isinstance(product, AggregateProduct)
        addresses = [Address(key, product.fingerprint) for key in KEYS if product_of(key) == name]
        entries = stores.current().read(addresses, ()).entries
        wanted = [product.parameters_of(key) for key in entries]
        for entry, fresh in zip(entries.values(), product.gather(wanted), strict=True):
            assert entry.body == product.encode(fresh).body, entry.address.key
            assert entry.body is not None
            state = product.amendable(entry.body, entry.shape)
            assert kept(product, state) == kept(product, fresh), entry.address.key


def assert_as_django_says() -> None:
    """The scalars against Django's own aggregates, to which we owe nothing."""
    for (group, kind), rows in _groups():
        value = aggregates.SampleFigures.cached.get(group=group, kind=kind)
        asked = rows.aggregate(
            x_rows=Count("pk"),
            x_named=Count("name"),
            x_whole=Sum("whole"),
            x_price=Sum("price"),
            x_lasts=Sum("lasts"),
            x_first=Min("at"),
            x_last=Max("at"),
            x_least=Min("whole"),
            x_most=Max("price"),
            x_mean_lasts=Avg("lasts"),
            x_ratio=Max("ratio"),
        )
        assert {name: value[name[2:]] for name in asked} == asked
        for name, column in (("mean_whole", "whole"), ("mean_price", "price")):
            mean = rows.aggregate(mean=Avg(column))["mean"]
            assert (value[name] is None) == (mean is None)
            assert mean is None or float(value[name]) == pytest.approx(float(mean))


def _groups() -> Sequence[tuple[tuple[int, str], Any]]:
    return [
        ((group, kind), Sample.objects.filter(group=group, kind=kind))
        for group in (1, 2)
        for kind in "ab"
    ]


@pytest.mark.long
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],  # to explain costs a trace of each line
)
@given(batches)
def test_amended_is_computed(some: list[list[Change]]) -> None:
    empty("catalog_sample", *OURS)
    sql("SELECT setval('catalog_sample_id_seq', 1, false)")
    Author.objects.get_or_create(pk=1, slug="one", first="F", last="L")
    drain()
    cache.get_many(KEYS)
    for batch in some:
        for change in batch:
            run(change)
        drain()
        assert_true()
    assert_as_django_says()
    assert sql("SELECT key FROM kck_publish_failure") == []


def test_most_changes_are_amended() -> None:
    """The property above would hold, too, if everything were primed."""
    Sample.objects.bulk_create(
        Sample(group=1, kind="ab"[n % 2], whole=n, price=Decimal(n), ratio=n / 10, name=str(n))
        for n in range(20)
    )
    drain()
    cache.get_many(["sample_figures/1/a", "sample_tallies/1", "sample_lists/1", "sample_total"])
    Sample.objects.filter(whole=4).update(whole=7, price=2, ratio=0.3, name="x")
    Sample.objects.filter(whole=10).delete()
    Sample.objects.create(group=1, whole=3, price=3)
    outcome = drain()
    assert (outcome.augmented, outcome.primed) == (4, 0)
    assert_true()
