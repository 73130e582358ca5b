"""User code that fails inside a batch, a drain or a look of kck_verify harms nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from kck_publish import Depends, IntegerParameter, InvalidPrimer, Primer
from kck_publish.ops.verify import audit
from kck_publish.products import registry
from kck_publish.testing import assert_fresh
from kck_publish.testing import drain as drain_here
from tests.catalog.fixtures import drain, interfering, stored
from tests.catalog.models import Item
from tests.catalog.primers import Fragile


def _break() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")


def _groups(change: Any) -> list[Any]:
    _break()
    return []


@pytest.fixture
def brittle() -> Iterator[type[Primer]]:
    """A product whose keys= and post_set fail."""

    class Brittle(Primer):
        key = "brittle"
        parameters = (IntegerParameter("group"),)
        depends_on = (Depends(Item, keys=_groups),)

        def compute(self, group: int) -> int:
            return Item.objects.filter(group=group).count()

        def post_set(self, *args: Any, **parameters: Any) -> None:
            raise ValueError("not stored elsewhere")

    yield Brittle
    registry.unregister("brittle")


@pytest.mark.django_db
def test_a_drain_goes_on_after_a_query_of_keys_that_failed(brittle: type[Primer]) -> None:
    Fragile.cached.get(group=1)
    Item.objects.create(name="one", group=1, amount=5)
    drain_here()
    assert stored("fragile/1").body == b"[5]"  # type: ignore[union-attr]
    assert_fresh()


@pytest.mark.django_db
@pytest.mark.parametrize("answer", [["brittle/1"], "brittle/1", [1], [None], [Item]], ids=repr)
def test_keys_that_returns_no_parameter_dicts_stops_no_batch(answer: Any, caplog: Any) -> None:
    class Brittle(Primer):
        key = "brittle"
        parameters = (IntegerParameter("group"),)
        depends_on = (Depends(Item, keys=lambda change: answer),)

        def compute(self, group: int) -> int:
            return Item.objects.filter(group=group).count()

    try:
        assert Brittle.cached.get(group=1) == 0
        Item.objects.create(name="one", group=1, amount=5)
        drain_here()
        assert stored("brittle/1").body == b"1"  # type: ignore[union-attr]
    finally:
        registry.unregister("brittle")
    assert "keys= of brittle failed (InvalidPrimer)" in caplog.text


def test_keys_that_cannot_be_called_are_refused_where_they_stand() -> None:
    keys: Any = [{"group": 1}]
    with pytest.raises(InvalidPrimer, match="keys takes a callable, or ALL"):
        Depends(Item, keys=keys)


@pytest.mark.django_db(transaction=True)
def test_a_hook_that_fails_stops_no_batch(brittle: type[Primer], caplog: Any) -> None:
    with transaction.atomic():  # stored at its end, where no hook is called
        assert brittle.cached.get(group=1) == 0
    drain()
    Item.objects.create(name="one", group=1, amount=5)
    drain()
    assert stored("brittle/1").body == b"1"  # type: ignore[union-attr]
    assert "post_set of brittle/1 failed: builtins.ValueError" in caplog.text
    assert "not stored elsewhere" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_look_goes_on_after_a_block_that_failed() -> None:
    """Of atomic(savepoint=False), which tells Django that the transaction is lost."""
    for group in (1, 2):
        Item.objects.create(name=f"row {group}", group=group, amount=5)
        Fragile.cached.get(group=group)
    drain()

    def fail(product: str, parameters: Any) -> None:
        if product == "fragile" and parameters["group"] == 1:
            with transaction.atomic(savepoint=False):
                raise ValueError

    with interfering(fail):
        report = audit(["fragile"])
    assert [(finding.key, finding.kind) for finding in report.findings] == [
        ("fragile/1", "failing")
    ]
