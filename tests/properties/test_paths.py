"""Products that are found by paths are true once drained, whatever changes together in one batch.

A batch may change a row and the rows that it is joined to, move them, and delete any of them: what
a change touched is then to be told from what the rows were.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kck_publish import Cache
from kck_publish.testing import assert_fresh, drain
from tests.atlas.models import City, Country, Label, Market, Sale, Shop, Ware

pytestmark = pytest.mark.django_db
EXAMPLES = int(os.environ.get("KCK_TEST_EXAMPLES", "20"))
PRODUCTS = (
    "atlas_country", "atlas_country_brand", "atlas_shop_country", "atlas_city", "atlas_labels",
    "atlas_wares", "atlas_markets", "atlas_total", "atlas.country.takings",
    "atlas_revenue",
)  # fmt: skip
N = 3
cache = Cache.get_instance()

some = st.integers(1, N)
maybe = st.none() | some
codes = some.map("s{}".format)
brands = st.sampled_from("ab")
inserts = st.one_of(
    st.builds(lambda **v: (Country, v), id=some),
    st.builds(lambda **v: (City, v), id=some, country_id=some),
    st.builds(lambda **v: (Shop, v), id=some, code=codes, city_id=maybe, staff=st.integers(0, 1)),
    st.builds(
        lambda **v: (Market, v),
        id=some,
        shop_ptr_id=some,
        code=codes,
        city_id=maybe,
        staff=st.integers(0, 1),
        halls=some,
    ),
    st.builds(lambda **v: (Ware, v), id=some, brand=brands, maker_id=maybe, active=st.booleans()),
    st.builds(lambda **v: (Label, v), id=some, name=brands),
    st.builds(lambda **v: (Sale, v), id=some, shop_id=codes, ware_id=some, amount=some),
    st.builds(lambda **v: (Ware.labels.through, v), id=some, ware_id=some, label_id=some),
)
Write = tuple[str, Any, dict[str, Any]]
puts = inserts.map(lambda one: ("put", *one))
deletes = st.tuples(
    st.just("delete"),
    st.sampled_from([Country, City, Shop, Market, Ware, Label, Sale, Ware.labels.through]),
    st.fixed_dictionaries({"pk": some}),
)
batches = st.lists(st.lists(st.one_of(puts, puts, deletes), max_size=7), min_size=1, max_size=4)


def write(what: Write) -> None:
    """One write; one that a constraint forbids is none."""
    op, model, values = what
    try:
        with transaction.atomic():
            if op == "put":
                model(**values).save()
            else:
                model.objects.filter(**values).delete()
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except Exception as error:
        if "constraint" not in str(error):
            raise


def fill() -> None:
    for n in range(1, N + 1):
        Country(n).save()
        City(n, country_id=n).save()
        Shop(n, code=f"s{n}", city_id=n).save()
        Ware(n, brand="ab"[n % 2], maker_id=n).save()
        Label(n, name="ab"[n % 2]).save()
        Ware.labels.through(n, ware_id=n, label_id=n).save()
        Sale(n, shop_id=f"s{n}", ware_id=n).save()
    Market(id=N, shop_ptr_id=N, code=f"s{N}", city_id=N).save()


def prime() -> None:
    """All keys, as readers would have."""
    numbers = range(1, N + 1)
    for country in numbers:
        cache.get(f"atlas_country/{country}")
        cache.get(f"atlas_revenue/{country}")
        for brand in "ab":
            cache.get(f"atlas_country_brand/{country}/{brand}")
            cache.get(f"atlas_total/{country}/{brand}")
        for shop in numbers:
            cache.get(f"atlas_shop_country/s{shop}/{country}")
        for staff in (0, 1):
            cache.get(f"atlas_markets/{country}/{staff}")
        if row := Country.objects.filter(pk=country).first():
            row.takings()
    for city in (*numbers, "~"):
        cache.get(f"atlas_city/{city}")
        cache.get(f"atlas_wares/{city}")
        for maker in (*numbers, "~"):
            if city != "~":
                cache.get(f"atlas_labels/{city}/{maker}")


@contextmanager
def taken_back() -> Iterator[None]:
    """Take back what is written within. Django does not know of it: within ``atomic`` nothing
    would be stored."""
    place = connection.savepoint()
    assert place is not None
    try:
        yield
    finally:
        connection.savepoint_rollback(place)


# A row on the way goes together with those that lead to it.
@pytest.mark.long
@example([[("delete", Shop, {"pk": 1})]])
@given(batches)
@settings(max_examples=EXAMPLES)
def test_drained_means_true(history: list[list[Write]]) -> None:
    with taken_back():
        fill()
        drain()
        prime()
        assert cache.is_set("atlas_country_brand/1/a")
        for batch in history:
            for one in batch:
                write(one)
            drain()
            assert_fresh(*PRODUCTS)
            prime()
