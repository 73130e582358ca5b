"""Values that have another form in the database than in Python, or than they are asked for by."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import starmap
from typing import Any
from uuid import UUID

import pytest
from django.contrib.postgres.fields import ArrayField, DateRangeField
from django.db import connection, models
from django.db.models.functions import Upper
from django.test.utils import isolate_apps, override_settings

from kck_publish import (
    CacheModel,
    Depends,
    IntegerParameter,
    InvalidPrimer,
    Primer,
    QuerySetPrimer,
    StringParameter,
    Unserializable,
)
from kck_publish.aggregates import AggregatePrimer, Average, Count, Max, Sum
from kck_publish.products import registry
from kck_publish.products.graph import Graph, connect
from kck_publish.rows.model import products_of
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain, sql
from tests.testbed import captures
from tests.zoo.models import Derived, Loose, Typed, Written

pytestmark = pytest.mark.django_db(transaction=True)
JSON_NULL = models.Value(None, models.JSONField())
COUNTED = {
    "all": Count(),
    "data": Count("data"),
    "without": Count(where={"data__isnull": True}),
    "nick": Count("nick"),
    "anonymous": Count(where={"nick__isnull": True}),
    "anns": Count(where={"email": "ANN"}),
    "both": Count(where={"email__in": ["ANN", "Bob"]}),
}


@pytest.fixture
def product() -> Iterator[Any]:
    """``product(base, **body)``: declares one."""
    names: list[str] = []

    def declare(base: Any, **body: Any) -> Any:
        names.append(f"written{len(names)}")
        made = type(names[-1], (base,), {"key": names[-1], "__module__": __name__, **body})
        captures.repair(connection)  # of the columns that it names
        return made

    yield declare
    for name in names:
        registry.unregister(name)


def figures() -> dict[str, int]:
    """What SQL counts."""
    rows, null = Written.objects.filter(group=1), models.Q(data__isnull=True)
    return {
        "all": rows.count(),
        "data": rows.exclude(null).count(),
        "without": rows.filter(null).count(),
        "nick": rows.exclude(nick__isnull=True).count(),
        "anonymous": rows.filter(nick__isnull=True).count(),
        "anns": rows.filter(email="ANN").count(),
        "both": rows.filter(email__in=["ANN", "Bob"]).count(),
    }


def test_null_is_what_the_database_says(product: Any) -> None:
    """JSON's null is no NULL, though both are None for Python; nor is every NULL a None."""
    counted = product(
        AggregatePrimer,
        parameters=[IntegerParameter("group")],
        source=Depends(Written, group="group"),
        values=COUNTED,
    )
    shown = product(
        QuerySetPrimer,
        parameters=[IntegerParameter("group")],
        queryset=lambda self, group: Written.objects.filter(
            group=group, data__isnull=False
        ).order_by("pk").values_list("pk", flat=True),
    )  # fmt: skip
    row = Written.objects.create(email="Ann", nick="", data={})
    steps: list[Any] = [
        {"data": JSON_NULL}, {"data": None}, {"data": JSON_NULL}, {"data": {"a": None}},
        {"nick": "x"}, {"nick": ""}, {"nick": None}, {"email": "BOB"}, {"email": "Ann"},
    ]  # fmt: skip
    for step in steps:
        assert counted.cached.get(group=1) == figures(), step
        assert shown.cached.get(group=1) == list(shown().queryset(group=1)), step
        Written.objects.filter(pk=row.pk).update(**step)
        Written.objects.create(**{"email": "c", "data": JSON_NULL, "nick": ""} | step)
        drain()
        assert_fresh(counted.key, shown.key)
    assert counted.cached.get(group=1) == figures()


def test_rows_are_found_by_what_their_fields_make_of_a_value() -> None:
    ann = Written.objects.create(email="Ann", nick="")
    bob = Written.objects.create(email="bob", nick="Bob")
    for _ in "computed", "stored":
        assert Written.cached.get(email="ANN").pk == Written.cached.get(email="ann").pk == ann.pk
        assert [row.pk for row in Written.cached.filter(nick="Bob")] == [bob.pk]
        assert [row.pk for row in Written.cached.filter(nick="")] == [ann.pk]
        assert [row.pk for row in Written.cached.filter(nick=None)] == [ann.pk]
        drain()
    Written.objects.filter(pk=bob.pk).update(nick="", email="ROB")
    Written.objects.filter(pk=ann.pk).update(email="Eve")
    drain()
    assert [row.pk for row in Written.cached.filter(nick="")] == [ann.pk, bob.pk]
    assert Written.cached.get(email="RoB").pk == bob.pk
    with pytest.raises(Written.DoesNotExist):
        Written.cached.get(email="ANN")


@pytest.mark.parametrize(
    ("column", "value", "texts"),
    [
        ("mark", UUID(int=10), [str(UUID(int=10)), UUID(int=10).hex.upper()]),
        ("number", 7, ["7", "007"]),
        ("day", date(2024, 1, 5), ["2024-01-05", "2024-1-5"]),
        ("ip", "2001:db8::1", ["2001:db8::1", "2001:DB8:0::1"]),
        ("email", "ann", ["ann", "ANN"]),
        ("nick", "Ann", ["Ann"]),
    ],
)
def test_a_key_is_the_text_of_the_rows(
    product: Any, column: str, value: Any, texts: list[str]
) -> None:
    """What the database finds by several texts is one key, which the row's change touches."""

    def rows(self: Any, text: str) -> Any:
        return Written.objects.filter(**{column: text}).order_by("pk").values("pk", "group")

    parameters = [StringParameter("text")]
    primed = product(
        Primer,
        parameters=parameters,
        depends_on=[Depends(Written, text=column, columns=["group"])],
        compute=lambda self, text: list(rows(self, text)),
    )
    read = primed  # of addresses a queryset takes no text
    if column != "ip":
        read = product(QuerySetPrimer, parameters=parameters, queryset=rows)
    Written.objects.create(**{column: value})
    for group in range(3):
        for text in texts:
            expected = list(rows(None, text))
            assert len(expected) == 1
            assert read.cached.get(text=text) == primed.cached.get(text=text) == expected
        Written.objects.update(group=group)
        drain()
    for text in "no such", "9" * 20, "9" * 9000:  # which no row has
        assert registry.get(primed.key).key_of({"text": text}) == f"{primed.key}/{text}"


def test_an_aggregate_counts_what_a_base_manager_hides(product: Any) -> None:
    """A change tells of every row of the table, and nothing of managers."""
    counted = product(AggregatePrimer, source=Depends(Written), values={"all": Count()})
    Written.objects.create()
    assert counted.cached.get() == {"all": 1}
    Written.objects.create(group=9)
    drain()
    assert counted.cached.get() == {"all": 2}
    assert_fresh(counted.key)


@pytest.mark.parametrize("aggregate", [Sum, Average])
def test_a_sum_beyond_the_largest_float_is_named(product: Any, aggregate: Any) -> None:
    counted = product(AggregatePrimer, source=Depends(Written), values={"x": aggregate("level")})
    Written.objects.create(level=1.7e308)
    Written.objects.create(level=1.7e308)
    if aggregate is Average:
        assert counted.cached.get() == {"x": 1.7e308}
        return
    with pytest.raises(Unserializable, match="beyond the largest float"):
        counted.cached.get()


def test_months_are_no_days(product: Any) -> None:
    """PostgreSQL adds twelve of them to a year, and has a year equal 360 days; Python 365."""
    spans = {"sum": Sum("span"), "long": Count(where={"span__gt": timedelta(360)})}
    counted = product(AggregatePrimer, source=Depends(Typed), values=spans)
    assert counted.cached.get() == {"sum": None, "long": 0}
    for span in "1 day", "6 mons", "6 mons", "1 year", "1 mon", "-1 mon", "13 mons -5 days":
        sql("INSERT INTO zoo_typed (span) VALUES (%s::interval)", span)
        drain()
        assert_fresh(counted.key)
        found = Typed.objects.filter(span=timedelta(30)).values_list("pk", flat=True)
        assert [row.pk for row in Typed.cached.filter(span=timedelta(30))] == [*found], span
    sql("DELETE FROM zoo_typed WHERE span = interval '1 year'")
    drain()
    assert_fresh(counted.key)


LISTS: list[dict[str, Any]] = [
    *({"double": value} for value in (2, "2.0", None, 6)),
    {"file": ""},
]


def test_lists_by_a_generated_column_and_by_a_file() -> None:
    rows = [Derived.objects.create(level=level) for level in (1.0, None)]
    for _ in "computed", "stored", "changed":
        for lookup in (
            {"double": 2},
            {"double": "2.0"},
            {"double": None},
            {"double": 6},
            {"file": ""},
        ):
            found = Derived.cached.filter(**lookup)
            assert found == list(Derived.objects.filter(**lookup).order_by("pk")), lookup
        drain()
        Derived.objects.filter(pk=rows[0].pk).update(level=3)
    assert_fresh()


def test_figures_of_a_generated_column(product: Any) -> None:
    """They are kept up by changes, as those of a column of its type."""
    twice = {"double__gt": 2.0}
    figures = {"sum": Sum("double"), "most": Max("double"), "many": Count(where=twice)}
    counted = product(AggregatePrimer, source=Depends(Derived), values=figures)
    kept = product(
        QuerySetPrimer,
        queryset=lambda self: Derived.objects.filter(double__gt=2.0).count(),
    )
    for level in (1.0, 2.5, None):
        Derived.objects.create(level=level)
        drain()
        assert (counted.cached.get() and kept.cached.get()) is not None
        drain()
    Derived.objects.create(level=4.0)
    assert drain().augmented == 2
    Derived.objects.filter(level=4.0).update(level=-1)
    drain()
    assert counted.cached.get() == {"sum": 5.0, "most": 5.0, "many": 1}
    assert_fresh(counted.key, kept.key)


def test_a_parameter_of_text_may_be_an_address(product: Any) -> None:
    found = product(
        QuerySetPrimer,
        parameters=[StringParameter("ip")],
        queryset=lambda self, ip: Typed.objects.filter(ip=ip).values_list("pk", flat=True),
    )
    for _ in "none", "one":
        rows = list(Typed.objects.values_list("pk", flat=True))
        assert [found.cached.get(ip=ip) for ip in ("::1", "::0001")] == [rows, rows]
        Typed.objects.create(ip="::1")
        drain()


def test_not_a_number_is_one_value_of_a_whole_table() -> None:
    row = Loose.objects.create(level=float("nan"))
    Loose.objects.create(level=1.0)
    drain()
    assert Loose.cached.filter(level=float("nan")) == [row]
    assert Loose.cached.get(level=Decimal("NaN")) == row


@pytest.mark.filterwarnings("ignore:DateTimeField")
@override_settings(TIME_ZONE="Europe/Berlin")
def test_a_naive_time_is_that_of_the_project() -> None:
    """As the ORM takes it, which warns."""
    row = Typed.objects.create(moment=datetime(2024, 3, 31, 1, tzinfo=UTC))
    for naive in datetime(2024, 3, 31, 3), "2024-03-31 03:00:00":
        assert [*Typed.objects.filter(moment=naive)] == [row]
        assert Typed.cached.filter(moment=naive) == [row]


@pytest.mark.parametrize(
    "field",
    [
        models.JSONField(),
        ArrayField(models.IntegerField()),
        DateRangeField(),
        models.GeneratedField(
            expression=Upper("id"), output_field=models.JSONField(), db_persist=True
        ),
    ],
)
@pytest.mark.parametrize("declared", ["cached_by", "cached_lists", "parameter"])
@isolate_apps("tests.zoo")
def test_a_column_whose_values_have_no_text_is_no_lookup(field: Any, declared: str) -> None:
    """Each change of a row would stop the listener."""
    body = {"__module__": Derived.__module__, "value": field, "Meta": type("Meta", (), {})}
    model: Any = type("Held", (CacheModel,), {**body, declared: ["value"]})
    products: list[Any] = products_of(model)
    if declared == "parameter":
        by_text = Primer.__new__(Primer)
        by_text.name, by_text.parameters = "by_text", [StringParameter("text")]  # type: ignore[attr-defined]
        by_text.depends_on = [Depends(model, text="value")]
        products = [by_text]
    pairs = [(each, dependency) for each in products for dependency in each.depends_on]
    with pytest.raises(InvalidPrimer, match="no text tells its values apart"):
        deque(starmap(partial(connect, Graph({})), pairs))


def test_nor_is_json_of_a_whole_table() -> None:
    """1, 1.0 and True are one to Python, and so are NULL and JSON's null."""
    with pytest.raises(InvalidPrimer, match="no text"):
        Loose.cached.filter(data=1)


class Unread(StringParameter):
    """Writes what it does not read."""

    def from_text(self, text: str) -> str:
        raise self.refuse(text)


def test_a_parameter_that_does_not_read_what_it_writes_stops_nothing(
    product: Any, caplog: pytest.LogCaptureFixture
) -> None:
    odd = product(
        Primer,
        parameters=[Unread("email")],
        depends_on=[Depends(Written, email="email")],
        compute=lambda self, email: 1,
        eager=True,
        domain=lambda self: [],
    )
    Written.objects.create(email="a")
    drain()
    assert f"A parameter of {odd.key} writes a text" in caplog.text
