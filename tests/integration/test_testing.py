"""The testing helpers in classes of django.test: by pytest-django, and by ``manage.py test``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory
from django.test.utils import isolate_apps

from example_app.embedded_postgres import PostgresServer
from kck_publish import Cache, CacheModel, InvalidPrimer, Primer, ProductView
from kck_publish.primers.product import name_of
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import reads, stored
from tests.catalog.models import Author, Card
from tests.catalog.primers import AuthorPage, ItemTotal
from tests.relations.django_tests import (
    CommittingTest,
    DrainedDataTest,
    NoDatabaseTest,
    PlainTest,
)
from tests.relations.models import House

__all__ = ["CommittingTest", "DrainedDataTest", "NoDatabaseTest", "PlainTest"]


@pytest.mark.long
def test_under_manage_py_test(postgres_server: PostgresServer) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "test", "tests.relations.django_tests"],
        cwd=Path(__file__).resolve().parents[2],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "KCK_TEST_DATABASE": postgres_server.dsn_of(f"plain_{os.getpid()}"),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ran 9 tests" in done.stderr


def test_the_fixture_brings_the_database(kck_drain: Callable[[], Any]) -> None:
    House.objects.create(name="Ace")
    kck_drain()
    with reads(store=1):
        assert House.cached.get(name="Ace").name == "Ace"


@pytest.mark.django_db(transaction=True)
def test_the_fixture_with_commits(kck_drain: Callable[[], Any]) -> None:
    House.objects.create(name="Ace")
    kck_drain()
    assert stored(f"relations.house/{House.objects.get().pk}") is not None
    assert House.cached.get(name="Ace").name == "Ace"


@pytest.mark.django_db
def test_a_model_with_the_mixin_is_a_primer_and_another_is_none() -> None:
    """Its product has a name of its own, whether the model has a ``key`` or not."""
    with isolate_apps("tests.catalog"):
        keyless = type("Keyless", (Primer, CacheModel), {"__module__": "tests.catalog.models"})
    assert name_of(keyless) == "catalog.keyless.product"
    keyed = Card.objects.create(text="a")
    view: Any = ProductView.as_view(primer=Card, public=True)
    assert view(RequestFactory().get("/"), pk=keyed.pk).content == b'"A"'
    assert_fresh(Card)
    author: Any = Author
    with pytest.raises(InvalidPrimer, match="Author is no primer"):
        assert_fresh(author)


@pytest.mark.django_db
def test_fresh_by_name_and_by_primer() -> None:
    AuthorPage.cached.get_many([{"author": 1}])
    Cache.get_instance().set("item_total/1", {"count": 9, "amount": 9})
    assert_fresh(AuthorPage, "author_page")
    for product in (ItemTotal, "item_total"):
        with pytest.raises(AssertionError, match="item_total/1"):
            assert_fresh(product)
