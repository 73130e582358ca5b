"""The dependencies found from a serializer's fields: whatever is written, drained is fresh."""

from __future__ import annotations

import random

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from kck_publish.ops.graph import by_what
from kck_publish.products import registry
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain, stored
from tests.rest_app.fixtures import fill, write
from tests.rest_app.models import Comic, Festival, Novel, Offer, Prize, Publisher, Shop, Tag, Writer
from tests.rest_app.primers import (
    ComicPrimer,
    FestivalPrimer,
    NovelV1Primer,
    NovelV2Primer,
    PrizedPrimer,
    ShopPrimer,
    TagPrimer,
    WriterPrimer,
)

pytestmark = pytest.mark.django_db(transaction=True)

PRIMERS = (
    (ComicPrimer, Comic),
    (FestivalPrimer, Festival),
    (NovelV1Primer, Novel),
    (NovelV2Primer, Novel),
    (PrizedPrimer, Novel),
    (ShopPrimer, Shop),
    (TagPrimer, Tag),
    (WriterPrimer, Writer),
)


def fill_all() -> None:
    fill()
    writers, novels = list(Writer.objects.order_by("pk")), list(Novel.objects.order_by("pk"))
    for number, writer in enumerate(writers):
        Festival.objects.create(name=f"F{number}").guests.set(writers[number:])
        Shop.objects.create(code=f"s{number}", city=f"City {number}")
        comic = Comic.objects.create(writer=writer, title=f"Comic {number}", drawings=number)
        comic.tags.set(Tag.objects.all()[:number])
    for number, novel in enumerate(novels):
        Offer.objects.create(shop_id=f"s{number % 3}", novel=novel)
        Prize.every.create(novel=novel, name=f"P{number}", given=bool(number % 2))


def write_more(chance: random.Random) -> None:
    """What ``write`` does not: the rows that are some joins away."""
    writer = chance.choice(list(Writer.objects.all()))
    novel = chance.choice(list(Novel.objects.all()))
    festival = chance.choice(list(Festival.objects.all()))
    number = chance.randrange(1000)
    kind = chance.randrange(12)
    if kind == 0:
        festival.guests.set(chance.sample(list(Writer.objects.all()), 2))
    elif kind == 1:
        writer.festivals.remove(festival)
    elif kind == 2:
        shop = chance.choice(list(Shop.objects.all()))
        Offer.objects.filter(pk__gt=number % 9).update(shop=shop)
    elif kind == 3:  # the key that others point to
        Shop.objects.filter(code=f"s{number % 3}").update(code=f"t{number % 3}")
    elif kind == 4:
        Shop.objects.filter(code=f"t{number % 3}").update(code=f"s{number % 3}")
    elif kind == 5:
        Shop.objects.update(city=f"City {number}")
    elif kind == 6:
        Prize.every.filter(novel=novel).update(given=chance.random() < 0.5)
    elif kind == 7:
        Prize.every.filter(novel=novel).update(novel=chance.choice(list(Novel.objects.all())))
    elif kind == 8:
        Comic.objects.update(drawings=number)
    elif kind == 9:
        Comic.objects.filter(writer=writer).update(title=f"Comic {number}")
    elif kind == 10:
        Comic.objects.create(writer=writer, title="Another").tags.set(Tag.objects.all()[:2])
    else:
        Offer.objects.create(shop_id=f"s{number % 3}", novel=novel)


@pytest.mark.long
@pytest.mark.parametrize(
    ("seed", "rounds"),
    [(0, 6), *(pytest.param(seed, 25, marks=pytest.mark.long) for seed in (0, 1, 2))],
)
def test_whatever_is_written_drained_is_fresh(seed: int, rounds: int) -> None:
    chance = random.Random(seed)
    fill_all()
    drain()
    for _ in range(rounds):
        for primer, model in PRIMERS:
            pks = list(model._default_manager.values_list("pk", flat=True))
            primer.cached.get_many([{"pk": pk} for pk in pks])
        with transaction.atomic():  # several rows of one path may move in one batch
            for _ in range(chance.randrange(1, 4)):
                write(chance)
                write_more(chance)
        drain()
        assert_fresh(*(primer.key for primer, _ in PRIMERS))


def test_eager_keeps_rows_that_nobody_has_read() -> None:
    Shop.objects.create(code="x")
    drain()
    shop = Shop.objects.get()
    assert stored(f"api.shop/{shop.pk}") is not None
    shop.delete()
    drain()
    kept = stored(f"api.shop/{shop.pk or 1}")
    assert kept is None or kept.body is None


def test_what_is_depended_on_is_shown() -> None:
    found = {
        f"{one.on if isinstance(one.on, str) else one.on.__name__} {by_what(one)}"
        for one in registry.get("api.shop").depends_on
    }
    assert found == {
        "Shop pk=pk; columns code",
        "Offer on the way of offers; columns shop_id, novel_id, id",
        "Novel on the way of offers__novel; columns id, writer_id, title",
        "Writer on the way of offers__novel__writer; columns id, publisher_id",
        "Publisher on the way of offers__novel__writer__publisher; columns id, name",
        "Shop on the way of offers__shop; columns code, city",
        "api.shop[] ALL",  # its domain
    }


def test_many_changes_are_looked_up_by_one_query() -> None:
    fill_all()
    for shop in Shop.objects.all():
        ShopPrimer.cached.get(pk=shop.pk)
    drain()
    for number, row in enumerate(Publisher.objects.all()):
        Publisher.objects.filter(pk=row.pk).update(name=f"Renamed {number}")
    Novel.objects.update(title="Renamed")
    with CaptureQueriesContext(connection) as asked:
        drain()
    lookups = [one["sql"] for one in asked if "SELECT DISTINCT" in one["sql"]]
    assert 1 < len(lookups) <= 12, lookups  # a few a table, however many rows
    assert_fresh("api.shop")
    Writer.objects.update(note="in no product of shops")
    with CaptureQueriesContext(connection) as asked:
        drain()
    assert not [one["sql"] for one in asked if 'SELECT DISTINCT "rest_app' in one["sql"]]
