"""Names that a project has taken: its own publish() is its own, and is never run at start."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import isolate_apps

from kck_publish import CacheModel, InvalidPrimer
from kck_publish.diagnosis.registry import diagnose
from kck_publish.products import registry
from kck_publish.rows.model import products_of
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain
from tests.catalog.models import Book
from tests.kinds.alike import differences
from tests.zoo.models import Photo, Post, Saver, WagtailPage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("model", [Post, WagtailPage, Photo])
def test_a_publish_of_the_projects_is_left_alone(model: Any) -> None:
    """publish() that saves, that takes arguments, that is a field: rows go as declared (D1)."""
    products_of(model)
    assert not model.objects.exists()
    row = model.objects.create(title="a")
    for title in ("a", "b"):
        model.objects.update(title=title)
        drain()
        assert not differences(model.cached.get(pk=row.pk), model.objects.get(pk=row.pk))
        assert [one.title for one in model.cached.all()] == [title]
    assert registry.get(model._meta.label_lower).publisher is None
    (problem,) = diagnose_names(model)
    assert "call super().publish()" in str(problem)
    assert_fresh()


def diagnose_names(model: Any) -> list[Any]:
    return [problem for problem in diagnose("names", "default") if problem.obj is model]


def test_their_own_publish_still_does_what_it_did() -> None:
    """The tutorial's post.publish() saves, once, when it is called (D1)."""
    post = Post.objects.create(title="a")
    post.publish()
    drain()
    assert Post.cached.get(pk=post.pk).published
    assert Post.objects.count() == 1


def test_a_hook_that_writes_gets_no_database_at_start() -> None:
    """A hook that would write at start writes nothing, and a check names it (D1)."""
    products_of(Saver)
    assert not Saver.objects.exists()
    (problem,) = [p for p in diagnose("publish", "default") if p.obj is Saver]
    assert "queries the database" in problem.message
    Saver.objects.create(title="a")
    drain()
    assert Saver.cached.get(title="a").title == "a"


def test_an_override_is_still_the_hook() -> None:
    """Book calls super().publish() and publish_by(): nothing is said of it (D1)."""
    assert registry.get("catalog.book").publisher is Book
    assert diagnose_names(Book) == []


@isolate_apps("tests.zoo")
def test_a_field_called_cached_is_refused() -> None:
    """The one name that cannot be the project's (D1)."""

    class Kept(CacheModel):
        cached = models.BooleanField(default=False)

    with pytest.raises(InvalidPrimer, match="a field called cached"):
        products_of(Kept)


def test_no_connection_is_opened_at_start() -> None:
    """Of a connection that is open at start other applications make use: there is none (D1)."""
    connection.close()
    products_of(Saver)
    assert connection.connection is None
