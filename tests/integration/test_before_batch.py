"""What the listener's process has cached in memory does not end up in products."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.contrib.sites.models import Site

from kck_publish import Cache, Depends, primer, signals
from kck_publish.products import registry
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain, sql
from tests.catalog.models import Item

cache = Cache.get_instance()
calls: list[str] = []
numbers: list[int] = []


def note() -> None:
    calls.append("note")


def fail() -> None:
    raise RuntimeError


@pytest.fixture(scope="module", autouse=True)
def products() -> Iterator[None]:
    @primer("banner", depends_on=[Depends(Site)])
    def banner() -> str:
        return str(Site.objects.get_current().name)

    @primer("kind_of_item", depends_on=[Depends(ContentType)])
    def kind() -> str:
        return str(ContentType.objects.get_for_id(numbers[0]).model)

    yield
    for name in ("banner", "kind_of_item"):
        registry.unregister(name)


@pytest.mark.django_db(transaction=True)
def test_the_current_site_is_read_anew() -> None:
    """Another process has saved it; get_current() keeps it in memory (B16)."""
    Site.objects.update_or_create(pk=1, defaults={"name": "old", "domain": "a.test"})
    assert cache.get("banner") == "old"
    Site.objects.get_current()
    sql("UPDATE django_site SET name = 'new'")
    drain()
    assert cache.get("banner") == "new"
    assert_fresh("banner")


@pytest.mark.django_db(transaction=True)
def test_content_types_are_read_anew() -> None:
    """A migration that renames a model renames its content type (B16)."""
    numbers[:] = [ContentType.objects.get_for_model(Item).pk]
    assert cache.get("kind_of_item") == "item"
    sql("UPDATE django_content_type SET model = 'thing' WHERE id = %s", numbers[0])
    try:
        drain()
        assert cache.get("kind_of_item") == "thing"
    finally:
        sql("UPDATE django_content_type SET model = 'item' WHERE id = %s", numbers[0])
        ContentType.objects.clear_cache()


@pytest.mark.django_db(transaction=True)
def test_what_the_project_names_is_called_before_each_batch(settings: Any) -> None:
    """Callables, dotted paths and receivers; one that fails stops nothing (B16)."""
    settings.KCK_PUBLISH = {"BEFORE_BATCH": [fail, f"{__name__}.note"]}
    heard: list[str] = []

    def hear(using: str, **more: Any) -> None:
        heard.append(using)

    signals.batch_begins.connect(hear)
    calls.clear()
    try:
        Item.objects.create(name="one", group=1, amount=1)
        drain()
    finally:
        signals.batch_begins.disconnect(hear)
    assert calls
    assert set(heard) == {"default"}
    assert len(heard) == len(calls)


@pytest.mark.django_db
def test_a_test_drains_likewise(settings: Any) -> None:
    """drain() within a test's transaction begins batches, too (B16)."""
    from kck_publish.testing import drain as drain_here

    settings.KCK_PUBLISH = {"BEFORE_BATCH": [note]}
    calls.clear()
    Item.objects.create(name="one", group=1, amount=1)
    drain_here()
    assert calls
