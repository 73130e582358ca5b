"""Rows to serialize, and writes of every kind to them."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from decimal import Decimal

from django.db import connection, transaction

from tests.rest_app.models import Copy, Novel, Publisher, Summary, Tag, Writer


def fill() -> None:
    """Some rows of everything."""
    houses = [Publisher.objects.create(name=f"House {name}", country=name) for name in ("nl", "be")]
    writers = [
        Writer.objects.create(slug=f"w{n}", name=f"Writer {n}", publisher=(*houses, None)[n])
        for n in range(3)
    ]
    tags = [Tag.objects.create(name=f"tag{n}", weight=3 - n) for n in range(3)]
    for n in range(9):
        novel = Novel.objects.create(
            writer=writers[n % 3],
            title=f"Novel {n * 7 % 9} é\u2028",
            price=Decimal(n) / 4,
            genre="sc"[n % 3 == 1],
            visible=n % 5 != 2,
            released=date(2020, 1, n + 1),
            changed=datetime(2024, 5, n + 1, 12, 30, 1, n, tzinfo=UTC),
            score=n / 7,
        )
        novel.tags.set(tags[: n % 4])
        for shelf in range(n % 3):
            Copy.objects.create(novel=novel, shelf=f"s{shelf}", owner=n)
        if n % 2:
            Summary.objects.create(novel=novel, text=f"About {n}")


def write(chance: random.Random) -> None:
    """A few writes, some in one transaction, some rolled back."""
    with transaction.atomic():
        for _ in range(chance.randrange(1, 5)):
            _write_one(chance)
        if chance.random() < 0.1:
            transaction.set_rollback(True)


def _write_one(chance: random.Random) -> None:
    novels, writers = list(Novel.objects.all()), list(Writer.objects.all())
    novel, writer = chance.choice(novels), chance.choice(writers)
    number = chance.randrange(1000)
    kind = chance.randrange(14)
    if kind == 0:
        Novel.objects.create(writer=writer, title=f"New {number}", price=number)
    elif kind == 1 and len(novels) > 5:
        novel.delete()
    elif kind == 2:
        Novel.objects.filter(pk=novel.pk).update(writer=writer, visible=chance.random() < 0.7)
    elif kind == 3:
        Writer.objects.filter(pk=writer.pk).update(name=f"Writer {number}")
    elif kind == 4:
        publisher = chance.choice([None, *Publisher.objects.all()])
        Writer.objects.filter(pk=writer.pk).update(publisher=publisher)
    elif kind == 5:
        Publisher.objects.update(name=f"House {number}")
    elif kind == 6:
        novel.tags.set(chance.sample(list(Tag.objects.all()), 2))
    elif kind == 7:
        Tag.objects.filter(name=chance.choice(["tag0", "tag1"])).update(weight=number)
    elif kind == 8:
        Copy.objects.bulk_create([Copy(novel=novel, shelf=f"s{number}") for _ in range(2)])
    elif kind == 9:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE rest_app_copy SET novel_id = %s WHERE shelf = 's0'", [novel.pk])
    elif kind == 10:
        Summary.objects.filter(novel=novel).delete()
    elif kind == 11:
        Summary.objects.update_or_create(novel=novel, defaults={"text": f"Text {number}"})
    elif kind == 12:
        Novel.objects.filter(pk=novel.pk).update(title=f"Title {number}", genre=chance.choice("sc"))
    else:
        novel.tags.clear()
        Copy.objects.filter(novel=novel).delete()
