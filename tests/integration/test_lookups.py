"""Lookups by fields of every kind, through proxies, and of a model that is a primer itself."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
from django.db import connection
from django.db.models import TextChoices
from django.test.utils import CaptureQueriesContext

from kck_publish import Cache, KeyParameterMismatch
from kck_publish.testing import assert_fresh, drain
from tests.catalog.models import Author, AuthorProxy, Book, Card, Gadget
from tests.relations.models import Country

pytestmark = pytest.mark.django_db
cache = Cache.get_instance()


class Plain(str, Enum):  # noqa: UP042 - its str() is its name
    LE_GUIN = "le-guin"
    NL = "NL"


class Choice(TextChoices):
    LE_GUIN = "le-guin"
    NL = "NL"


@pytest.fixture
def gadget() -> Gadget:
    author = Author.objects.create(slug="le-guin")
    return Gadget.objects.create(flag=True, small=7, ip="10.0.0.1", maker=author)


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(
    "lookup", [{"small": 7}, {"ip": "10.0.0.1"}, {"small": "7"}], ids=lambda one: str(one)
)
def test_one_row(gadget: Gadget, lookup: dict[str, Any], stored: bool) -> None:
    if stored:
        drain()
    assert Gadget.cached.get(**lookup) == gadget
    drain()
    Gadget.objects.update(flag=False)
    drain()
    assert Gadget.cached.get(**lookup).flag is False
    assert_fresh()


@pytest.mark.parametrize("field", ["flag", "maker", "maker_id", "ip"])
def test_a_list_of_rows(gadget: Gadget, field: str) -> None:
    value = getattr(gadget, field)
    assert Gadget.cached.filter(**{field: value}) == [gadget]
    drain()
    Gadget.objects.update(small=8)
    drain()
    assert [row.small for row in Gadget.cached.filter(**{field: value})] == [8]
    Gadget.objects.create(flag=True, small=9, ip="10.0.0.1", maker_id="le-guin")
    drain()
    assert len(Gadget.cached.filter(**{field: value})) == 2
    assert_fresh()


def test_a_member_of_an_enum_is_its_text(gadget: Gadget) -> None:
    country = Country.objects.create(code="NL", name="Netherlands")
    drain()
    for slug in (Plain.LE_GUIN, Choice.LE_GUIN):
        assert Author.cached.get(slug=slug) == Author.objects.get(slug=slug)
        assert list(Author.cached.in_bulk([slug], field_name="slug")) == ["le-guin"]
    for code in (Plain.NL, Choice.NL):
        assert Country.cached.get(code=code) == country


def test_a_number_that_the_column_cannot_hold(gadget: Gadget) -> None:
    for _ in range(2):
        with pytest.raises(Gadget.DoesNotExist):
            Gadget.cached.get(small=70_000)
    assert Gadget.cached.get(small=7) == gadget


@pytest.mark.parametrize("by", ["leaves", "is deleted"])
def test_the_last_of_several_rows_is_published(by: str) -> None:
    """Promise 1: it was written when it was one of several, and is not written again."""
    author = Author.objects.create(slug="le-guin")
    one, other = (Book.objects.create(author=author, title=title) for title in "AB")
    Book.objects.filter(pk=other.pk).update(title="A")
    drain()
    with CaptureQueriesContext(connection) as queries, pytest.raises(Book.MultipleObjectsReturned):
        Book.cached.get(title="A")
    assert len(queries) == 1
    if by == "leaves":
        Book.objects.filter(pk=other.pk).update(title="B")
    else:
        other.delete()
    drain()
    with CaptureQueriesContext(connection) as queries:
        assert Book.cached.get(title="A") == one
    assert len(queries) == 1
    one.delete()
    drain()
    assert not cache.is_set("catalog.book:title/A")
    assert_fresh()


@pytest.mark.parametrize("lookup", [{"ip": "zz"}, {"small": "x"}, {"ip": ["10.0.0.1"]}], ids=str)
def test_a_value_that_the_field_does_not_take(lookup: dict[str, Any]) -> None:
    with pytest.raises(KeyParameterMismatch):
        Gadget.cached.get(**lookup)


def test_rows_of_another_model_are_refused(gadget: Gadget) -> None:
    with pytest.raises(KeyParameterMismatch):
        Gadget.cached.filter(maker=gadget)
    with pytest.raises(KeyParameterMismatch):
        Author.cached.get(slug=Author.objects.get())
    with pytest.raises(KeyParameterMismatch):
        Author.cached.get(slug="a\x00b")


def test_a_proxy_has_its_own_class_and_errors(gadget: Gadget) -> None:
    assert type(AuthorProxy.cached.get(slug="le-guin")) is AuthorProxy
    assert type(Author.cached.get(slug="le-guin")) is Author
    with pytest.raises(AuthorProxy.DoesNotExist):
        AuthorProxy.cached.get(slug="nobody")
    Book.objects.bulk_create(Book(author=Author.objects.get(), title="Twice") for _ in range(2))
    with pytest.raises(Book.MultipleObjectsReturned):
        Book.cached.get(title="Twice")


def test_a_row_that_is_a_primer_is_published_and_primed() -> None:
    card = Card.objects.create(text="hello")
    drain()
    assert cache.entry(f"card/{card.pk}").value == "HELLO"
    assert cache.is_set(f"catalog.card/{card.pk}")
    assert Card.cached.get(pk=card.pk) == card
    Card.objects.update(text="world")
    drain()
    assert cache.get(f"card/{card.pk}") == "WORLD"
    key = f"card/{card.pk}"
    card.delete()
    drain()
    assert not cache.is_set(key)
