"""Several models of one table: each is told of every change, in its own columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kck_publish.products import registry
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain
from tests.kinds.alike import differences
from tests.zoo.models import Account, Full, Item, Ledger, Slim, Tag, Tagged
from tests.zoo.primers import Kinds, Names, Sizes, TagCounts

pytestmark = pytest.mark.django_db(transaction=True)


def rows(ask: Callable[[], Any]) -> list[Any]:
    """The rows; none when there is none."""
    try:
        found = ask()
    except (Full.DoesNotExist, Slim.DoesNotExist):
        return []
    return found if isinstance(found, list) else [found]


def assert_alike() -> None:
    """Everything that is read of the table is what a fresh look gives."""
    drain()
    pairs: Any = (
        *(
            (lambda n=n: Full.cached.get(name=n), lambda n=n: Full.objects.get(name=n))
            for n in "ab"
        ),
        *(
            (lambda k=k: Slim.cached.filter(sort=k), lambda k=k: list(Slim.objects.filter(sort=k)))
            for k in "xy"
        ),
        (Full.cached.all, lambda: list(Full.objects.order_by("pk"))),
        (Slim.cached.all, lambda: list(Slim.objects.order_by("pk"))),
    )
    for cached, objects in pairs:
        expected, found = rows(objects), rows(cached)
        assert len(expected) == len(found)
        for row, other in zip(found, expected, strict=True):
            assert not differences(row, other)
    for kind in "xy":
        assert Sizes.cached.get(kind=kind) == Sizes().compute(kind)
    assert Names.cached.get() == Names().compute()
    assert Kinds.cached.get() == Kinds().compute()
    assert_fresh()


def test_two_models_of_one_table() -> None:
    """Two models over one db_table: the union is captured, each gets its own changes (B12)."""
    assert_alike()
    Full.objects.create(name="a", kind="x", size=1)
    for change in ({"size": 2}, {"kind": "y"}, {"name": "b"}):
        assert_alike()
        Full.objects.update(**change)
    assert_alike()
    Slim.objects.update(size="3", sort="x")
    assert_alike()
    Full.objects.create(name="c", kind="x", size=9)
    assert_alike()
    Full.objects.all().delete()
    assert_alike()
    source = registry.graph().sources["zoo_thing"]
    assert source.models == (Full, Slim)
    assert set(source.captured) == {"id", "name", "kind", "size"}


def test_a_model_over_the_table_of_a_many_to_many_field() -> None:
    """A model of one's own over an automatic table, with another primary key (B12)."""
    item, (one, two) = Item.objects.create(name="i"), [Tag.objects.create(name=n) for n in "ab"]

    def check() -> None:
        drain()
        expected = [row.pk for row in Tagged.objects.order_by("pk")]
        assert [row.pk for row in Tagged.cached.all()] == expected
        assert [row.pk for row in Tagged.cached.filter(item=item)] == expected
        assert TagCounts.cached.get() == len(expected)
        for pk in expected:
            assert Tagged.cached.get(pk=pk).tag_id == pk[1]
        assert_fresh()

    acts: list[Callable[[], object]] = [
        lambda: item.tags.add(one),
        lambda: item.tags.add(two),
        lambda: item.tags.remove(one),
        lambda: Tagged.objects.filter(tag=two).update(tag=one),
        lambda: item.tags.clear(),
    ]
    for act in acts:
        check()
        act()
    check()


def test_a_method_depends_on_the_rows_that_its_row_points_to() -> None:
    """Named by the relation in their direction, which is a path of one step."""
    account = Account.objects.create(name="a")
    ledger = Ledger.objects.create(account=account)
    assert ledger.owner() == "a"
    drain()
    Account.objects.filter(pk=account.pk).update(name="b")
    drain()
    assert Ledger.objects.get().owner() == "b"
    Ledger.objects.update(account=Account.objects.create(name="c"))
    drain()
    assert Ledger.objects.get().owner() == "c"
    assert_fresh()
