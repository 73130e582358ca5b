"""Every kind of model: ``.cached`` gives what ``objects.get()`` does, and keeps it true."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models

from kck_publish import Depends, InvalidPrimer, UndeclaredLookup
from kck_publish.capture.install import install
from kck_publish.products import registry
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain
from tests.kinds.alike import differences, usable
from tests.kinds.models import (
    Badge,
    Car,
    Cell,
    Elsewhere,
    Member,
    Mortal,
    Note,
    OddNames,
    OldTaxi,
    Parcel,
    Passport,
    Person,
    Taxi,
    Unique,
    Vehicle,
    Worded,
)

pytestmark = pytest.mark.django_db(transaction=True)


def worded() -> Worded:
    parent = Worded.objects.create(code="a/b %~ é")
    row = Worded.objects.create(code="child", parent=parent)
    row.friends.add(parent)
    return row


def partner() -> Unique:
    return Unique.objects.create(id=uuid.uuid4(), partner=Unique.objects.create(id=uuid.uuid4()))


def note() -> models.Model:
    return Note.objects.create(of=Parcel.objects.create(label="noted"))


KINDS: dict[str, Callable[[], models.Model]] = {
    "an abstract chain": lambda: Parcel.objects.create(label="x"),
    "a text key, itself referred to": worded,
    "a UUID key": partner,
    "a key of two fields": lambda: Cell.objects.create(sheet=worded(), place=uuid.uuid4()),
    "a key that is another's": lambda: Passport.objects.create(of=partner(), number="1"),
    "names to be quoted": lambda: OddNames.objects.create(order=5, text="%s"),
    "a parent": lambda: Vehicle.objects.create(name="v"),
    "a child": lambda: Car.objects.create(name="c"),
    "a grandchild": lambda: Taxi.objects.create(name="t", licence="1"),
    "a proxy of a grandchild": lambda: OldTaxi.objects.create(name="o"),
    "a generic foreign key": note,
    "managers of its own": lambda: Mortal.objects.create(name="m"),
    "a user": lambda: Person.objects.create(email="a@b.example"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_what_objects_get_gives(kind: str) -> None:
    row = KINDS[kind]()
    model: Any = type(row)
    drain()
    found, expected = model.cached.get(pk=row.pk), model.objects.get(pk=row.pk)
    assert not differences(found, expected)
    assert not differences(model.cached.in_bulk([row.pk])[row.pk], expected)
    usable(found)
    drain()
    assert not differences(model.cached.get(pk=row.pk), model.objects.get(pk=row.pk))
    pk = row.pk
    row.delete()
    drain()
    with pytest.raises(model.DoesNotExist):
        model.cached.get(pk=pk)
    assert_fresh()


def test_a_changed_primary_key_that_is_text() -> None:
    Worded.objects.create(code="child", parent=Worded.objects.create(code="a/b %~ é"))
    drain()
    Worded.objects.filter(code="child").update(code="other")
    drain()
    assert Worded.cached.get(pk="other").parent.code == "a/b %~ é"
    with pytest.raises(Worded.DoesNotExist):
        Worded.cached.get(pk="child")


def test_the_columns_of_every_table_of_a_grandchild() -> None:
    taxi = Taxi.objects.create(name="t")
    drain()
    Vehicle.objects.filter(pk=taxi.pk).update(name="renamed")
    Car.objects.filter(pk=taxi.pk).update(doors=2)
    Taxi.objects.filter(pk=taxi.pk).update(licence="9")
    drain()
    for model in (Taxi, OldTaxi):
        found: Any = model.cached.get(pk=taxi.pk)
        assert (type(found), found.name, found.doors, found.licence) == (model, "renamed", 2, "9")
    assert Vehicle.cached.get(name="renamed").pk == taxi.pk
    assert not differences(Taxi.cached.get(pk=taxi.pk), Taxi.objects.get(pk=taxi.pk))


def test_a_row_that_the_first_manager_hides() -> None:
    row = Mortal.objects.create(name="m")
    drain()
    Mortal.everyone.filter(pk=row.pk).update(dead=True)
    drain()
    with pytest.raises(Mortal.DoesNotExist):
        Mortal.cached.get(pk=row.pk)
    Mortal.everyone.filter(pk=row.pk).update(dead=False)
    drain()
    assert Mortal.cached.get(pk=row.pk) in Mortal.objects.live()


def test_relations_of_an_instance_read_from_cached() -> None:
    row = note()
    drain()
    found: Any = Note.cached.get(pk=row.pk)
    assert found.of.label == "noted"
    assert found.content_type == ContentType.objects.get_for_model(Parcel)
    child = worded()
    drain()
    friend: Any = Worded.cached.get(pk=child.pk)
    assert list(friend.friends.all()) == [child.parent]
    assert list(friend.parent.children.all()) == [child]


def test_a_swapped_model_publishes_nothing_and_its_stand_in_does() -> None:
    assert Member._meta.swapped == "kinds.Person"
    assert "kinds.member" not in registry.graph().products
    with pytest.raises(UndeclaredLookup):
        Member.cached.get(pk=1)
    person = Person.objects.create(email="a@b.example")
    badge = Badge.objects.create(member=person)
    drain()
    assert Badge.cached.filter(member=person) == [badge]
    assert Person.cached.get(email="a@b.example") == badge.member


def test_a_dependency_on_a_swapped_model_is_refused() -> None:
    """It has no table: no change would ever come of it."""
    with pytest.raises(InvalidPrimer, match=r"swapped for kinds\.Person"):
        Depends(Member, pk="pk")


def test_deferred_fields_are_whole_again() -> None:
    pk = Parcel.objects.create(label="x", weight=3).pk
    row = Parcel.objects.only("label").get(pk=pk)
    row.label = "y"
    row.save()
    drain()
    assert not Parcel.cached.get(pk=pk).get_deferred_fields()
    assert not differences(Parcel.cached.get(pk=row), Parcel.objects.get(pk=pk))


@pytest.fixture
def elsewhere(transactional_db: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute('CREATE SCHEMA "other schema"')
        cursor.execute(
            'CREATE TABLE "other schema"."Thing" '
            "(id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name text NOT NULL)"
        )
        install("default", registry.sources())
    yield
    with connection.cursor() as cursor:
        cursor.execute('DROP SCHEMA "other schema" CASCADE')


def test_a_table_in_another_schema(elsewhere: None) -> None:
    row = Elsewhere.objects.create(name="x")
    drain()
    assert not differences(Elsewhere.cached.get(name="x"), Elsewhere.objects.get(pk=row.pk))
    Elsewhere.objects.update(name="y")
    drain()
    assert Elsewhere.cached.get(pk=row.pk).name == "y"
    with pytest.raises(Elsewhere.DoesNotExist):
        Elsewhere.cached.get(name="x")
