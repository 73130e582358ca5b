"""STORE is changed in a project that runs: neither store takes the other's rows for answers."""

from __future__ import annotations

from typing import Any

import pytest

from kck_publish import Cache
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.contracts.conftest import Backend

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("backend", ["locmem"], indirect=True),
]
cache = Cache.get_instance()


def use(settings: Any, store: str) -> None:
    settings.KCK_PUBLISH = {**settings.KCK_PUBLISH, "STORE": store}


def amounts() -> list[int]:
    return [ItemTotal.cached.get(group=1)["amount"], Item.cached.get(name="one").amount]


def test_the_rows_of_a_cache_are_no_answers_of_the_table(backend: Backend, settings: Any) -> None:
    """Without a value they would say that there is no such row."""
    Item.objects.create(name="one", group=1, amount=5)
    drain()
    assert amounts() == [5, 5]
    cache.set("by/hand", 1)
    use(settings, "postgres")
    assert amounts() == [5, 5]
    with pytest.raises(KeyError):
        cache.get("by/hand")
    Item.objects.update(amount=6)
    drain()
    assert amounts() == [6, 6]
    assert_fresh()


def test_what_the_table_kept_meanwhile_is_true(backend: Backend, settings: Any) -> None:
    use(settings, "postgres")
    Item.objects.create(name="one", group=1, amount=5)
    drain()
    assert amounts() == [5, 5]
    use(settings, "cache:shared")
    Item.objects.update(amount=6)
    drain()
    assert amounts() == [6, 6]
    use(settings, "postgres")
    assert amounts() == [6, 6]
    drain()
    assert_fresh()
