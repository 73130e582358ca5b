"""Types whose cast to text, which the log has, gives another text than PostgreSQL sends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from psycopg.types.bool import BoolLoader

from kck_publish import (
    AggregatePrimer,
    BooleanParameter,
    Depends,
    QuerySetPrimer,
    StringParameter,
)
from kck_publish.aggregates import Count, Set
from kck_publish.capture import install
from kck_publish.log import decoder
from kck_publish.products import registry
from kck_publish.testing import assert_fresh, drain
from tests.capture_app.capturing import execute
from tests.catalog.models import Sample

pytestmark = pytest.mark.django_db


class InPython(BoolLoader):
    """The loader of a psycopg without its compiled part, which takes "t" alone for true."""


@pytest.fixture
def anew() -> Iterator[None]:
    """How columns are read is looked up anew, before and after."""
    decoder._known.clear()
    yield
    decoder._known.clear()


def test_booleans_where_psycopg_is_not_compiled(anew: None) -> None:
    class Flags(AggregatePrimer):
        key = "cast_flags"
        parameters = (BooleanParameter("flag"),)
        source = Depends(Sample, flag="flag")
        values = {"rows": Count(), "flagged": Count(where={"flag": True}), "flags": Set("flag")}

    try:
        install.install("default", registry.sources())
        connection.connection.adapters.register_loader("bool", InPython)
        for flag in (True, False):
            Flags.cached.get(flag=flag)
        for row in [Sample.objects.create(flag=flag) for flag in (True, True, False)]:
            drain()
            assert_fresh("cast_flags")
            Sample.objects.filter(pk=row.pk).update(flag=not row.flag)
            drain()
            assert_fresh("cast_flags")
    finally:
        registry.unregister("cast_flags")
        connection.connection.adapters.register_loader("bool", BoolLoader)


@pytest.mark.parametrize("kind", ["inet", "character(43)"])
@pytest.mark.parametrize(
    "value", ["10.0.0.1", "10.0.0.1/24", "2001:db8::1", "2001:db8::1/64", "0.0.0.0/0"]
)
def test_addresses_and_padded_texts(kind: str, value: str, anew: None) -> None:
    """The table is of another program, so that the model calls both texts."""

    class Names(QuerySetPrimer):
        key = "cast_names"
        parameters = (StringParameter("kind"),)

        def queryset(self, kind: str) -> Any:
            return Sample.objects.filter(kind=kind).order_by("pk").values("pk", "kind", "name")

    try:
        execute(
            f"ALTER TABLE catalog_sample ALTER kind TYPE inet USING NULL::inet, "
            f"ALTER name TYPE {kind} USING NULL::inet"
        )
        install.install("default", registry.sources())
        drain()
        execute("INSERT INTO catalog_sample (kind, name, unread) VALUES (%s, %s, 0)", value, value)
        (row,) = Sample.objects.all()
        drain()
        assert Names.cached.get(kind=row.kind) == [
            {"pk": row.pk, "kind": row.kind, "name": row.name}
        ]
        for name in (None, "10.0.0.7", "::7/64"):
            execute("UPDATE catalog_sample SET name = %s", name)
            drain()
            assert_fresh("cast_names")
        execute("UPDATE catalog_sample SET kind = '10.0.0.8'")
        Names.cached.get(kind="10.0.0.8")
        drain()
        assert_fresh("cast_names")
    finally:
        registry.unregister("cast_names")
