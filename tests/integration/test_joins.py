"""Dependencies through several joins, and through many-to-many tables, under random changes.

A group has items, these have tags by a table of its own, and each tag has a name: whichever of the
four changes, moves or goes, the right groups are refreshed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from kck_publish import Cache, Change, Depends, IntegerParameter, Primer, StringParameter
from kck_publish.products import registry
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain, sql, stored
from tests.catalog.models import Author, Item, ItemTag, Publisher, Tag

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
GROUPS = range(4)


def _groups_of_item(change: Change) -> Any:
    items = {image["item_id"] for image in change.images}
    return list(Item.objects.filter(pk__in=items).values("group"))


def _groups_of_tag(change: Change) -> Any:
    tags = {image["pk"] for image in change.images}
    return list(Item.objects.filter(tags__in=tags).values("group").distinct())


def _lasts_of(change: Change) -> Any:
    publishers = {image["pk"] for image in change.images}
    return list(Author.objects.filter(publishers__in=publishers).values("last").distinct())


def _lasts_through(change: Change) -> Any:
    authors = {image["author_id"] for image in change.images}
    return list(Author.objects.filter(pk__in=authors).values("last").distinct())


@pytest.fixture(scope="module", autouse=True)
def products() -> Iterator[None]:
    class GroupTags(Primer):
        key = "group_tags"
        parameters = (IntegerParameter("group"),)
        depends_on = (
            Depends(Item, group="group"),
            Depends(ItemTag, keys=_groups_of_item, columns=["item_id", "tag_id"]),
            Depends(Tag, keys=_groups_of_tag, columns=["name"]),
        )

        def compute(self, group: int) -> Any:
            rows = Item.objects.filter(group=group).order_by("name", "tags__name")
            return [list(row) for row in rows.values_list("name", "tags__name")]

    class LastPublishers(Primer):
        """Through a many-to-many table that Django has made."""

        key = "last_publishers"
        parameters = (StringParameter("last"),)
        depends_on = (
            Depends(Author, last="last"),
            Depends(Author.publishers.through, keys=_lasts_through),
            Depends(Publisher, keys=_lasts_of, columns=["name"]),
        )

        def compute(self, last: str) -> Any:
            rows = Author.objects.filter(last=last, publishers__isnull=False)
            return sorted(rows.values_list("publishers__name", flat=True))

    yield
    registry.unregister("group_tags")
    registry.unregister("last_publishers")


def _change(dice: random.Random, step: int) -> None:
    items, tags = list(Item.objects.all()), list(Tag.objects.all())
    item, tag = dice.choice(items or [None]), dice.choice(tags or [None])
    what = dice.randrange(10)
    if what < 2 or item is None:
        Item.objects.create(name=f"i{step}", group=dice.choice(GROUPS))
    elif what == 2 or tag is None:
        Tag.objects.create(name=f"t{step}")
    elif what in (3, 4):
        item.tags.add(tag)
    elif what == 5:
        ItemTag.objects.filter(item=item).update(tag=tag)
    elif what == 6:
        Item.objects.filter(pk=item.pk).update(group=dice.choice(GROUPS))
    elif what == 7:
        Tag.objects.filter(pk=tag.pk).update(name=f"t{step}")
    elif what == 8:
        dice.choice([tag, item]).delete()
    else:
        sql("DELETE FROM catalog_itemtag WHERE tag_id = %s", tag.pk)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_random_changes_through_joins(seed: int) -> None:
    dice = random.Random(seed)
    product = registry.get("group_tags")
    keys = [product.key_of({"group": group}) for group in GROUPS]
    for turn in range(12):
        for each in GROUPS:
            cache.get(f"group_tags/{each}")
        for part in range(dice.randint(1, 4)):
            with transaction.atomic():
                for step in range(dice.randint(1, 4)):
                    _change(dice, turn * 100 + part * 10 + step)
        drain()
        assert all(stored(key) for key in keys)
        assert_fresh("group_tags")


def test_through_an_automatic_table() -> None:
    a, b = (Author.objects.create(slug=s, first=s, last="L") for s in "ab")
    one, two = (Publisher.objects.create(name=name) for name in ("one", "two"))
    assert cache.get("last_publishers/L") == []
    drain()
    for change, expected in (
        (lambda: a.publishers.add(one, two), ["one", "two"]),
        (lambda: Publisher.objects.filter(pk=one.pk).update(name="uno"), ["two", "uno"]),
        (lambda: b.publishers.set([two]), ["two", "two", "uno"]),
        (lambda: a.publishers.remove(two), ["two", "uno"]),
        (lambda: Author.objects.filter(pk=a.pk).update(last="M"), ["two"]),
        (lambda: two.delete(), []),
        (lambda: b.publishers.add(one), ["uno"]),
        (lambda: b.publishers.clear(), []),
    ):
        change()
        drain()
        kept = stored("last_publishers/L")
        assert kept is not None
        assert registry.get("last_publishers").decode(kept.body or b"", kept.shape) == expected
