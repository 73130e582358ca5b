"""What the hooks of a primer and the signals of the listener tell, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kck_publish import Cache, Depends, IntegerParameter, Primer, signals
from kck_publish.products import registry
from tests.catalog.fixtures import drain, interfering, stored
from tests.catalog.models import Author, Item
from tests.catalog.primers import Fragile, ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
Told = tuple[str, type, str, str, Any]


@pytest.fixture
def told(transactional_db: None) -> Iterator[list[Told]]:
    """Each signal that was sent: its name, sender, product, key, and what else it said."""
    found: list[Told] = []
    receivers = {}
    for name in ("primed", "augmented", "published", "removed", "failed"):

        def receive(
            signal: Any, sender: type, product: str, key: str, name: str = name, **more: Any
        ) -> None:
            found.append((name, sender, product, key, more))
            raise ValueError("a receiver that fails harms nothing")

        receivers[name] = receive
        getattr(signals, name).connect(receive)
    yield found
    for name, receive in receivers.items():
        getattr(signals, name).disconnect(receive)


@pytest.fixture
def steps() -> Iterator[list[Any]]:
    """The product ``hooked``, and the calls of its hooks."""
    calls: list[Any] = []

    def hook(name: str) -> Any:
        def call(self: Any, *value: Any, group: int) -> None:
            calls.append((name, *value, group))

        return call

    class Hooked(Primer):
        key = "hooked"
        parameters = (IntegerParameter("group"),)
        depends_on = (Depends(Item, group="group"),)

        def compute(self, group: int) -> int:
            calls.append(("compute", group))
            return Item.objects.filter(group=group).count()

        pre_prime, post_prime = hook("pre_prime"), hook("post_prime")
        pre_set, post_set = hook("pre_set"), hook("post_set")

    yield calls
    registry.unregister("hooked")


def prime(value: int) -> list[Any]:
    return [
        ("pre_prime", 1),
        ("compute", 1),
        ("post_prime", value, 1),
        ("pre_set", value, 1),
        ("post_set", value, 1),
    ]


def test_hooks_in_order(steps: list[Any], transactional_db: None) -> None:
    assert cache.get("hooked/1") == 0
    assert steps == prime(0)
    drain()
    steps.clear()
    Item.objects.create(name="x", group=1)
    drain()
    assert steps == prime(1)
    steps.clear()
    cache.set("hooked/1", 5)
    assert steps == [("pre_set", 5, 1), ("post_set", 5, 1)]
    steps.clear()
    cache.refresh("hooked/1", queued=False)
    assert steps == prime(1)
    steps.clear()
    Item.objects.update(name="y")  # nothing new: nothing is written
    drain()
    assert steps == [*prime(1)[:4]]


def test_signals(told: list[Told]) -> None:
    row = Item.objects.create(name="x", group=1, amount=1)
    cache.get_many(["item_total/1", "fragile/1"])
    drain()
    told.clear()

    def fail(name: str, parameters: Any) -> None:
        if name == "fragile":
            raise OSError

    with interfering(fail):
        row.amount = 2
        row.save()
        drain()
    key = f"catalog.item/{row.pk}"
    said = {(name, sender, product, key): more for name, sender, product, key, more in told}
    published = said["published", Item, "catalog.item", key]
    assert published.keys() == {"seconds", "bytes", "changes", "reason", "lag"}
    assert (published["bytes"], published["changes"]) == (len(stored(key).body), None)  # type: ignore[union-attr, arg-type]
    augmented = said["augmented", ItemTotal, "item_total", "item_total/1"]
    assert augmented["reason"].startswith("change: update of catalog_item, xid ")
    assert augmented["changes"] == 1
    assert augmented["lag"] > 0
    ((sender, failed, more),) = [
        (sender, key, more) for name, sender, _, key, more in told if name == "failed"
    ]
    assert (sender, failed) == (Fragile, "fragile/1")
    assert isinstance(more["error"], OSError)
    assert more["attempts"] == 1
    assert more["due_at"] is not None
    told.clear()
    cache.refresh("fragile/1")
    sender_of_author = Author.objects.create(slug="a", first="A", last="A")
    cache.get(f"author_page/{sender_of_author.pk}")
    row.delete()
    drain()
    said = {(name, sender, product, key): more for name, sender, product, key, more in told}
    assert said["primed", Fragile, "fragile", "fragile/1"]["seconds"] > 0
    assert said["removed", Item, "catalog.item", key]["reason"].startswith("change: delete of ")
