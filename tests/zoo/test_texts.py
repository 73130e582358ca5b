"""Texts that differ and are equal to the database: refused as lookups, where they are declared."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import isolate_apps

from kck_publish import CachedTable, CacheModel, Depends, InvalidPrimer
from kck_publish.diagnosis.registry import diagnose
from kck_publish.products.equality import inexact
from kck_publish.products.graph import Graph, connect
from kck_publish.rows.model import products_of
from tests.zoo.models import Full

pytestmark = pytest.mark.django_db(transaction=True)


class OfType(models.CharField):  # type: ignore[type-arg]
    """A text of another type."""

    def __init__(self, kind: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.kind = kind

    def db_type(self, connection: Any) -> str:
        return self.kind


FIELDS: dict[str, Any] = {
    "citext": lambda: OfType("citext"),
    "char(n)": lambda: OfType("char(10)"),
    "bpchar": lambda: OfType("bpchar"),
    "character(n)": lambda: OfType("CHARACTER(4)"),
    "an array": lambda: OfType("citext[]"),
    "a collation": lambda: models.CharField(db_collation="case_insensitive"),
    "a text's collation": lambda: models.TextField(db_collation="ignore_accents"),
}
EXACT: dict[str, Any] = {
    "varchar": lambda: OfType("character varying(5)"),
    "text": lambda: models.TextField(),
    "char": lambda: models.CharField(max_length=5),
    "C": lambda: models.CharField(db_collation="C"),
    "ICU": lambda: models.CharField(db_collation="de-x-icu"),
    "libc": lambda: models.CharField(db_collation="en_US.utf8"),
}


def connected(model: Any) -> None:
    for product in products_of(model):
        for dependency in product.depends_on:
            connect(Graph({}), product, dependency)


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("declared", ["cached_by", "cached_lists", "primary key", "foreign key"])
@isolate_apps("tests.zoo")
def test_a_column_with_equal_texts_is_no_lookup(kind: str, declared: str) -> None:
    """citext, char(n), collations: refused as lookups, lists and primary keys (B15)."""
    field = FIELDS[kind]()

    class Named(CacheModel):
        if declared == "primary key":
            field.primary_key = True
        if declared == "foreign key":
            field._unique = True
        code = field

        if declared.startswith("cached"):
            locals()[declared] = ["code"]

    class Refers(CacheModel):
        to = models.ForeignKey(Named, models.CASCADE, to_field="code")
        cached_lists = ["to"]

    with pytest.raises(InvalidPrimer, match=r"code is of the (type|collation)|to is of the"):
        connected(Refers if declared == "foreign key" else Named)


@pytest.mark.parametrize("kind", EXACT)
def test_texts_that_are_equal_only_to_themselves_are_lookups(kind: str) -> None:
    """Not more is refused than may miss a row (B15)."""
    assert inexact(EXACT[kind]()) is None


@isolate_apps("tests.zoo")
def test_a_parameter_and_a_whole_table() -> None:
    """A primer's parameter and a CachedTable's reads are not by such a column (B15)."""

    class Country(CachedTable):
        code = models.CharField(db_collation="case_insensitive")

    with pytest.raises(InvalidPrimer, match="GeneratedField"):
        Country.cached.filter(code="de")
    (product,) = products_of(Country)
    product.parameters = [*products_of(Full)[2].parameters]
    with pytest.raises(InvalidPrimer, match="GeneratedField"):
        connect(Graph({}), product, Depends.by(Country, {"name": "code"}))


def test_a_column_that_is_another_in_the_database() -> None:
    """What only the database knows, a check with --database names (B15)."""
    assert diagnose("lookup columns", "default") == []
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE zoo_thing ALTER kind TYPE char(10)")
    try:
        (problem,) = diagnose("lookup columns", "default")
        assert problem.id == "E026"
        assert "zoo_thing.kind, in which texts that differ are equal (bpchar)" in problem.message
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE zoo_thing ALTER kind TYPE varchar(10)")
