"""Answers that there is none: what is stored of them, how many, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kck_publish.conf import settings as ours
from kck_publish.listener.maintenance.absences import Absences
from kck_publish.listener.maintenance.service import Budget
from kck_publish.postgres import connect
from kck_publish.testing import travel
from tests.catalog.fixtures import drain, sql
from tests.catalog.models import Author
from tests.contracts.conftest import Backend

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def author(backend: Backend, transactional_db: None) -> Author:
    author = Author.objects.create(slug="le-guin", first="Ursula", last="Le Guin")
    drain()
    return author


def unknown(count: int) -> None:
    for number in range(count):
        with suppress(ObjectDoesNotExist):
            Author.cached.get(slug=f"nobody-{number}")


def absences() -> list[str]:
    return [key for (key,) in sql("SELECT key FROM kck_publish_entry WHERE reason = 'absent'")]


def asks_the_table(read: Callable[[], Any]) -> bool:
    with CaptureQueriesContext(connection) as queries, suppress(ObjectDoesNotExist):
        read()
    return any("catalog_author" in query["sql"] for query in queries)


def all_keys() -> int:
    ((count,),) = sql("SELECT count(*) FROM kck_publish_entry")
    return int(count)


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda: Author.cached.get(slug="x" * 51), id="longer than the column"),
        pytest.param(lambda: Author.cached.get(slug="x" * 2**20), id="a megabyte"),
        pytest.param(lambda: Author.cached.get(slug="no slug!"), id="refused by a validator"),
        pytest.param(lambda: Author.cached.get(pk=2**70), id="out of range"),
        pytest.param(lambda: Author.cached.get(first="x", last="y" * 81), id="one of two"),
        pytest.param(lambda: Author.cached.filter(last="y" * 81), id="an empty list"),
        pytest.param(lambda: Author.cached.in_bulk(["x" * 51, "y" * 60], "slug"), id="many"),
    ],
)
def test_nothing_is_stored_for_what_cannot_exist(read: Callable[[], Any]) -> None:
    """A value that the column cannot have leaves no row (A5)."""
    before = all_keys()
    with suppress(Author.DoesNotExist):
        assert not read()
    assert all_keys() == before


def test_a_row_that_validators_would_refuse_is_served(author: Author) -> None:
    """Validators are asked about absence only: a row that is there is stored as any other (A5)."""
    Author.objects.filter(pk=author.pk).update(slug="not a slug")
    drain()
    assert Author.cached.get(slug="not a slug") == author
    assert not asks_the_table(lambda: Author.cached.get(slug="not a slug"))


def test_a_flood_of_misses_is_bounded_and_evicts_nothing(author: Author, settings: Any) -> None:
    """No more absences are stored than ABSENCES, empty lists among them (A5)."""
    settings.KCK_PUBLISH = {**settings.KCK_PUBLISH, "ABSENCES": 5}
    Author.cached.get(slug="le-guin")
    for number in range(10):
        assert Author.cached.filter(last=f"nobody-{number}") == []
    unknown(20)
    assert len(absences()) == 5
    assert not asks_the_table(lambda: Author.cached.get(slug="le-guin"))
    assert not asks_the_table(lambda: Author.cached.filter(last="nobody-0"))
    with pytest.raises(Author.DoesNotExist):  # computed, at each read
        Author.cached.get(slug="nobody-19")
    Author.objects.create(slug="nobody-19", first="No", last="Body")
    assert Author.cached.get(slug="nobody-19").first == "No"


def test_an_absence_ends_by_itself() -> None:
    """An absence is stored for ABSENT_FOR, and its row is removed then (A5)."""
    unknown(3)
    assert len(absences()) == 3
    with travel(ours.ABSENT_FOR + timedelta(minutes=1)):
        assert asks_the_table(lambda: unknown(1))
        assert not asks_the_table(lambda: unknown(1))
        with connect(connection.alias) as desk:
            Absences(desk, {0: None}).beat(Budget(lambda: False))  # type: ignore[dict-item]
        assert absences() == ["catalog.author:slug/nobody-0"]
    assert all_keys() > 1


def test_an_absence_that_becomes_a_row_is_no_absence_any_more() -> None:
    """A written row takes the place of its absence, which is not counted any more (A5)."""
    unknown(1)
    Author.objects.create(slug="nobody-0", first="No", last="Body")
    drain()
    assert absences() == []
    with travel(ours.ABSENT_FOR * 2):
        assert not asks_the_table(lambda: Author.cached.get(slug="nobody-0"))
