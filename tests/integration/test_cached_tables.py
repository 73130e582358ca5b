"""CachedTable: one stored value, and any column is a lookup. ``.cached.all()`` of other models."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction

from kck_publish import Cache, CachedTable, InvalidPrimer, KeyParameterMismatch, UndeclaredLookup
from kck_publish.request import GlobalRequest
from kck_publish.rows.model import products_of
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain, reads, sql, stored
from tests.catalog.models import Seat
from tests.relations.models import City, Country, Currency, House, Writer

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def countries(transactional_db: None) -> list[Country]:
    rows = [("NL", "Netherlands", "EU"), ("BE", "Belgium", "EU"), ("JP", "Japan", "AS")]
    found = [Country(code=code, name=name, continent=where) for code, name, where in rows]
    found.append(Country(code="AQ", name="Antarctica", area=Decimal("14.2"), since=NOON))
    Country.objects.bulk_create(found)
    drain()
    return list(Country.objects.order_by("pk"))


def test_one_value_answers_everything(countries: list[Country]) -> None:
    netherlands, belgium, japan, antarctica = countries
    with reads(store=1):
        assert Country.cached.all() == countries
    for lookup in (
        {"code": "NL"},
        {"pk": netherlands.pk},
        {"id": str(netherlands.pk)},
        {"name": "Netherlands"},
        {"code": "NL", "continent": "EU"},
        {"pk": netherlands},
        {"pk": netherlands.pk, "code": "NL"},
    ):
        with reads(store=1):
            assert Country.cached.get(**lookup) == netherlands
    with reads(store=1):
        assert Country.cached.filter(continent="EU") == [netherlands, belgium]
    with reads(store=1):
        assert Country.cached.in_bulk(["JP", "XX"], field_name="code") == {"JP": japan}
    assert Country.cached.in_bulk([japan.pk]) == {japan.pk: japan}
    assert Country.cached.filter(continent=None) == [antarctica]
    assert Country.cached.filter(area="14.20") == [antarctica]
    assert Country.cached.get(area=Decimal("14.2")) == antarctica
    elsewhere = NOON.astimezone(timezone(timedelta(hours=9)))
    assert Country.cached.get(since=elsewhere) == antarctica
    assert Country.cached.filter(continent="EU", code="JP") == []
    kept = "SELECT count(*) FROM kck_publish_entry WHERE starts_with(product, 'relations.country')"
    assert sql(kept) == [(1,)]


def test_a_row_is_as_the_orm_gives_it(countries: list[Country]) -> None:
    for theirs in countries:
        ours = Country.cached.get(code=theirs.code)
        assert ours.__dict__ | {"_state": 0} == theirs.__dict__ | {"_state": 0}
        assert (ours._state.db, ours._state.adding) == ("default", False)


def test_errors_are_the_models(countries: list[Country]) -> None:
    with reads(store=1), pytest.raises(Country.DoesNotExist):
        Country.cached.get(code="XX")
    with reads(store=1), pytest.raises(Country.MultipleObjectsReturned):
        Country.cached.get(continent="EU")
    with pytest.raises(Country.DoesNotExist):
        Country.cached.get(pk=countries[0].pk, code="BE")
    with pytest.raises(Country.MultipleObjectsReturned):
        Country.cached.in_bulk(["EU"], field_name="continent")
    with pytest.raises(UndeclaredLookup, match="code__startswith"):
        Country.cached.filter(code__startswith="N")
    with pytest.raises(KeyParameterMismatch):
        Country.cached.get(pk="one")
    with pytest.raises(KeyParameterMismatch):
        Country.cached.get(pk=City(pk=1))


@pytest.mark.parametrize("kind", ["orm", "update", "raw", "delete", "truncate"])
def test_it_is_kept_true(countries: list[Country], kind: str) -> None:
    if kind == "orm":
        Country.objects.create(code="DE", name="Germany")
    elif kind == "update":
        Country.objects.update(name="?")
    elif kind == "raw":
        sql("UPDATE relations_country SET code = 'B' WHERE code = 'BE'")
    elif kind == "delete":
        Country.objects.filter(code="JP").delete()
    else:
        sql("TRUNCATE relations_country CASCADE")
    drain()
    with reads(store=1):
        ours = Country.cached.all()
    theirs = list(Country.objects.order_by("pk"))
    assert [vars(one) | {"_state": 0} for one in ours] == [
        vars(one) | {"_state": 0} for one in theirs
    ]
    assert_fresh()


def test_it_is_published_before_anybody_has_read_it(countries: list[Country]) -> None:
    assert stored("relations.country[]") is not None


def test_own_writes_are_seen(countries: list[Country]) -> None:
    with transaction.atomic():
        Country.objects.create(code="DE", name="Germany")
        assert Country.cached.get(code="DE").name == "Germany"
        transaction.set_rollback(True)
    with pytest.raises(Country.DoesNotExist):
        Country.cached.get(code="DE")


def test_what_is_returned_is_the_readers_own(countries: list[Country]) -> None:
    Country.cached.get(code="NL").name = "changed"
    Country.cached.all().clear()
    assert Country.cached.get(code="NL").name == "Netherlands"


def test_in_a_request_it_is_read_once(countries: list[Country]) -> None:
    with GlobalRequest(), reads(store=1):
        one = Country.cached.get(code="NL")
        assert Country.cached.get(name="Netherlands") is one
        assert Country.cached.all()[0] is one


def test_get_or_create(countries: list[Country]) -> None:
    assert Country.cached.get_or_create(code="NL") == (countries[0], False)
    made, created = Country.cached.get_or_create(code="DE", defaults={"name": "Germany"})
    assert (made.name, created) == ("Germany", True)
    assert Country.cached.get(code="DE") == made


def test_asynchronously(countries: list[Country]) -> None:
    async def read() -> list[Any]:
        cached = Country.cached
        return [
            await cached.aget(code="NL"),
            (await cached.afilter(continent="EU"))[0],
            (await cached.ain_bulk(["NL"], "code"))["NL"],
            (await cached.aall())[0],
            (await cached.aget_or_create(code="NL"))[0],
        ]

    assert async_to_sync(read)() == [countries[0]] * 5


def test_a_foreign_key_to_it_is_read_from_it(countries: list[Country]) -> None:
    City.objects.bulk_create([City(name=str(n), country=countries[n % 3]) for n in range(9)])
    City.cached.all()
    drain()
    with reads(store=3):
        assert [one.country.code for one in City.cached.all()] == ["NL", "BE", "JP"] * 3


def test_a_foreign_key_of_it(countries: list[Country]) -> None:
    city = City.objects.create(name="Amsterdam", country=countries[0])
    Country.objects.filter(code="NL").update(seat=city)
    drain()
    for lookup in ({"seat": city}, {"seat": city.pk}, {"seat_id": str(city.pk)}):
        assert Country.cached.get(**lookup).code == "NL"
    with reads(store=2):
        assert Country.cached.get(code="NL").seat.name == "Amsterdam"
    assert Country.cached.get(code="NL").cities() == ["Amsterdam"]


def test_rows_with_their_related_ones(countries: list[Country]) -> None:
    Currency.objects.create(code="EUR", country=countries[1])
    Currency.objects.create(code="XAU")
    drain()
    with reads(store=1):
        euro, gold = Currency.cached.all()
        assert euro.country.name == "Belgium"
        assert gold.country is None
    Country.objects.filter(code="BE").update(name="België")
    drain()
    with reads(store=1):
        assert Currency.cached.get(code="EUR").country.name == "België"
    with reads(store=1):
        assert Currency.cached.filter(country=countries[1])[0].code == "EUR"


def test_publish_by_hand(countries: list[Country]) -> None:
    Cache.get_instance().clear()
    countries[0].publish()
    drain()
    assert stored("relations.country[]") is not None


def declared(**attributes: Any) -> type[CachedTable]:
    class Meta:
        app_label = "nowhere"
        abstract = True

    return type("Bad", (CachedTable,), {"Meta": Meta, "__module__": __name__, **attributes})


@pytest.mark.parametrize(
    "attributes",
    [
        {"cached_by": ["id"]},
        {"cached_lists": ["id"]},
        {"publish": lambda self: self.publish_by("id")},
    ],
)
def test_what_means_nothing_there_is_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(InvalidPrimer, match="CachedTable"):
        products_of(declared(**attributes))


# .cached.all() of other models


def test_all_rows_are_two_looks_at_the_store(transactional_db: None) -> None:
    houses = House.objects.bulk_create([House(name=f"h{n}") for n in range(20)])
    House.cached.all()
    drain()
    with reads(store=2):
        assert House.cached.all() == houses
    House.objects.filter(name="h3").delete()
    House.objects.filter(name="h4").update(name="renamed")
    House.objects.create(name="new")
    sql("UPDATE relations_house SET id = 9999 WHERE name = 'h5'")
    drain()
    with reads(store=2):
        names = [one.name for one in House.cached.all()]
    assert names == list(House.objects.order_by("pk").values_list("name", flat=True))
    assert_fresh()
    sql("TRUNCATE relations_house CASCADE")
    drain()
    assert House.cached.all() == []


def test_a_change_of_a_row_leaves_the_list_of_all_as_it_is(transactional_db: None) -> None:
    House.objects.create(name="one")
    House.cached.all()
    drain()
    before = stored("relations.house[]")
    House.objects.update(name="two")
    assert drain().unchanged == 0  # it is not even computed
    after = stored("relations.house[]")
    assert before is not None
    assert after is not None
    assert before.version == after.version
    assert [one.name for one in House.cached.all()] == ["two"]


@pytest.mark.parametrize("requested", [False, True])
def test_all_is_in_order_wherever_the_rows_are_from(
    transactional_db: None, requested: bool
) -> None:
    houses = House.objects.bulk_create([House(name=f"h{n}") for n in range(5)])
    House.cached.all()
    drain()
    for one in houses[::2]:
        Cache.get_instance().unset(f"relations.house/{one.pk}")
    with GlobalRequest() if requested else nullcontext():
        assert House.cached.all() == houses
        assert list(House.cached.in_bulk([one.pk for one in houses])) == [h.pk for h in houses]


def test_all_of_a_composite_key_and_of_a_proxy(transactional_db: None) -> None:
    Seat.objects.create(row="B", number=1)
    Seat.objects.create(row="A", number=2)
    drain()
    assert [one.pk for one in Seat.cached.all()] == [("A", 2), ("B", 1)]


def test_all_in_ones_own_transaction(transactional_db: None) -> None:
    House.cached.all()
    with transaction.atomic():
        House.objects.create(name="mine")
        assert [one.name for one in House.cached.all()] == ["mine"]
        transaction.set_rollback(True)
    assert House.cached.all() == []


def test_the_rows_of_all_fetch_their_relations_together(transactional_db: None) -> None:
    houses = House.objects.bulk_create([House(name=f"h{n}") for n in range(5)])
    Writer.objects.bulk_create([Writer(name=str(n), house=houses[n % 5]) for n in range(10)])
    Writer.cached.all()
    drain()
    with reads(store=3):
        assert [one.house.name for one in Writer.cached.all()] == [f"h{n % 5}" for n in range(10)]
