"""What writers do through the ORM: the same kinds of deeds as `operations`, another way."""

from __future__ import annotations

from django.db.models import F

from kck_publish.postgres import Cursor
from tests.soak.models import Account, Posting, Tag, Team
from tests.soak.operations import CITIES, SLUGS, TAGS, Deed, Hand, Operation


def create(cursor: Cursor, hand: Hand) -> list[Deed]:
    account, amount = hand.account(cursor), hand.amount()
    Posting.objects.create(account_id=account, uid=hand.uid(), amount=amount)
    return [Deed("create", 1, account, 1, amount)]


def bulk_create(cursor: Cursor, hand: Hand) -> list[Deed]:
    rows = [
        Posting(account_id=account, uid=hand.uid(), amount=hand.amount())
        for account in hand.accounts(cursor, 4)
        for _ in range(hand.random.randint(1, 12))
    ]
    Posting.objects.bulk_create(rows)
    return [Deed("bulk_create", 1, row.account_id, 1, row.amount) for row in rows]


def bulk_update(cursor: Cursor, hand: Hand) -> list[Deed]:
    account = hand.account(cursor)
    rows = list(Posting.objects.filter(account_id=account).select_for_update().order_by("uid")[:10])
    before = sum(row.amount for row in rows)
    for row in rows:
        row.amount = hand.amount()
    Posting.objects.bulk_update(rows, ["amount"])
    grown = sum(row.amount for row in rows) - before
    return [Deed("bulk_update", len(rows), account, 0, grown)]


def update(cursor: Cursor, hand: Hand) -> list[Deed]:
    account = hand.account(cursor)
    rows = Posting.objects.filter(account_id=account)
    count = rows.update(amount=F("amount") - 1)
    return [Deed("queryset update", count, account, 0, -count)]


def save(cursor: Cursor, hand: Hand) -> list[Deed]:
    account = hand.account(cursor)
    row = Posting.objects.filter(account_id=account).select_for_update().order_by("?").first()
    if row is None:
        return []
    before, row.amount = row.amount, hand.amount()
    row.save()
    return [Deed("save", 1, account, 0, row.amount - before)]


def delete(cursor: Cursor, hand: Hand) -> list[Deed]:
    account = hand.account(cursor)
    rows = list(Posting.objects.filter(account_id=account).select_for_update().order_by("uid")[:8])
    for row in rows:
        row.delete()
    return [Deed("instance delete", len(rows), account, -len(rows), -sum(r.amount for r in rows))]


def save_account(cursor: Cursor, hand: Hand) -> list[Deed]:
    row = Account.objects.select_for_update().get(pk=hand.account(cursor))
    row.slug, row.city = hand.random.choice(SLUGS), hand.random.choice(CITIES)
    row.save()
    return [Deed("save account", 1)]


def open_account(cursor: Cursor, hand: Hand) -> list[Deed]:
    if Account.objects.count() > len(SLUGS) // 2:
        return []
    row = Account.objects.create(
        team_id=hand.team(), slug=hand.random.choice(SLUGS), city=hand.random.choice(CITIES)
    )
    row.tags.set(hand.random.sample(TAGS, 3))
    return [Deed("open account", 4)]


def close_account(cursor: Cursor, hand: Hand) -> list[Deed]:
    """The cascade takes the postings along."""
    if Account.objects.count() < len(SLUGS) // 3:
        return []
    row = Account.objects.select_for_update().get(pk=hand.account(cursor))
    amounts = list(row.posting_set.select_for_update().values_list("amount", flat=True))
    pk = row.pk
    count, _ = row.delete()
    return [Deed("close account", count, pk, -len(amounts), -sum(amounts))]


def tag(cursor: Cursor, hand: Hand) -> list[Deed]:
    row = Account.objects.get(pk=hand.account(cursor))
    some = hand.random.sample(TAGS, 2)
    way = hand.random.choice(["add", "remove", "set", "clear"])
    if way == "clear":
        row.tags.clear()
    elif way == "set":
        row.tags.set(some)
    else:
        getattr(row.tags, way)(*Tag.objects.filter(pk__in=some))
    return [Deed(f"tags {way}", 2)]


def save_team(cursor: Cursor, hand: Hand) -> list[Deed]:
    row = Team.objects.select_for_update().get(pk=hand.team())
    row.name = f"team {hand.random.randrange(10**6)}"
    row.save(update_fields=["name"])
    return [Deed("save team", 1)]


ORM: dict[Operation, int] = {
    create: 4,
    bulk_create: 6,
    bulk_update: 4,
    update: 3,
    save: 3,
    delete: 5,
    save_account: 3,
    open_account: 3,
    close_account: 1,
    tag: 4,
    save_team: 1,
}
