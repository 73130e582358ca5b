"""Manual writes within one transaction: each counts for those that follow it."""

from __future__ import annotations

import pytest
from django.db import transaction

from kck_publish import Cache, VersionMismatch
from tests.catalog.fixtures import drain
from tests.catalog.models import Item
from tests.contracts.conftest import Backend

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
KEYS = pytest.mark.parametrize("key", ["by/hand", "item_total/1"])


@pytest.fixture(autouse=True)
def row(backend: Backend, transactional_db: None) -> Item:
    row = Item.objects.create(name="one", group=1, amount=5)
    drain()
    return row


@KEYS
def test_a_version_that_the_same_transaction_has_set(key: str) -> None:
    cache.set(key, {"amount": 1, "count": 0})
    with transaction.atomic():
        first = cache.set(key, {"amount": 2, "count": 0})
        second = cache.set(key, {"amount": 3, "count": 0}, check_version=first.version)
        with pytest.raises(VersionMismatch):
            cache.set(key, {"amount": 4, "count": 0}, check_version=first.version)
    entry = cache.entry(key)
    assert (entry.value["amount"], entry.version) == (3, second.version)


@KEYS
def test_a_version_that_was_set_in_a_savepoint_that_is_rolled_back(key: str) -> None:
    before = cache.set(key, {"amount": 1, "count": 0})
    with transaction.atomic():
        with transaction.atomic():
            cache.set(key, {"amount": 2, "count": 0})
            transaction.set_rollback(True)
        cache.set(key, {"amount": 3, "count": 0}, check_version=before.version)
    assert cache.get(key)["amount"] == 3


@KEYS
def test_what_the_same_transaction_has_removed_has_no_version(key: str) -> None:
    for remove in (lambda: cache.unset(key), cache.clear):
        before = cache.set(key, {"amount": 1, "count": 0})
        with transaction.atomic():
            remove()
            assert not cache.unset(key)
            with pytest.raises(VersionMismatch):
                cache.set(key, {"amount": 2, "count": 0}, check_version=before.version)
        assert not cache.is_set(key)


@KEYS
def test_what_is_set_after_a_clear_stays(key: str) -> None:
    cache.set(key, {"amount": 1, "count": 0})
    cache.set("by/hand/too", 1)
    with transaction.atomic():
        cache.clear()
        cache.set(key, {"amount": 2, "count": 0})
    assert cache.get(key)["amount"] == 2
    assert not cache.is_set("by/hand/too")


def test_a_clear_that_is_rolled_back_removes_nothing() -> None:
    cache.set("by/hand", 1)
    with transaction.atomic():
        cache.clear()
        transaction.set_rollback(True)
    assert cache.get("by/hand") == 1
