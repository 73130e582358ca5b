"""What changes tell of a column is what the queryset gives: of each kind that is amended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from kck_publish import IntegerParameter
from kck_publish.capture.install import install
from kck_publish.products import registry
from kck_publish.testing import assert_fresh, drain
from tests.integration.test_querysets import product
from tests.kinds.models import Everything

pytestmark = pytest.mark.django_db
ODD: dict[str, list[Any]] = {
    "integer": [-(2**31), 0, 2**31 - 1],
    "big": [-(2**63), 2**63 - 1],
    "flag": [True, False],
    "char": ["", "é\u0301 ẞ '\"\\ \n", "zz"],
    "text": ["a" * 300, "\u2028\U0001f600"],
    "slug": ["a-b"],
    "email": ["a@b.example"],
    "url": ["https://x.example/ä"],
    "uuid": [UUID(int=0), UUID(int=2**128 - 1)],
    "number": [1e308, 5e-324, 0.1, 3.0],
    "price": [Decimal("1.50000"), Decimal("-0.00001"), Decimal(10**14)],
    "date": [date(1, 1, 1), date(9999, 12, 31)],
    "time": [time(0), time(23, 59, 59, 999_999)],
    "moment": [datetime(1970, 1, 1, tzinfo=UTC), datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=UTC)],
    "duration": [timedelta(0), timedelta(days=-400, microseconds=1), timedelta(hours=30)],
}


@contextmanager
def captured(rows: Any) -> Iterator[Any]:
    """A product of a queryset whose columns are captured, as ``migrate`` would have it."""
    with product(rows, IntegerParameter("a")) as primer:
        install("default", registry.graph().sources.values())
        yield primer


@pytest.mark.parametrize("name", ODD)
def test_a_value_of_a_change_is_that_of_a_query(name: str) -> None:
    def rows(a: int) -> Any:
        found = Everything.objects.filter(small=a)
        return found.order_by(name, "pk").values("pk", name)

    first, *_ = values = ODD[name]
    with captured(rows) as primer:
        Everything.objects.create(pk=1, small=1, **{name: first})
        drain()
        kept: Any = registry.get("qs")
        assert kept.kept, kept.why_primed
        assert len(primer.cached.get(a=1)) == 1
        amended = 0
        for number, value in enumerate([*values, None], 2):
            Everything.objects.filter(pk=1).update(**{name: value})
            Everything.objects.create(pk=number, small=1, **{name: value})
            amended += drain().augmented
            assert_fresh("qs")
            assert primer.cached.get(a=1) == list(rows(1))
        # Where a text belongs among others the database says: then it is primed.
        assert amended or name in ("char", "text", "slug", "email", "url")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-0"])
def test_numbers_that_python_compares_otherwise(value: str) -> None:
    """PostgreSQL has NaN equal to itself, and above all numbers."""

    def rows(a: int) -> Any:
        found = Everything.objects.filter(small=a, number__gte=0)
        return found.order_by("-number", "pk").values("pk")[:2]

    with captured(rows) as primer:
        for number in range(1, 5):
            Everything.objects.create(pk=number, small=1, number=number)
        drain()
        primer.cached.get(a=1)
        for pk in (1, 2, 1):
            with connection.cursor() as cursor:
                query = "UPDATE kinds_everything SET number = %s::float8 WHERE id = %s"
                cursor.execute(query, [value, pk])
            assert not drain().failed
            assert_fresh("qs")
            Everything.objects.filter(pk=pk).update(number=9)
            drain()
            assert_fresh("qs")
