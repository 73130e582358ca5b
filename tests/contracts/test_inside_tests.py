"""A cache in the tests of a project: it is not rolled back, and not flushed with the tables."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.commands import flush
from django.db import transaction

from kck_publish import Cache, stores
from kck_publish.exceptions import ConfigurationError
from kck_publish.testing import assert_fresh, drain
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.contracts.conftest import Backend

IN_A_CACHE = pytest.mark.parametrize("backend", ["locmem", "redis"], indirect=True)
cache = Cache.get_instance()


def total() -> int:
    amount: int = ItemTotal.cached.get(group=1)["amount"]
    return amount


@IN_A_CACHE
@pytest.mark.django_db
@pytest.mark.parametrize("amount", [5, 7])
def test_a_test_case_leaves_nothing_to_the_next(backend: Backend, amount: int) -> None:
    """The same keys, with other values: each test finds its own only."""
    assert stores.current().transactional
    item = Item.objects.create(pk=1, name="one", group=1, amount=amount)
    for _ in range(2):
        assert total() == amount
        assert Item.cached.get(pk=1).amount == amount
        drain()
    with pytest.raises(KeyError):
        cache.get("by/hand")
    entry = cache.set("by/hand", amount)
    assert cache.set("by/hand", amount, check_version=entry.version).value == amount
    with transaction.atomic():
        Item.objects.update(amount=amount + 1)
        drain()
        assert total() == amount + 1
        transaction.set_rollback(True)
    assert total() == amount
    assert_fresh()
    item.delete()
    drain()
    with pytest.raises(Item.DoesNotExist):
        Item.cached.get(pk=1)


@IN_A_CACHE
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("amount", [5, 7])
def test_a_transaction_test_case_leaves_nothing_to_the_next(backend: Backend, amount: int) -> None:
    assert not stores.current().transactional
    Item.objects.create(pk=1, name="one", group=1, amount=amount)
    drain()
    assert total() == amount
    cache.set("by/hand", amount)
    call_command(flush.Command(), interactive=False, verbosity=0)
    with pytest.raises(KeyError):
        cache.get("by/hand")
    with pytest.raises(Item.DoesNotExist):
        Item.cached.get(pk=1)
    Item.objects.create(pk=1, name="one", group=1, amount=amount + 1)
    assert total() == amount + 1


@IN_A_CACHE
@pytest.mark.django_db(transaction=True)
def test_what_may_be_rolled_back_is_not_drained_into_a_cache(backend: Backend) -> None:
    with transaction.atomic(), pytest.raises(ConfigurationError, match="after the block"):
        drain()
