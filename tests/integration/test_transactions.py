"""``.cached`` in every kind of transaction: it is what ``objects`` gives there, then and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from tests.catalog.fixtures import drain
from tests.catalog.models import Item
from tests.kinds.alike import differences

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("over")]


@pytest.fixture
def item(transactional_db: None) -> Item:
    row = Item.objects.create(name="one", group=1, amount=1)
    drain()
    return row


def check(item: Item) -> None:
    """The row under each of its lookups is what the database says just here."""
    expected = Item.objects.get(pk=item.pk)
    for found in (
        Item.cached.get(pk=item.pk),
        Item.cached.get(name=expected.name),
        *Item.cached.filter(group=expected.group),
    ):
        assert not differences(found, expected)


def save_some(item: Item) -> None:
    item.amount, item.name = 7, "not saved"
    item.save(update_fields=["amount"])


def save_expression(item: Item) -> None:
    item.amount = F("amount") + 1
    item.name = Concat("name", Value("!"))
    item.save()


def bulk_update(item: Item) -> None:
    item.amount, item.group = 8, 2
    Item.objects.bulk_update([item], ["amount", "group"])


def bulk_expression(item: Item) -> None:
    item.amount = F("amount") * 3
    Item.objects.bulk_update([item], ["amount"])


def upsert(item: Item) -> None:
    Item.objects.bulk_create(
        [Item(name=item.name, amount=50)],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["amount"],
    )


def select_for_update(item: Item) -> None:
    with transaction.atomic():
        row = Item.objects.select_for_update().get(pk=item.pk)
        check(row)
        row.amount += 1
        row.save()
        check(row)


def update_or_create(item: Item) -> None:
    Item.objects.update_or_create(name=item.name, defaults={"group": 4})


WRITES: list[Callable[[Item], None]] = [
    save_some,
    save_expression,
    bulk_update,
    bulk_expression,
    upsert,
    select_for_update,
    update_or_create,
]


@pytest.mark.parametrize("write", WRITES, ids=lambda one: one.__name__)
def test_what_is_written(write: Callable[[Item], None], item: Item) -> None:
    with suppress(ZeroDivisionError), transaction.atomic():
        write(Item.objects.get(pk=item.pk))
        check(item)
        raise ZeroDivisionError
    check(item)  # it is rolled back
    with transaction.atomic():
        with suppress(ZeroDivisionError), transaction.atomic():
            write(Item.objects.get(pk=item.pk))
            raise ZeroDivisionError
        check(item)  # it is rolled back to the savepoint
        write(Item.objects.get(pk=item.pk))
        check(item)
    check(item)  # it is committed, and no listener has seen it
    drain()
    check(item)


def test_a_durable_block_and_what_runs_on_commit(item: Item) -> None:
    seen: list[int] = []
    with transaction.atomic(durable=True):
        Item.objects.filter(pk=item.pk).update(amount=9)
        transaction.on_commit(lambda: seen.append(Item.cached.get(pk=item.pk).amount))
        with suppress(ZeroDivisionError), transaction.atomic():
            transaction.on_commit(lambda: seen.append(-1))
            raise ZeroDivisionError
        check(item)
    assert seen == [9]


def view(request: HttpRequest, fail: int) -> HttpResponse:
    Item.objects.update(amount=F("amount") + 10)
    amount = Item.cached.get(name="one").amount
    if fail:
        raise ZeroDivisionError
    return HttpResponse(str(amount))


urlpatterns = [path("<int:fail>", view)]


@pytest.fixture
def atomic_requests() -> Iterator[None]:
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    yield
    connection.settings_dict["ATOMIC_REQUESTS"] = False


@pytest.mark.urls(__name__)
def test_atomic_requests(item: Item, atomic_requests: None, client: Client) -> None:
    client.raise_request_exception = False
    assert client.get("/1").status_code == 500
    check(item)
    assert Item.cached.get(pk=item.pk).amount == 1
    answer: Any = client.get("/0")
    assert answer.content == b"11"
    check(item)
    drain()
    check(item)
