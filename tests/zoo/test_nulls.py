"""Lookups of one row by NULL, and by what many rows share: no more than two of them are read."""

from __future__ import annotations

from typing import Any

import pytest

from kck_publish.products import registry
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain
from tests.zoo.models import Nameless

pytestmark = pytest.mark.django_db(transaction=True)


def answer(ask: Any, **lookup: Any) -> Any:
    try:
        return ask(**lookup).pk
    except (Nameless.DoesNotExist, Nameless.MultipleObjectsReturned) as error:
        return type(error).__name__


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_a_change_of_a_row_with_null_reads_two_of_them(count: int) -> None:
    """With however many NULLs two rows are read, and the answer is right (C6)."""
    Nameless.objects.bulk_create([Nameless() for _ in range(count)])
    Nameless.objects.bulk_create([Nameless(code=str(n), group=7, place=n) for n in range(count)])
    lookups: list[dict[str, Any]] = [
        {"code": None}, {"group": None}, {"group": None, "place": None}, {"group": 7},
        {"group": 7, "place": 0}, {"code": "0"}, {"code": "x"}, {"group": 7, "place": None},
    ]  # fmt: skip
    for _ in "computed", "stored", "changed":
        for lookup in lookups:
            assert answer(Nameless.cached.get, **lookup) == answer(Nameless.objects.get, **lookup)
            product: Any = Nameless.cached.product_of(tuple(lookup))
            names = [parameter.name for parameter in product.parameters]
            (rows,) = [*product.rows([lookup]).values()] or [[]]
            assert len(rows) <= 2, (lookup, names)
        assert len(Nameless.cached.filter(group=7)) == count
        assert len(Nameless.cached.filter(group=None)) == count
        drain()
        Nameless.objects.filter(pk=Nameless.objects.order_by("pk").values("pk")[:1]).update(place=9)
        drain()
    assert_fresh()


def test_null_among_other_keys_is_asked_by_itself() -> None:
    """A batch of many keys, of which one is NULL, does not read all NULLs either (C6)."""
    Nameless.objects.bulk_create([Nameless(code=str(n) if n < 3 else None) for n in range(40)])
    product: Any = registry.get("zoo.nameless:code")
    found = product.rows([{"code": None}, *({"code": str(n)} for n in range(3)), {"code": "x"}])
    assert sorted(map(len, found.values())) == [1, 1, 1, 2]
