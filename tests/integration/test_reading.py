"""The read path: lookups, products and ``Cache``; what a reader is told; what it costs."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from kck_publish import (
    Cache,
    KckPublishError,
    KeyParameterMismatch,
    NotPrimed,
    UndeclaredLookup,
    UnknownProduct,
    Unserializable,
    VersionMismatch,
)
from kck_publish.request import GlobalRequest
from kck_publish.testing import assert_fresh, travel
from tests.catalog.fixtures import computes, drain, reads, stored
from tests.catalog.models import Author, Item, Publisher, Seat
from tests.catalog.primers import Anything, ItemNames, ItemTotal, OnlyPrimed

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


@pytest.fixture
def author(transactional_db: None) -> Author:
    author = Author.objects.create(slug="le-guin", first="Ursula", last="Le Guin")
    drain()
    return author


@pytest.fixture
def values(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the product ``anything`` gives, by name."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(Anything, "values", found)
    yield found
    cache.clear("anything")


# Rows


def test_get_by_pk_and_by_lookups_in_any_spelling(author: Author) -> None:
    pk = author.pk
    for lookup in (
        {"pk": pk},
        {"id": pk},
        {"pk": str(pk)},
        {"slug": "le-guin"},
        {"last": "Le Guin", "first": "Ursula"},
        {"first": "Ursula", "last": "Le Guin"},
    ):
        found = Author.cached.get(**lookup)
        assert found == author
        assert found.__dict__ | {"_state": 0} == author.__dict__ | {"_state": 0}
        assert not found._state.adding
        assert found._state.db == "default"


def test_a_foreign_key_by_name_attname_and_instance(author: Author) -> None:
    publisher = Publisher.objects.create(name="Ace")
    assert Publisher.cached.get(name="Ace").pk == publisher.pk
    assert Publisher.cached.get(pk=publisher).name == "Ace"


def test_a_composite_primary_key(transactional_db: None) -> None:
    Seat.objects.create(row="A", number=1, guest="Ada")
    for lookup in ({"pk": ("A", 1)}, {"row": "A", "number": 1}, {"number": "1", "row": "A"}):
        assert Seat.cached.get(**lookup).guest == "Ada"
    assert Seat.cached.in_bulk([("A", 1), ("B", 1)]) == {("A", 1): Seat.objects.get()}
    with pytest.raises(KeyParameterMismatch, match=r"pk takes \(row, number\)"):
        Seat.cached.get(pk="A")


def test_a_read_is_one_look_at_the_store_and_no_query_on_a_source(author: Author) -> None:
    Author.cached.get(pk=author.pk)
    reads: list[Callable[[], Any]] = [
        lambda: Author.cached.get(slug="le-guin"),
        lambda: Author.cached.in_bulk([author.pk, author.pk + 0]),
        lambda: Author.cached.get(first="Ursula", last="Le Guin"),
    ]
    for read in reads:
        with CaptureQueriesContext(connection) as queries:
            assert read()
        assert len(queries) == 1
        assert "kck_publish_entry" in queries[0]["sql"]


def test_many_rows_are_one_round_trip(transactional_db: None) -> None:
    Item.objects.bulk_create([Item(name=f"i{n}", group=n % 2, amount=n) for n in range(50)])
    drain()
    pks = list(Item.objects.order_by("-pk").values_list("pk", flat=True))
    Item.cached.get(pk=pks[0])
    with CaptureQueriesContext(connection) as queries:
        found = Item.cached.in_bulk(pks)
        by_name = Item.cached.in_bulk([f"i{n}" for n in range(50)], field_name="name")
    assert len(queries) == 2
    assert list(found) == pks
    assert list(by_name) == [f"i{n}" for n in range(50)]
    missing = Item.cached.in_bulk(["i1", "nobody"], field_name="name")
    assert list(missing) == ["i1"]
    assert Item.cached.in_bulk([]) == {}


def test_lists_are_in_pk_order_and_may_be_empty(transactional_db: None) -> None:
    Item.objects.bulk_create([Item(name=f"i{n}", group=n % 2) for n in range(6)])
    assert [row.name for row in Item.cached.filter(group=1)] == ["i1", "i3", "i5"]
    assert Item.cached.filter(group=9) == []
    Item.objects.create(name="x", group=9)
    Item.objects.filter(name="i3").update(group=0)
    drain()
    assert [row.name for row in Item.cached.filter(group=9)] == ["x"]
    assert [row.name for row in Item.cached.filter(group=1)] == ["i1", "i5"]
    assert_fresh()


def test_a_row_that_does_not_exist_is_an_answer_that_is_kept_and_kept_true(
    transactional_db: None,
) -> None:
    with pytest.raises(Author.DoesNotExist):
        Author.cached.get(slug="lem")
    drain()
    with CaptureQueriesContext(connection) as queries, pytest.raises(Author.DoesNotExist):
        Author.cached.get(slug="lem")
    assert len(queries) == 1
    author = Author.objects.create(slug="lem")
    drain()
    assert Author.cached.get(slug="lem") == author
    author.delete()
    drain()
    with pytest.raises(Author.DoesNotExist):
        Author.cached.get(slug="lem")


def test_more_than_one_row(transactional_db: None) -> None:
    for slug in "ab":
        Author.objects.create(slug=slug, first="Ada", last="L")
    with pytest.raises(Author.MultipleObjectsReturned):
        Author.cached.get(first="Ada", last="L")
    assert len(Author.cached.filter(last="L")) == 2


def test_get_or_create(transactional_db: None) -> None:
    row, created = Author.cached.get_or_create(slug="x", defaults={"first": "F"})
    assert (row.first, created) == ("F", True)
    assert Author.cached.get_or_create(slug="x", defaults={"first": "G"}) == (row, False)
    assert Author.objects.get().first == "F"


@pytest.mark.parametrize(
    "lookup",
    [{"first": "U"}, {"slug__startswith": "x"}, {"slug": "x", "first": "y"}, {"no": 1}, {}],
)
def test_an_undeclared_lookup_names_the_declared_ones(
    lookup: dict[str, Any], transactional_db: None
) -> None:
    with pytest.raises(UndeclaredLookup) as caught:
        Author.cached.get(**lookup)
    text = str(caught.value)
    assert text.startswith(f"Author declares no lookup by ({', '.join(lookup)})")
    assert "declared: (pk), (slug), (first, last)" in text
    assert "Author.cached_by" in text
    with pytest.raises(UndeclaredLookup, match=r"declared: \(last\)"):
        Author.cached.filter(slug="x")


def test_a_value_that_the_field_does_not_take(transactional_db: None) -> None:
    with pytest.raises(KeyParameterMismatch, match=r"catalog\.author: .*pk"):
        Author.cached.get(pk="one")
    with pytest.raises(KeyParameterMismatch):
        Author.cached.get(slug=None)


def test_cached_is_read_on_the_model(author: Author) -> None:
    with pytest.raises(AttributeError, match="on Author, not on its instances"):
        _ = author.cached  # type: ignore[call-overload]


def test_what_is_returned_is_the_readers_own(author: Author, values: dict[str, Any]) -> None:
    values["x"] = {"list": [1, {"deep": 2}]}
    for _ in range(2):  # the miss, and the hit
        mine = cache.get("anything/x")
        assert mine == {"list": [1, {"deep": 2}]}
        mine["list"][1]["deep"] = 99
        mine["list"].append(4)
    row = Author.cached.get(pk=author.pk)
    row.first = "changed"
    assert Author.cached.get(pk=author.pk).first == "Ursula"
    assert values["x"] == {"list": [1, {"deep": 2}]}


# Products


KINDS: dict[str, Any] = {
    "none": None,
    "date": datetime.date(2013, 1, 2),
    "datetime": datetime.datetime(2013, 1, 2, 3, 4, tzinfo=datetime.UTC),
    "time": datetime.time(3, 4),
    "timedelta": timedelta(days=1, microseconds=2),
    "decimal": decimal.Decimal("1.10"),
    "uuid": uuid.UUID(int=7),
    "bytes": b"\x00\xff",
    "tuple": (1, (2, [3])),
    "set": {1, 2},
    "nested": {"a": [None, {"b": (decimal.Decimal(1),)}]},
    "text": "täxt \U0001f600",
}


@pytest.mark.parametrize("name", KINDS)
def test_values_come_back_as_what_they_were(name: str, values: dict[str, Any]) -> None:
    values[name] = KINDS[name]
    for _ in range(2):
        found = Anything.cached.get(name=name)
        assert found == KINDS[name]
        assert type(found) is type(KINDS[name])
    with computes() as seen:
        Anything.cached.get(name=name)
    assert seen == []  # None too is a value


def test_get_many_gives_a_list_as_asked(transactional_db: None) -> None:
    Item.objects.bulk_create([Item(name=f"i{n}", group=n, amount=n) for n in range(3)])
    asked = [{"group": 2}, {"group": 0}, {"group": 2}]
    totals: list[Any] = ItemTotal.cached.get_many(asked)
    assert [one["amount"] for one in totals] == [2, 0, 2]
    with CaptureQueriesContext(connection) as queries:
        ItemTotal.cached.get_many(asked)
    assert len([one for one in queries if "kck_publish_entry" in one["sql"]]) == 1
    assert OnlyPrimed.cached.get_many([{"name": "a"}], default="-") == ["-"]
    cache.set("only_primed/b", "B")
    assert OnlyPrimed.cached.get_many([{"name": "a"}, {"name": "b"}]) == [None, "B"]
    assert ItemTotal.cached.get_many([]) == []


def test_get_bytes_is_what_is_stored(transactional_db: None) -> None:
    Item.objects.create(name="x", group=1, amount=4)
    assert ItemTotal.cached.get_bytes(group=1) == b'{"count":1,"amount":4}'
    entry = stored("item_total/1")
    assert entry is not None
    assert ItemTotal.cached.get_bytes(group=1) == entry.body


@pytest.mark.parametrize("text", ["a/b", "%2F", "ä\U0001f600", " ", "a\nb", "..", "x" * 20_000, ""])
def test_any_text_in_a_key(text: str, values: dict[str, Any]) -> None:
    values[text] = text.upper()
    assert Anything.cached.get(name=text) == text.upper()
    key = cache.build_key("anything", name=text)
    assert cache.parse_key(key) == ("anything", {"name": text})
    assert cache.get(key) == text.upper()
    assert cache.is_set(key)
    cache.refresh(key)
    drain()
    assert cache.entry(key).value == text.upper()
    assert cache.unset(key)


def test_wrong_parameters(transactional_db: None) -> None:
    for wrong in ({}, {"group": 1, "x": 2}, {"grup": 1}):
        with pytest.raises(KeyParameterMismatch, match="item_total"):
            ItemTotal.cached.get(**wrong)
    with pytest.raises(KeyParameterMismatch, match=r"item_total.*group"):
        ItemTotal.cached.get(group="one")  # type: ignore[arg-type]
    for key in ("item_total", "item_total/1/2", "item_total/one", "item_total/01"):
        with pytest.raises(KeyParameterMismatch, match="item_total"):
            cache.get(key)


def test_an_unknown_product(transactional_db: None) -> None:
    with pytest.raises(UnknownProduct, match="Did you mean item_total"):
        cache.get("item_totl/1")
    with pytest.raises(KeyError):
        cache.get("nobody/1")
    for call in (cache.entry, cache.refresh, cache.parse_key, cache.build_key):
        with pytest.raises(UnknownProduct):
            call("nobody/1")
    assert not cache.is_set("nobody/1")


def test_what_may_not_be_primed(transactional_db: None) -> None:
    with pytest.raises(NotPrimed, match="'only_primed/a' is not stored"):
        OnlyPrimed.cached.get(name="a")
    with pytest.raises(NotPrimed):
        cache.get("only_primed/a")
    assert cache.get("only_primed/a", prime_on_cache_miss=True) == "A"
    assert cache.get("only_primed/a") == "A"


def test_an_unserializable_value_names_the_path(values: dict[str, Any]) -> None:
    values["x"] = {"page": [1, {"books": object()}]}
    with pytest.raises(Unserializable, match=r"page.*1.*books"):
        cache.get("anything/x")


# Cache


def test_get_many_keeps_the_order_and_leaves_out_what_is_absent(
    author: Author, values: dict[str, Any]
) -> None:
    values |= {"a": 1, "b": None}
    cache.set("by/hand", "h")
    keys = [
        "anything/b",
        "by/hand",
        f"catalog.author/{author.pk}",
        "anything/a",
        "nobody/1",
        "catalog.author/999",
        "only_primed/x",
        "item_total/one",
        "author_page/999",
    ]
    for _ in range(2):
        found = cache.get_many(keys)
        assert list(found) == keys[:4]
        assert found["anything/b"] is None
        assert found["by/hand"] == "h"
        assert found[keys[2]] == author


def test_get_many_of_several_products_is_one_round_trip(
    author: Author, values: dict[str, Any]
) -> None:
    values |= {"a": 1, "b": 2}
    Item.objects.create(name="x", group=1, amount=4)
    for number in range(3):
        cache.set(f"by/hand/{number}", number)
    keys = [
        "by/hand/2",
        "anything/a",
        "by/hand/0",
        f"catalog.author/{author.pk}",
        "item_total/1",
        "anything/b",
        "nobody/1",
        "by/hand/1",
        "anything/a/too/much",
    ]
    drain()
    expected = {**cache.get_many(keys)}
    drain()
    with reads(store=1):
        found = cache.get_many(keys)
    assert found == expected
    assert list(found) == [*keys[:6], keys[7]]
    with travel(timedelta(days=1)), reads(store=1):
        assert cache.get_many(["by/hand/1", "anything/a"]) == {"by/hand/1": 1, "anything/a": 1}
    cache.set("by/hand/1", 5, hard_expire=timedelta(hours=1))
    with travel(timedelta(days=1)):
        assert cache.get_many(["by/hand/1", "anything/a"]) == {"anything/a": 1}


def test_get_many_knows_which_products_ones_own_write_concerns(
    author: Author, values: dict[str, Any]
) -> None:
    values["a"] = 1
    row = Item.objects.create(name="x", group=1, amount=4)
    drain()
    cache.get_many(keys := ["anything/a", "item_total/1", "by/hand"])
    cache.set("by/hand", "h")
    with transaction.atomic():
        row.amount = 5
        row.save()
        with computes() as seen:
            found = cache.get_many(keys)
        assert found == {"anything/a": 1, "item_total/1": {"count": 1, "amount": 5}, "by/hand": "h"}
        assert seen == ["item_total"]
        transaction.set_rollback(True)


def test_get_many_in_a_request_asks_for_what_it_has_not_seen(values: dict[str, Any]) -> None:
    values |= {"a": 1, "b": 2}
    cache.set("by/hand", "h")
    cache.get_many(["anything/a", "anything/b"])
    with GlobalRequest():
        with reads(store=1):
            cache.get_many(["anything/a", "by/hand"])
        with reads(store=0):
            assert cache.get_many(["anything/a"]) == {"anything/a": 1}
        with reads(store=1):
            assert cache.get_many(["anything/a", "anything/b"]) == {
                "anything/a": 1,
                "anything/b": 2,
            }


def test_set_entry_and_versions(transactional_db: None) -> None:
    first = cache.set("any/key", [1])
    assert (first.key, first.value) == ("any/key", [1])
    assert first.primed_at is not None
    assert first.soft_expire is first.hard_expire is None
    second = cache.set("any/key", [2], check_version=first.version)
    assert second.version != first.version
    with pytest.raises(VersionMismatch, match="'any/key' has moved on"):
        cache.set("any/key", [3], check_version=first.version)  # it is used up
    assert cache.get("any/key") == [2]
    cache.unset("any/key")
    with pytest.raises(VersionMismatch):
        cache.set("any/key", [3], check_version=second.version)
    assert not cache.is_set("any/key")
    again = cache.set("any/key", [2])
    assert again.version not in (first.version, second.version)


def test_a_primers_key_may_be_set_until_its_next_refresh(transactional_db: None) -> None:
    Item.objects.create(name="x", group=1, amount=4)
    drain()
    entry = cache.entry("item_total/1")
    cache.set("item_total/1", {"count": 0, "amount": 99}, check_version=entry.version)
    assert ItemTotal.cached.get(group=1)["amount"] == 99
    drain()
    assert ItemTotal.cached.get(group=1)["amount"] == 99
    Item.objects.update(amount=5)
    drain()
    assert ItemTotal.cached.get(group=1) == {"count": 1, "amount": 5}
    with pytest.raises(Unserializable):
        cache.set("item_total/1", object())


def test_is_set_never_primes(transactional_db: None) -> None:
    with computes() as seen:
        assert not cache.is_set("item_total/1")
        assert not cache.is_set("item_total/1")
    assert seen == []
    cache.get("item_total/1")
    assert cache.is_set("item_total/1")
    assert cache.unset("item_total/1")
    assert not cache.unset("item_total/1")
    assert not cache.is_set("item_total/1")


def test_refresh_by_the_listener_and_here(values: dict[str, Any]) -> None:
    values["x"] = 1
    assert cache.get("anything/x") == 1
    drain()
    values["x"] = 2
    for _ in range(3):
        cache.refresh("anything/x")
    assert cache.is_refreshing("anything/x")
    assert not cache.is_refreshing("anything/y")
    assert cache.get("anything/x") == 1
    with computes() as seen:
        drain()
    assert seen == ["anything"]
    assert not cache.is_refreshing("anything/x")
    assert cache.get("anything/x") == 2
    values["x"] = 3
    cache.refresh("anything/x", queued=False)
    assert not cache.is_refreshing("anything/x")
    assert cache.get("anything/x") == 3


def test_a_refresh_that_fails_here_raises_and_keeps_the_value(values: dict[str, Any]) -> None:
    values["x"] = 1
    cache.get("anything/x")
    del values["x"]
    with pytest.raises(KeyError):
        cache.refresh("anything/x", queued=False)
    assert cache.get("anything/x") == 1


def test_clear(transactional_db: None, values: dict[str, Any]) -> None:
    values["x"] = 1
    cache.get_many(["anything/x", "item_total/1", "item_names/1"])
    cache.set("by/hand", 1)
    cache.clear("item_total")
    assert [cache.is_set(key) for key in ("anything/x", "item_total/1", "by/hand")] == [
        True,
        False,
        True,
    ]
    cache.clear()
    assert not any(map(cache.is_set, ("anything/x", "item_names/1", "by/hand")))
    assert cache.get("anything/x") == 1


def test_entries_expire(transactional_db: None) -> None:
    cache.set("any/key", 1, hard_expire=timedelta(minutes=5), soft_expire=timedelta(minutes=1))
    with travel(timedelta(minutes=4)):
        assert cache.get("any/key") == 1
    with travel(timedelta(minutes=6)):
        assert not cache.is_set("any/key")
        with pytest.raises(UnknownProduct):
            cache.get("any/key")


def test_a_primed_value_is_computed_anew_once_it_has_expired(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Anything, "hard_expire", timedelta(minutes=5))
    values["x"] = 1
    assert cache.get("anything/x") == 1
    values["x"] = 2
    assert cache.get("anything/x") == 1
    with travel(timedelta(minutes=6)):
        assert cache.get("anything/x") == 2
        values["x"] = 3
        assert cache.get("anything/x") == 2


def test_every_error_has_the_same_root(transactional_db: None) -> None:
    for error in (UndeclaredLookup, KeyParameterMismatch, UnknownProduct, VersionMismatch):
        assert issubclass(error, KckPublishError)
    assert issubclass(UnknownProduct, KeyError)
    assert issubclass(NotPrimed, KeyError)


# Asynchronous code


def test_the_asynchronous_forms(author: Author) -> None:
    Item.objects.create(name="x", group=1, amount=4)

    async def read() -> Any:
        return [
            await Author.cached.aget(slug="le-guin"),
            await Author.cached.ain_bulk([author.pk]),
            await Item.cached.afilter(group=1),
            (await Author.cached.aget_or_create(slug="new"))[1],
            await ItemTotal.cached.aget(group=1),
            await ItemTotal.cached.aget_bytes(group=1),
            await ItemNames.cached.aget_many([{"group": 9}]),
        ]

    assert async_to_sync(read)() == [
        author,
        {author.pk: author},
        [Item.objects.get()],
        True,
        {"count": 1, "amount": 4},
        b'{"count":1,"amount":4}',
        [[]],
    ]


def test_a_switched_off_cache_computes(author: Author, settings: Any) -> None:
    Item.objects.create(name="x", group=1, amount=4)
    settings.KCK_PUBLISH = {"ENABLED": False}
    with computes() as seen:
        assert ItemTotal.cached.get(group=1) == ItemTotal.cached.get(group=1)
    assert seen == ["item_total"] * 2
    assert stored("item_total/1") is None
    assert Author.cached.get(slug="le-guin") == author
