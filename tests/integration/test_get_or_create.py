"""``.cached.get_or_create`` in a race, and "there is none" as an answer that is kept true."""

from __future__ import annotations

import threading

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction

from kck_publish import UndeclaredLookup
from tests.catalog.fixtures import Session, another_session, drain, reads
from tests.relations.models import House

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_of_many_creates(transactional_db: None) -> None:
    together = threading.Barrier(4)

    def run() -> tuple[int, bool]:
        together.wait(10)
        house, created = House.cached.get_or_create(name="Ace")
        return house.pk, created

    found = [one.result() for one in [Session(run) for _ in range(4)]]
    assert len({pk for pk, _ in found}) == 1
    assert sorted(created for _, created in found) == [False, False, False, True]
    drain()
    assert House.cached.get(name="Ace").pk == found[0][0]


def test_what_exists_is_one_look(transactional_db: None) -> None:
    house = House.objects.create(name="Ace")
    drain()
    House.cached.get(name="Ace")
    with reads(store=1):
        assert House.cached.get_or_create(name="Ace", defaults={"pk": 9}) == (house, False)


def test_the_answer_that_there_is_none_is_no_obstacle(transactional_db: None) -> None:
    for _ in range(2):
        with pytest.raises(House.DoesNotExist):
            House.cached.get(name="Ace")
    with another_session() as other:  # another program makes it; our answer is old
        other.execute("INSERT INTO relations_house (name) VALUES ('Ace')")
    house, created = House.cached.get_or_create(name="Ace")
    assert (house.name, created) == ("Ace", False)


def test_within_a_transaction(transactional_db: None) -> None:
    with pytest.raises(House.DoesNotExist):
        House.cached.get(name="Ace")
    with transaction.atomic():
        house, created = House.cached.get_or_create(name="Ace")
        assert (House.cached.get(name="Ace"), created) == (house, True)
        assert House.cached.get_or_create(name="Ace") == (house, False)
        transaction.set_rollback(True)
    with pytest.raises(House.DoesNotExist):
        House.cached.get(name="Ace")


def test_none_is_kept_and_kept_true(transactional_db: None) -> None:
    with pytest.raises(House.DoesNotExist):
        House.cached.get(name="Ace")
    drain()
    with reads(store=1), pytest.raises(House.DoesNotExist):
        House.cached.get(name="Ace")
    House.objects.create(name="Ace")
    drain()
    with reads(store=1):
        House.cached.get(name="Ace")
    House.objects.all().delete()
    drain()
    with pytest.raises(House.DoesNotExist):
        House.cached.get(name="Ace")


def test_undeclared_lookups_create_nothing(transactional_db: None) -> None:
    with pytest.raises(UndeclaredLookup):
        House.cached.get_or_create(name__iexact="ace", defaults={"name": "Ace"})
    assert not House.objects.exists()


def test_asynchronously(transactional_db: None) -> None:
    async def run() -> tuple[House, bool]:
        return await House.cached.aget_or_create(name="Ace")

    assert [async_to_sync(run)()[1] for _ in range(2)] == [True, False]
