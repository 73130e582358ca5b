"""The panel of django-debug-toolbar: what a request has read, written and touched."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from debug_toolbar.toolbar import DebugToolbar
from django.test import AsyncClient, Client

from kck_publish import Cache
from kck_publish.reading import observed
from kck_publish.testing import travel
from tests.catalog.fixtures import drain, followed
from tests.catalog.models import Author, Book, Item
from tests.catalog.primers import Stock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
cache = Cache.get_instance()


@pytest.fixture(autouse=True)
def toolbar(project: None, settings: Any) -> Iterator[list[DebugToolbar]]:
    """The toolbar; gives what it has made of each request."""
    made: list[DebugToolbar] = []

    def created(sender: Any, toolbar: DebugToolbar, **_: Any) -> None:
        made.append(toolbar)

    settings.DEBUG = True
    settings.DEBUG_TOOLBAR_CONFIG = {"SHOW_TOOLBAR_CALLBACK": show}
    settings.MIDDLEWARE = ["debug_toolbar.middleware.DebugToolbarMiddleware"]
    DebugToolbar._created.connect(created)
    yield made
    DebugToolbar._created.disconnect(created)
    assert not observed.on


def show(request: Any) -> bool:
    return True


def stats(toolbar: list[DebugToolbar]) -> dict[str, Any]:
    """What the panel has kept of the last request, which is also what its page shows."""
    panel: Any
    (panel,) = toolbar[-1].enabled_panels
    found: dict[str, Any] = panel.get_stats()
    assert all(read["key"] in panel.content for read in found["reads"])
    return found


def seen(toolbar: list[DebugToolbar]) -> list[tuple[str, str]]:
    return [(read["key"], read["layer"]) for read in stats(toolbar)["reads"]]


def test_reads_tell_their_layer_age_and_place(
    items: list[Item], toolbar: list[DebugToolbar]
) -> None:
    """Also that one read of several keys would have been enough."""
    with travel(timedelta(minutes=5)):
        Client().get("/totals/?group=1&group=2&group=9")
    table, computed = "table", "computed"
    assert seen(toolbar) == [
        ("item_total/1", table), ("item_total/2", table), ("item_total/9", computed),
    ]  # fmt: skip
    found = stats(toolbar)
    first, _, last = found["reads"]
    assert 300 <= first["age"] < 400
    assert last["age"] is None
    assert first["milliseconds"] > 0
    assert Path(first["where"].rpartition(":")[0]).name == "urls.py"
    (repeated,) = found["repeated"]
    assert (repeated["product"], repeated["reads"]) == ("item_total", 3)
    assert found["changes"] == []


def test_one_read_of_several_keys_is_not_complained_of(
    items: list[Item], toolbar: list[DebugToolbar]
) -> None:
    Client().get("/totals/?group=1&group=2&together=1")
    found = stats(toolbar)
    assert [read["number"] for read in found["reads"]] == [1, 1]
    assert found["repeated"] == []


def test_the_memo_of_a_request(
    items: list[Item], toolbar: list[DebugToolbar], settings: Any
) -> None:
    settings.MIDDLEWARE += ["kck_publish.request.GlobalRequestMiddleware"]
    Client().get("/totals/?group=1&group=1")
    assert seen(toolbar) == [("item_total/1", "table"), ("item_total/1", "memo")]
    assert stats(toolbar)["repeated"] == []


def test_a_near_store(
    items: list[Item], toolbar: list[DebugToolbar], settings: Any, tmp_path: Path
) -> None:
    """It is read as ever, before and after a request that is observed."""
    settings.KCK_PUBLISH = {"NEAR": str(tmp_path / "near"), "NEAR_LEASE": 5.0}
    with followed(str(tmp_path / "near")):
        Client().get("/totals/?group=1&group=2")
        assert seen(toolbar) == [("item_total/1", "near"), ("item_total/2", "near")]
        assert stats(toolbar)["reads"][0]["age"] >= 0
        assert stats(toolbar)["repeated"] == []


def test_a_cache_as_the_store(
    items: list[Item], toolbar: list[DebugToolbar], settings: Any
) -> None:
    settings.KCK_PUBLISH = {"STORE": "cache:default"}
    Client().get("/totals/?group=1")
    Client().get("/totals/?group=1")
    assert seen(toolbar) == [("item_total/1", "cache")]


def test_reads_inside_a_compute(toolbar: list[DebugToolbar]) -> None:
    author = Author.objects.create(slug="a", first="A", last="B")
    book = Book.objects.create(author=author, title="T")
    Stock.cached.get(book=book.pk)
    drain()
    Client().get(f"/shelf/?key=shelf/{author.pk}")
    reads = {(read["key"], read["inside"]) for read in stats(toolbar)["reads"]}
    assert reads == {(f"shelf/{author.pk}", False), (f"stock/{book.pk}", True)}


def test_writes_and_what_they_touch(items: list[Item], toolbar: list[DebugToolbar]) -> None:
    """Of this request alone, and down to products over products."""
    Item.objects.filter(group=2).update(amount=77)
    Client().get("/totals/?group=1&amount=5")
    found = stats(toolbar)
    (change,) = found["changes"]
    assert (change["source"], change["op"], change["rows"]) == ("catalog_item", "update", 1)
    assert change["columns"] == ["amount"]
    touched = {each["product"]: each for each in found["touched"]}
    assert touched["item_total"]["names"] == ["item_total/1"]
    assert "item_names" not in touched
    assert found["problem"] == ""


def test_products_over_products_are_touched_too(toolbar: list[DebugToolbar]) -> None:
    from kck_publish.contrib.debug_toolbar.written import _downstream

    assert _downstream({"stock"}) == ["shelf", "shelf_sum"]


def test_an_asynchronous_request(items: list[Item], toolbar: list[DebugToolbar]) -> None:
    async_to_sync(AsyncClient().get)("/atotals/?group=1&amount=5")
    found = stats(toolbar)
    assert found["reads"][0]["key"] == "item_total/1"
    assert [change["source"] for change in found["changes"]] == ["catalog_item"]


def test_it_is_in_the_page(items: list[Item], toolbar: list[DebugToolbar]) -> None:
    response = Client().get("/totals/?group=1")
    assert "ProductsPanel" in response.content.decode()
    assert "1 keys of 1 products" in response.content.decode()


def test_a_request_that_fails_is_observed_no_more(
    items: list[Item], toolbar: list[DebugToolbar]
) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        Client().get("/totals/?group=x")
    assert not observed.on


def test_another_context_is_not_observed(items: list[Item], toolbar: list[DebugToolbar]) -> None:
    from kck_publish.contrib.debug_toolbar.reads import Reads
    from tests.catalog.fixtures import Session

    reads = Reads()
    observed.begin(reads)
    try:
        assert Session(lambda: cache.get("item_total/1")).result()["amount"] == 1
        assert reads.count == 0
        cache.get("item_total/1")
        assert reads.count == 1
    finally:
        observed.end()
    cache.get("item_total/1")
    assert reads.count == 1


def test_many_keys_are_counted_and_some_are_shown(
    transactional_db: None, toolbar: list[DebugToolbar]
) -> None:
    query = "&".join(f"group={number}" for number in range(520))
    Client().get(f"/totals/?together=1&{query}")
    found = stats(toolbar)
    assert (found["count"], len(found["reads"]), found["more"]) == (520, 500, 20)
