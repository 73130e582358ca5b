"""Texts that differ and are equal to the database, where Python looks whether conditions hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db.models import Count as CountOf
from django.db.models import Q
from django.db.models.functions import Upper

from kck_publish import AggregatePrimer, Depends, IntegerParameter, QuerySetPrimer
from kck_publish.aggregates import Count, Max, Ordered, Set
from kck_publish.diagnosis.registry import diagnose
from kck_publish.products import registry
from tests.capture_app.capturing import execute
from tests.catalog.models import Edition

pytestmark = pytest.mark.django_db


def queryset(method: Callable[[Any], Any]) -> None:
    namespace = {
        "key": "compared",
        "parameters": (IntegerParameter("copies"),),
        "queryset": lambda self, copies: method(Edition.objects.filter(copies=copies)),
        "__module__": __name__,
    }
    type("Compared", (QuerySetPrimer,), namespace)


def aggregate(value: Any, where: Any = None) -> None:
    namespace = {
        "key": "compared",
        "parameters": (IntegerParameter("copies"),),
        "source": Depends(Edition, copies="copies"),
        "values": {"value": value},
        "where": where or {},
        "__module__": __name__,
    }
    type("Compared", (AggregatePrimer,), namespace)


COMPARED: dict[str, Callable[[], None]] = {
    "condition": lambda: queryset(lambda rows: rows.filter(remark="a")),
    "number": lambda: queryset(lambda rows: rows.exclude(remark="a").count()),
    "one of two": lambda: queryset(lambda rows: rows.filter(Q(remark="a") | Q(pk=1)).values("pk")),
    "of another row": lambda: queryset(lambda rows: rows.filter(book__note__in=["a"])),
    "primed": lambda: queryset(lambda rows: rows.filter(remark="a").values(up=Upper("remark"))),
    "group": lambda: queryset(lambda rows: rows.values("remark").annotate(n=CountOf("pk"))),
    "where": lambda: aggregate(Count(where={"remark": "a"})),
    "where of all": lambda: aggregate(Count(), where={"book__note": "a"}),
    "set": lambda: aggregate(Set("remark")),
    "greatest": lambda: aggregate(Max("remark")),
    "order": lambda: aggregate(Ordered("copies", by="remark")),
}
SHOWN: dict[str, Callable[[], None]] = {
    "selected": lambda: queryset(lambda rows: rows.values("remark", "book__note")),
    "null": lambda: queryset(lambda rows: rows.filter(remark__isnull=False)),
    "asked of the database": lambda: queryset(lambda rows: rows.filter(remark__startswith="a")),
    "listed": lambda: aggregate(Ordered("remark", by="copies")),
}


@pytest.fixture
def other_texts() -> Iterator[None]:
    """The columns are others than their fields say."""
    execute("ALTER TABLE catalog_edition ALTER remark TYPE char(40)")
    execute("ALTER TABLE catalog_book ALTER note TYPE char(40)")
    assert diagnose("lookup columns", "default") == []
    yield
    registry.unregister("compared")


@pytest.mark.parametrize("declare", COMPARED.values(), ids=COMPARED)
def test_a_column_that_is_compared_is_named(declare: Callable[[], None], other_texts: None) -> None:
    """A row that the database lets through would be left out (B15)."""
    declare()
    (problem,) = diagnose("lookup columns", "default")
    assert problem.id == "E026"


@pytest.mark.parametrize("declare", SHOWN.values(), ids=SHOWN)
def test_one_that_is_only_shown_is_not(declare: Callable[[], None], other_texts: None) -> None:
    declare()
    assert diagnose("lookup columns", "default") == []
