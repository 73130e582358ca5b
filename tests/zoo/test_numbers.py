"""Numbers as lookups, keys and columns: exact, whatever the precision of the context."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import pytest

from kck_publish import KeyParameterMismatch
from kck_publish.aggregates.columns import Column
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain
from tests.zoo.models import Measured

pytestmark = pytest.mark.django_db(transaction=True)
LONG = Decimal("123456789012345678901234567890.0123456789")


def test_decimals_of_more_than_28_digits() -> None:
    """A key of forty digits names its own row, and not one nearby (B14)."""
    one, two = LONG, LONG + Decimal("0")
    with localcontext(prec=60):
        two = one + Decimal("0.0000000001")
    for amount in (one, two):
        Measured.objects.create(amount=amount, level=float(amount == two), weight=10**59 + 7)
    for _ in "computed", "stored":
        assert Measured.cached.get(pk=one).amount == one
        assert Measured.cached.get(pk=two).amount == two
        assert list(Measured.cached.in_bulk([two, one])) == [two, one]
        assert [row.amount for row in Measured.cached.all()] == [one, two]
        rows = Measured.cached.filter(weight=10**59 + 7)
        assert [row.weight for row in rows] == [Decimal(10**59 + 7)] * 2
        assert Measured.cached.filter(weight=Decimal("1E59") + 8) == []
        with localcontext(prec=3):
            assert Measured.cached.get(pk=two).amount == two
        drain()
    Measured.objects.filter(pk=two).delete()
    drain()
    with pytest.raises(Measured.DoesNotExist):
        Measured.cached.get(pk=two)
    assert Measured.cached.get(pk=one).amount == one
    assert_fresh()


def test_minus_zero_is_zero() -> None:
    """-0.0 is the lookup of 0.0, as it is for the database, and the other way round (B14)."""
    for stored, amount in ((0.0, 1), (-0.0, 2)):
        Measured.objects.create(amount=amount, level=stored)
        for _ in "computed", "stored":
            for asked in (0.0, -0.0, 0):
                row = Measured.cached.get(level=asked)
                expected = Measured.objects.get(level=asked)
                assert (row.pk, str(row.level)) == (expected.pk, str(expected.level))
            drain()
        Measured.objects.all().delete()
        drain()
    Measured.objects.create(amount=Decimal("-0.0"))
    drain()
    assert Measured.cached.get(pk=0).amount == Measured.cached.get(pk=Decimal("-0")).amount == 0


@pytest.mark.parametrize("value", ["1e999999999", "1e-999999999", "sNaN"])
def test_a_number_that_no_column_holds_costs_nothing(value: str) -> None:
    """The digits of such a number would fill the memory: it is refused (B14)."""
    with pytest.raises(KeyParameterMismatch):
        Measured.cached.get(pk=value)


@pytest.mark.parametrize("value", [LONG, -LONG, Decimal("1e59") + 7, Decimal("0.10")])
def test_a_column_of_an_aggregate_is_exact(value: Any) -> None:
    """What an aggregate adds, it can take away again (B14)."""
    with localcontext(prec=100):
        column = Column(Measured, "amount")
        column.field.decimal_places, kept = None, column.field.decimal_places  # type: ignore[attr-defined]
        clean = column.clean
        column.field.decimal_places = kept  # type: ignore[attr-defined]
    assert clean(value) == value
