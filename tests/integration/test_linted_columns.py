"""A compute that finds its rows by a column that ``Depends(columns=...)`` lacks is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Count, F, Q, Sum

from kck_publish import Cache, Depends, UndeclaredRead, UndeclaredReadWarning
from kck_publish.products import registry, undeclared_reads
from kck_publish.products.query_columns import columns_of
from tests.catalog.fixtures import sql
from tests.catalog.models import Book, Item
from tests.integration.test_linting import _product, _raw

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()

ON = Depends(Item, n="group", columns=["amount"])
ITEMS = Item.objects
GROUP = ITEMS.filter(group=1)
NAMED: dict[str, Callable[[int], Any]] = {
    "filter": lambda n: len(GROUP.filter(name="a")),
    "exclude": lambda n: len(GROUP.exclude(name="a")),
    "order": lambda n: len(GROUP.order_by("name")),
    "values": lambda n: len(GROUP.values_list("name")),
    "only": lambda n: len(GROUP.only("name")),
    "annotate": lambda n: len(GROUP.annotate(x=F("name"))),
    "grouped": lambda n: len(GROUP.values("name").annotate(Count("pk"))),
    "subquery": lambda n: len(ITEMS.filter(pk__in=ITEMS.filter(name="a").values("pk"))),
    "or": lambda n: len(ITEMS.filter(Q(group=n) | Q(name="a"))),
    "union": lambda n: len(ITEMS.filter(name="a").values("pk").union(GROUP.values("pk"))),
    "raw": _raw("SELECT count(*) FROM catalog_item WHERE name = 'a';"),
    "cte": _raw("WITH x AS (SELECT id FROM catalog_item WHERE name = 'a') SELECT count(*) FROM x"),
    "view": _raw("SELECT count(*) FROM lint_items"),
}
QUIET: dict[str, Callable[[int], Any]] = {
    "loaded": lambda n: len(GROUP.all()),
    "distinct": lambda n: len(GROUP.distinct()),
    "iterated": lambda n: len(list(GROUP.iterator())),
    "summed": lambda n: GROUP.aggregate(x=Sum("amount"))["x"] or 0,
    "by key": lambda n: len(ITEMS.filter(pk=n)),
    "ordered": lambda n: len(GROUP.order_by("-amount", "pk")),
    "counted": lambda n: GROUP.count(),
}


@pytest.fixture(autouse=True)
def world(transactional_db: None) -> Iterator[None]:
    sql("CREATE VIEW lint_items AS SELECT id FROM catalog_item WHERE name = 'a'")
    undeclared_reads._reported.clear()
    yield
    sql("DROP VIEW lint_items")
    registry.unregister("columned")


@pytest.mark.parametrize("shape", NAMED)
def test_a_column_that_rows_are_found_by_is_to_be_declared(shape: str, settings: Any) -> None:
    """Under STRICT a compute that filters by an undeclared column is refused (B17)."""
    settings.KCK_PUBLISH = {"STRICT": True}
    _product("columned", NAMED[shape], ON)
    with pytest.raises(UndeclaredRead, match=r"columns=\[...\]") as error:
        cache.get("columned/1")
    assert error.value.tables == ("catalog_item.name",)


@pytest.mark.parametrize("shape", QUIET)
def test_what_is_declared_or_only_loaded_is_not_named(shape: str, settings: Any) -> None:
    settings.KCK_PUBLISH = {"STRICT": True}
    _product("columned", QUIET[shape], ON)
    assert cache.get("columned/1") == 0


def test_what_is_read_on_purpose_or_as_a_whole_row_is_not_named(settings: Any) -> None:
    settings.KCK_PUBLISH = {"STRICT": True}
    read = NAMED["filter"]
    for on in [
        (ON, Depends(Item, n="group")),
        (Depends(Item, n="group", columns=["amount"], reads=[Item]),),
        (Depends(Item, n="group", columns=["name"]),),
        (Depends(Item, n="group"),),
    ]:
        _product("columned", read, *on)
        assert cache.get("columned/1") == 0
        registry.unregister("columned")
        sql("DELETE FROM kck_publish_entry")
    _product("columned", read, ON)


def test_development_warns_of_a_column(settings: Any) -> None:
    settings.DEBUG = True
    _product("columned", NAMED["filter"], ON)
    with pytest.warns(UndeclaredReadWarning, match="catalog_item.name"):
        assert cache.get("columned/1") == 0


def test_columns_of_joins_are_told_apart() -> None:
    query = Book.objects.filter(author__slug="x").order_by("author__last")
    text, params = query.query.sql_with_params()
    with transaction.atomic():
        with connection.cursor() as cursor:
            found = columns_of(connection, cursor.mogrify(text, params))
        assert found == {
            "catalog_book": frozenset({"author_id"}),
            "catalog_author": frozenset({"id", "slug", "last"}),
        }
        assert columns_of(connection, "no query") is None
        assert columns_of(connection, "SELECT ',' , \"name\" FROM catalog_item") == {
            "catalog_item": frozenset({"name"})
        }
