"""A paused product: its changes are kept, nothing is computed, and resumed it is true again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError
from django.test import override_settings

from kck_publish import Behind, Cache, Depends, IntegerParameter, Primer
from kck_publish.products import registry
from kck_publish.refresh import paused_products
from kck_publish.testing import assert_fresh, travel
from tests.catalog.fixtures import Session, computes, drain, interfering, sql, stored
from tests.catalog.models import Author, Book, Edition, Item
from tests.catalog.primers import Fragile, ItemNames, ItemTotal, Shelf, Stock
from tests.integration.test_commands import run, status

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
GROUPS = range(12)


@pytest.fixture
def items(transactional_db: None) -> list[Item]:
    rows = [Item.objects.create(name=f"n{group}", group=group, amount=1) for group in GROUPS]
    for group in GROUPS:
        ItemTotal.cached.get(group=group)
    ItemNames.cached.get(group=1)
    drain()
    return rows


def amount(group: int) -> int:
    sql("SELECT set_config('kck_publish.wrote', '', false)")
    return int(cache.get(f"item_total/{group}")["amount"])


@pytest.mark.parametrize("shards", [1, 3])
def test_changes_are_kept_and_nothing_is_computed(items: list[Item], shards: int) -> None:
    """Over restarts of the listener (each drain is one), too; then each change counts once."""
    with override_settings(KCK_PUBLISH={"SHARDS": shards}):
        drain()
        assert run("kck_pause", "item_total", "--by", "ops").split() == ["item_total", "paused"]
        with computes() as seen:
            for _ in range(3):
                sql("UPDATE catalog_item SET amount = amount + 1, name = name || 'x'")
                drain()
        assert set(seen) == {"item_names"}
        assert [amount(group) for group in GROUPS] == [1] * len(GROUPS)
        assert stored("item_total/1").behind  # type: ignore[union-attr]
        assert not stored("item_names/1").behind  # type: ignore[union-attr]
        (paused,) = status()["paused"]
        assert (paused["product"], paused["by"], paused["keys"]) == ("item_total", "ops", 12)
        assert status()["healthy"], status()["problems"]
        run("kck_resume", "item_total")
        sql("UPDATE catalog_item SET amount = amount + 1")  # before anything is primed
        with computes() as seen:
            drain()
        assert sorted(seen) == ["item_total"] * len(GROUPS)  # primed once, and not amended too
        assert [amount(group) for group in GROUPS] == [5] * len(GROUPS)
        assert not stored("item_total/1").behind  # type: ignore[union-attr]
        sql("UPDATE catalog_item SET amount = amount + 1")
        with computes() as seen:
            drain()
        assert sorted(seen) == ["item_total+"] * len(GROUPS)
        assert_fresh()
        assert status()["paused"] == []
        assert sql("SELECT * FROM kck_publish_postponed") == []


def test_a_change_from_before_the_pause_is_handled_after_it(items: list[Item]) -> None:
    sql("UPDATE catalog_item SET amount = 7")
    paused_products.pause(["item_total"])
    drain()
    assert amount(1) == 1
    paused_products.resume(["item_total"])
    drain()
    assert amount(1) == 7


def test_when_behind_says_what_is_read(items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    paused_products.pause(["item_total"])
    sql('UPDATE catalog_item SET amount = 7 WHERE "group" = 1')
    drain()
    assert amount(1) == 1
    monkeypatch.setattr(ItemTotal, "when_behind", "raise")
    with pytest.raises(Behind, match="its refresh fails, or is paused"):
        amount(1)
    assert amount(2) == 1  # nothing has changed
    monkeypatch.setattr(ItemTotal, "when_behind", "compute")
    assert amount(1) == 7
    assert b'"amount":1' in stored("item_total/1").body  # type: ignore[operator, union-attr]


def test_a_whole_product_and_an_eager_domain(items: list[Item]) -> None:
    """A domain is not asked; afterwards it is compared, and all that is stored is primed."""
    asked: list[int] = []

    class Squares(Primer):
        key = "squares"
        parameters = (IntegerParameter("group"),)
        depends_on = (Depends(Item, group="group"),)
        eager = True

        def compute(self, group: int) -> int:
            return int(Item.objects.filter(group=group).count() * 10)

        def domain(self) -> Any:
            asked.append(1)
            return [{"group": group} for group in Item.objects.values_list("group", flat=True)]

    try:
        drain()
        assert cache.get("squares/3") == 10
        paused_products.pause(["squares"])
        asked.clear()
        sql("TRUNCATE catalog_item CASCADE")
        Item.objects.create(name="late", group=99, amount=1)
        drain()
        drain()  # a listener that starts looks at the domains
        assert asked == []
        assert stored("squares/3").behind  # type: ignore[union-attr]
        assert stored("squares/99") is None
        paused_products.resume(["squares"])
        drain()
        assert stored("squares/3") is None
        assert stored("squares/99").body == b"10"  # type: ignore[union-attr]
        assert_fresh("squares")
    finally:
        registry.unregister("squares")


@pytest.fixture
def shelf(transactional_db: None) -> Book:
    author = Author.objects.create(pk=1, slug="a", first="A", last="A")
    book = Book.objects.create(pk=1, author=author, title="T", price=8)
    Edition.objects.create(book=book, copies=10)
    Shelf.cached.get(author=1)
    Stock.cached.get(book=1)
    drain()
    return book


@pytest.mark.parametrize("since", ["before", "since"])
def test_what_depends_on_it_follows_when_it_is_resumed(shelf: Book, since: str) -> None:
    """Whether its value was stored before the last batch, or since by a reader."""
    if since == "since":
        sql("DELETE FROM kck_publish_entry WHERE key = 'stock/1'")
        Stock.cached.get(book=1)
    paused_products.pause(["stock"])
    sql("UPDATE catalog_edition SET copies = 11")
    with computes() as seen:
        drain()
    assert seen == []
    sql("UPDATE catalog_book SET title = 'U'")  # the shelf's own: computed from what is stored
    with computes() as seen:
        drain()
    assert set(seen) == {"shelf", "titles"}
    assert cache.get("shelf/1") == {"U": 10}
    paused_products.resume(["stock"])
    drain()
    assert cache.get("shelf/1") == {"U": 11}
    assert_fresh()


def test_a_batch_that_began_before_the_resume(items: list[Item]) -> None:
    """It finds the product paused, and writes when it is not any more: nothing is forgotten."""
    paused_products.pause(["item_total"])
    sql("UPDATE catalog_item SET amount = 7, name = name || 'x' WHERE \"group\" = 1")
    resumed: list[list[str]] = []

    def resume(product: str, parameters: Any) -> None:
        if product == "item_names" and not resumed:
            resumed.append(Session(lambda: paused_products.resume(["item_total"])).result())

    with interfering(resume):
        drain()
    assert resumed == [["item_total"]]
    drain()
    assert amount(1) == 7
    assert sql("SELECT * FROM kck_publish_postponed") == []
    assert_fresh()


def test_a_resume_waits_for_a_batch_that_writes(items: list[Item]) -> None:
    """What a batch has noted, and not committed, is not passed over."""
    from kck_publish.refresh.paused_products import Postponing
    from tests.catalog.fixtures import another_session

    paused_products.pause(["item_total"])
    with another_session(autocommit=False) as batch:
        postponing = Postponing(frozenset({"item_total"}))
        postponing.key(registry.get("item_total"), "item_total/1")
        with batch.cursor() as cursor:
            postponing.write(cursor, 0, 1)
        resuming = Session(lambda: paused_products.resume(["item_total"]))
        resuming.join(0.3)
        assert resuming.is_alive()
        batch.commit()
        assert resuming.result() == ["item_total"]
    assert sql("SELECT new FROM kck_publish_change WHERE op = 'refresh'") == [(["item_total/1"],)]
    assert sql("SELECT * FROM kck_publish_postponed") == []


def test_a_retry_waits_for_the_resume(items: list[Item]) -> None:
    Fragile.cached.get(group=1)
    drain()
    Item.objects.update(amount=9)

    def fail(product: str, parameters: Any) -> None:
        if product == "fragile":
            raise RuntimeError

    with interfering(fail):
        drain()
    paused_products.pause(["fragile"])
    with travel(timedelta(hours=1)), computes() as seen:
        drain()
    assert seen == []
    assert status()["queue"]["retries"] == 1  # kept, with its attempts
    paused_products.resume(["fragile"])
    with travel(timedelta(hours=1)):
        drain()
    assert cache.get("fragile/1") == [9]
    assert status()["queue"]["retries"] == 0


def test_a_miss_is_primed_by_its_reader(items: list[Item]) -> None:
    """And what changes then is postponed like any other."""
    paused_products.pause(["item_names"])
    assert ItemNames.cached.get(group=2) == [[items[2].pk, "n2"]]
    drain()
    sql("UPDATE catalog_item SET name = 'other' WHERE \"group\" = 2")
    drain()
    assert stored("item_names/2").behind  # type: ignore[union-attr]
    run("kck_resume", "--all")
    drain()
    assert cache.get("item_names/2") == [[items[2].pk, "other"]]


def test_names_that_are_wrong(transactional_db: None) -> None:
    with pytest.raises(CommandError, match="item_total"):
        run("kck_pause", "item_totals")
    with pytest.raises(CommandError, match="Not paused: item_total"):
        run("kck_resume", "item_total")
    with pytest.raises(CommandError, match="--all"):
        run("kck_resume")
    run("kck_pause", "item_total")
    assert "was paused already" in run("kck_pause", "item_total")
