"""A value that is too large is not stored: whoever computes it is given it; a refresh fails."""

from __future__ import annotations

from typing import Any

import pytest

from kck_publish import Cache, InvalidPrimer, Primer, TooLarge
from kck_publish.products import registry
from tests.catalog.fixtures import drain, sql
from tests.catalog.models import Item
from tests.catalog.primers import Fragile

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


def _fill(number: int) -> None:
    Item.objects.bulk_create(
        Item(name=f"{number}.{n}", group=1, amount=1000) for n in range(number)
    )


@pytest.mark.parametrize("by", ["setting", "primer"])
def test_a_refresh_fails_as_any_refresh_does(
    by: str, settings: Any, monkeypatch: Any, caplog: Any
) -> None:
    if by == "primer":
        monkeypatch.setattr(Fragile, "max_bytes", 30)
    settings.KCK_PUBLISH = {"MAX_VALUE_BYTES": 30 if by == "setting" else 10**6}
    _fill(2)
    assert cache.get("fragile/1") == [1000] * 2
    _fill(20)
    drain()
    assert cache.entry("fragile/1").value == [1000] * 2
    [(error,)] = sql("SELECT error FROM kck_publish_failure WHERE key = 'fragile/1'")
    assert "TooLarge" in error
    assert "The value of 'fragile/1' has 111 bytes; 30 may be stored." in caplog.text


def test_a_reader_is_given_it(settings: Any, caplog: Any) -> None:
    settings.KCK_PUBLISH = {"MAX_VALUE_BYTES": 30}
    _fill(20)
    assert cache.get("fragile/1") == [1000] * 20
    assert not cache.is_set("fragile/1")
    assert "has 101 bytes; 30 may be stored" in caplog.text
    with pytest.raises(TooLarge):
        cache.refresh("fragile/1", queued=False)
    with pytest.raises(TooLarge):
        cache.set("any/key", "x" * 100)


def test_a_limit_that_is_none() -> None:
    with pytest.raises(InvalidPrimer, match="max_bytes is a number of bytes, not 0"):
        type("Wrong", (Primer,), {"key": "wrong", "max_bytes": 0, "compute": lambda self: 1})
    assert "wrong" not in registry.graph().products
