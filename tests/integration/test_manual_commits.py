"""A project that commits by itself: ``set_autocommit(False)`` (D7)."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection

from kck_publish import ConfigurationError
from kck_publish.testing import assert_fresh, drain
from tests.catalog.fixtures import sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def by_hand(transactional_db: None) -> Iterator[None]:
    """Django's connection commits when it is told to."""
    connection.set_autocommit(False)
    yield
    connection.rollback()
    connection.set_autocommit(True)


@pytest.mark.usefixtures("by_hand")
def test_what_was_committed_is_drained_and_verified() -> None:
    Item.objects.create(name="one", group=1, amount=5)
    connection.commit()
    for amount in (6, 7):
        assert ItemTotal.cached.get(group=1)["count"] == 1
        Item.objects.update(amount=amount)
        connection.commit()
        drain()
        assert not connection.get_autocommit()
        assert ItemTotal.cached.get(group=1)["amount"] == amount
        connection.commit()
    out = io.StringIO()
    call_command("kck_verify", stdout=out)
    assert ", 0 wrong" in out.getvalue()
    assert not connection.get_autocommit()
    assert_fresh()
    entry = stored("item_total/1")
    assert entry is not None
    assert b":7" in (entry.body or b"")


@pytest.mark.usefixtures("by_hand")
def test_what_is_open_is_not_decided_for_its_owner() -> None:
    Item.objects.create(name="one", group=1, amount=5)
    for begin in (drain, lambda: call_command("kck_verify")):
        with pytest.raises(Exception, match=r"call commit\(\) or rollback\(\) first"):
            begin()
    assert not connection.get_autocommit()
    assert sql("SELECT amount FROM catalog_item") == [(5,)]
    with pytest.raises(ConfigurationError):
        drain()
