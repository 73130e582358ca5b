"""Promise 1: every committed write reaches a published row, a primed and an augmented product.

And nothing that was rolled back does. Each write is tried once with everything stored before by
the listener, and once by a reader; afterwards everything stored equals a fresh compute.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F

from kck_publish import Cache
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import another_session, drain, sql, stored
from tests.catalog.models import Author, Box, Crate, Item, ItemTag, Publisher, Seat, Tag

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()

GROUPS = (0, 1, 2, 7)
PRODUCTS = ("catalog.item", "item_names", "item_total")


class RollBack(Exception):  # noqa: N818
    """Leaves a block of ``transaction.atomic`` without its writes."""


@pytest.fixture(autouse=True)
def rows(transactional_db: None) -> None:
    box = Box.objects.create(name="box")
    for number in range(6):
        Item.objects.create(
            name=f"item{number}",
            group=number % 3,
            amount=10 * number,
            box=box if number < 3 else None,
        )


def item(number: int = 0) -> Item:
    return Item.objects.get(name=f"item{number}")


def look() -> dict[str, Any]:
    """Read everything that depends on items, as a page would."""
    names = [f"item{number}" for number in range(10)] + ["new0", "new1", "changed"]
    pks = list(range(1, 20)) + list(Item.objects.values_list("pk", flat=True)) + [70001]
    return {
        "rows": {pk: row.__dict__ | {"_state": 0} for pk, row in Item.cached.in_bulk(pks).items()},
        "by name": {
            name: row.pk for name, row in Item.cached.in_bulk(names, field_name="name").items()
        },
        "lists": [[row.pk for row in Item.cached.filter(group=group)] for group in GROUPS],
        "names": [cache.get(f"item_names/{group}") for group in GROUPS],
        "totals": [cache.get(f"item_total/{group}") for group in GROUPS],
    }


def save() -> None:
    row = item()
    row.amount, row.name = 77, "changed"
    row.save()


def move() -> None:
    Item.objects.filter(name="item0").update(group=7)


def bulk_update() -> None:
    some = list(Item.objects.all())
    for row in some:
        row.amount += 5
        row.group = 1
    Item.objects.bulk_update(some, ["amount", "group"])


def upsert() -> None:
    Item.objects.bulk_create(
        [Item(name="item1", group=2, amount=1), Item(name="new0", group=2, amount=2)],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["group", "amount"],
    )


def copy() -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy('COPY catalog_item (name, "group", amount) FROM STDIN') as target,
    ):
        target.write_row(("new0", 1, 4))
        target.write_row(("new1", 2, 5))


def merge() -> None:
    sql(
        """
        MERGE INTO catalog_item i
        USING (VALUES ('item1', 1), ('item2', 2), ('new0', 3)) v (name, how) ON v.name = i.name
        WHEN MATCHED AND how = 1 THEN UPDATE SET amount = 99, "group" = 7
        WHEN MATCHED THEN DELETE
        WHEN NOT MATCHED THEN INSERT (name, "group", amount) VALUES (v.name, 0, 3)
        """
    )


def other_program() -> None:
    with another_session() as other:
        other.execute('UPDATE catalog_item SET amount = amount * 2 WHERE "group" = 1')
        other.execute("DELETE FROM catalog_item WHERE name = 'item5'")


def changed_key() -> None:
    sql("UPDATE catalog_item SET id = 70001 WHERE name = 'item3'")


def swapped_keys() -> None:
    """Two rows exchange their keys in one statement (through a free one)."""
    first, second = item(3).pk, item(4).pk
    with transaction.atomic():
        sql("UPDATE catalog_item SET id = 70001 WHERE id = %s", first)
        sql("UPDATE catalog_item SET id = %s WHERE id = %s", first, second)
        sql("UPDATE catalog_item SET id = %s WHERE id = 70001", second)


def through_child() -> None:
    crate = Crate.objects.create(name="new0", group=1, amount=3, depth=2)
    crate.amount, crate.group = 8, 2
    crate.save()


def replica() -> None:
    """A session that replays somebody else's changes."""
    with another_session() as other:
        other.execute("SET session_replication_role = replica")
        other.execute("UPDATE catalog_item SET amount = 5")


def insert_then_delete() -> None:
    with transaction.atomic():
        row = Item.objects.create(name="new0", group=1, amount=4)
        Item.objects.filter(pk=row.pk).update(amount=9, group=2)
        row.delete()
        Item.objects.create(pk=row.pk, name="new1", group=7, amount=2)


WRITES: dict[str, Callable[[], Any]] = {
    "save": save,
    "create": lambda: Item.objects.create(name="new0", group=1, amount=3),
    "delete": lambda: item().delete(),
    "bulk_create": lambda: Item.objects.bulk_create(
        [Item(name=f"new{number}", group=number, amount=1) for number in range(2)]
    ),
    "bulk_update": bulk_update,
    "queryset_update": lambda: Item.objects.update(amount=F("amount") + 1),
    "queryset_move": move,
    "queryset_delete": lambda: Item.objects.filter(group=1).delete(),
    "cascade": lambda: Box.objects.all().delete(),
    "copy": copy,
    "merge": merge,
    "upsert": upsert,
    "truncate": lambda: sql("TRUNCATE catalog_item CASCADE"),
    "truncate_and_insert": lambda: (
        sql("TRUNCATE catalog_item RESTART IDENTITY CASCADE"),
        Item.objects.create(name="new0", group=2, amount=6),
    ),
    "raw_sql": lambda: sql("UPDATE catalog_item SET name = upper(name), amount = -amount"),
    "other_program": other_program,
    "changed_key": changed_key,
    "swapped_keys": swapped_keys,
    "parent_through_child": through_child,
    "replica": replica,
    "insert_then_delete": insert_then_delete,
}


@pytest.fixture(params=["read", "drained", "read and drained"])
def warm(request: pytest.FixtureRequest) -> None:
    """Everything is stored before the write: by readers, by the listener, or by both."""
    if request.param == "drained":
        for group in GROUPS:
            cache.refresh(f"item_names/{group}")
            cache.refresh(f"item_total/{group}")
    else:
        look()
    if request.param != "read":
        drain()
        look()


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_committed_write_counts(write: Callable[[], Any], warm: None) -> None:
    before = look()
    write()
    drain()
    after = look()
    assert after != before
    assert_fresh()
    for pk, row in after["rows"].items():
        assert row == Item.objects.get(pk=pk).__dict__ | {"_state": 0}
    assert set(after["rows"]) == set(Item.objects.values_list("pk", flat=True)) & {
        *range(1, 20),
        70001,
        *after["rows"],
    }
    # Written rows are published: nobody need ask for them first.
    for row in Item.objects.all():
        entry = stored(f"catalog.item/{row.pk}")
        assert entry is not None
        assert entry.body is not None


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_rolled_back_write_does_not(write: Callable[[], Any]) -> None:
    if write in (other_program, replica):
        pytest.skip("that is another transaction")
    before = look()
    drain()
    outside = {key: stored(key) for key in ("item_total/0", "item_names/1", "item_total/1")}
    with suppress(RollBack), transaction.atomic():
        write()
        raise RollBack
    outcome = drain()
    assert outcome.changes == 0
    with transaction.atomic():
        with suppress(RollBack), transaction.atomic():
            write()
            raise RollBack
        Tag.objects.create(name="something else that is committed")
    assert drain().changes == 0
    assert look() == before
    assert {key: stored(key) for key in outside} == outside
    assert_fresh()


def test_the_comparison_would_notice_a_lost_change() -> None:
    """The negative control: without the capture, the tests above fail."""
    look()
    drain()
    with transaction.atomic():
        sql("SELECT set_config('kck_publish.suppress', '*', true)")
        Item.objects.filter(name="item0").update(amount=1234)
    drain()
    with pytest.raises(AssertionError, match=r"catalog\.item/.*item_total/0"):
        assert_fresh(*PRODUCTS)
    Item.objects.filter(name="item0").update(amount=1235)
    drain()
    with pytest.raises(
        AssertionError,
        match=r"^Not fresh: item_total/0 \(at [^/]+\)$",
    ):
        assert_fresh(*PRODUCTS)  # augmented from the change that was seen, not the lost one
    sql("TRUNCATE catalog_item CASCADE")
    drain()
    assert_fresh(*PRODUCTS)


M2M: dict[str, Callable[[Any, list[Any]], Any]] = {
    "add": lambda related, others: related.add(*others),
    "remove": lambda related, others: related.remove(others[0]),
    "clear": lambda related, others: related.clear(),
    "set": lambda related, others: related.set(others[1:]),
}


@pytest.mark.parametrize("write", M2M.values(), ids=M2M)
def test_many_to_many_with_a_table_of_its_own(write: Callable[..., Any], warm: None) -> None:
    tags = [Tag.objects.create(name=str(number)) for number in range(3)]
    row = item()
    row.tags.add(*tags[:2])

    def seen() -> Any:
        pk = row.pk
        return (
            len(ItemTag.cached.filter(item=pk)),
            cache.get(f"tags_of_item/{pk}"),
            cache.get(f"tag_count/{pk}"),
        )

    seen()
    drain()
    before = seen()
    write(row.tags, tags)
    drain()
    assert seen() != before
    assert seen()[2] == row.tags.count()
    assert_fresh()


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("write", M2M.values(), ids=M2M)
def test_many_to_many_with_an_automatic_table(
    write: Callable[..., Any], backwards: bool, transactional_db: None
) -> None:
    authors = [Author.objects.create(slug=f"a{number}") for number in range(3)]
    publishers = [Publisher.objects.create(name=f"p{number}") for number in range(3)]
    authors[0].publishers.add(*publishers[:2])
    publishers[0].author_set.add(authors[1])

    def seen() -> Any:
        return [
            (cache.get(f"publishers_of_author/{row.pk}"), cache.get(f"publisher_count/{row.pk}"))
            for row in authors
        ]

    seen()
    drain()
    before = seen()
    if backwards:
        write(publishers[0].author_set, authors)
    else:
        write(authors[0].publishers, publishers)
    drain()
    assert seen() != before
    assert [count for _, count in seen()] == [row.publishers.count() for row in authors]
    assert_fresh()


def depths() -> Any:
    groups = range(3)
    return [(cache.get(f"crate_depth/{g}"), cache.get(f"crate_sum/{g}")) for g in groups]


CRATES: dict[str, Callable[[Crate], Any]] = {
    "parent_row": lambda crate: Item.objects.filter(pk=crate.pk).update(amount=7),
    "parent_row_moves": lambda crate: Item.objects.filter(pk=crate.pk).update(group=2),
    "parent_object": lambda crate: Item(pk=crate.pk, name="renamed", group=2, amount=3).save(
        force_update=True
    ),
    "child_row": lambda crate: sql("UPDATE catalog_crate SET depth = 50"),
    "both": lambda crate: Crate.objects.filter(pk=crate.pk).update(depth=9, group=2, amount=4),
    "delete": lambda crate: crate.delete(),
    "delete_keeping_the_parent": lambda crate: crate.delete(keep_parents=True),
    "another": lambda crate: Crate.objects.create(name="n", group=1, amount=2, depth=6),
}


@pytest.mark.parametrize("write", CRATES.values(), ids=CRATES)
def test_a_row_of_two_tables(write: Callable[[Crate], Any]) -> None:
    crate = Crate.objects.create(name="crate", group=1, amount=5, depth=3)
    pk = crate.pk
    depths()
    drain()
    before = depths()
    row = Crate.cached.get(pk=pk)
    write(crate)
    drain()
    assert_fresh()
    assert depths() != before or row != Crate.cached.get(pk=pk) or row.name == "crate"
    again = Crate.objects.filter(pk=pk).first()
    if again is None:
        with pytest.raises(Crate.DoesNotExist):
            Crate.cached.get(pk=pk)
    else:
        assert Crate.cached.get(pk=pk).__dict__ | {"_state": 0} == again.__dict__ | {"_state": 0}


def test_a_composite_primary_key_that_changes() -> None:
    Seat.objects.create(row="A", number=1, guest="Ada", party=1)
    Seat.objects.create(row="A", number=2, guest="Bob", party=1)
    drain()
    assert Seat.cached.get(pk=("A", 1)).guest == "Ada"
    assert [seat.guest for seat in Seat.cached.filter(party=1)] == ["Ada", "Bob"]
    sql("UPDATE catalog_seat SET number = number + 10")
    sql("UPDATE catalog_seat SET party = NULL WHERE guest = 'Bob'")
    drain()
    assert_fresh()
    with pytest.raises(Seat.DoesNotExist):
        Seat.cached.get(pk=("A", 1))
    assert Seat.cached.get(row="A", number=11).guest == "Ada"
    assert Seat.cached.get(guest="Bob").pk == ("A", 12)
    assert [seat.guest for seat in Seat.cached.filter(party=1)] == ["Ada"]
