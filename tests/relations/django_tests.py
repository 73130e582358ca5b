"""Tests as a project writes them, of django.test. Run by pytest, and by ``manage.py test``."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.test import SimpleTestCase, TestCase, TransactionTestCase

from kck_publish.testing import assert_fresh, drain, travel
from tests.catalog.fixtures import reads, stored
from tests.relations.models import Country, House, Poem, Poet


class PlainTest(TestCase):
    """What setUpTestData has written is there in each test, and drained when asked."""

    poet: Poet

    @classmethod
    def setUpTestData(cls) -> None:
        cls.poet = Poet.objects.create(slug="basho")

    def check(self) -> None:
        assert stored(f"relations.poet/{self.poet.pk}") is None
        assert Poet.cached.get(slug="basho") == self.poet
        Poem.objects.create(poet=self.poet, title="frog")
        assert self.poet.num_poems() == 1  # one's own write
        drain()
        with reads(store=1):
            assert self.poet.num_poems() == 1
        Poem.objects.all().delete()
        Poet.objects.update(last="Basho")
        drain()
        with reads(store=2):
            assert self.poet.num_poems() == 0
            assert Poet.cached.get(slug="basho").last == "Basho"
        assert_fresh()
        assert_fresh("relations.poet.num_poems")
        with travel(timedelta(days=1)):
            assert drain().changes == 0

    test_one = check
    test_two = check  # nothing of the first is left

    def test_a_block_that_is_rolled_back(self) -> None:
        drain()
        with transaction.atomic():
            Poet.objects.update(last="never")
            drain()
            assert Poet.cached.get(slug="basho").last == "never"
            transaction.set_rollback(True)
        assert Poet.cached.get(slug="basho").last == ""
        drain()
        assert_fresh()

    def test_what_is_stale_is_named(self) -> None:
        Country.objects.create(code="NL")
        drain()
        from kck_publish import Cache, suppress

        with suppress(Country):
            Country.objects.update(code="BE")
        with pytest.raises(AssertionError, match=r"Not fresh: relations\.country\[\]"):
            assert_fresh()
        Cache.get_instance().refresh("relations.country[]")
        drain()
        assert_fresh()


class DrainedDataTest(TestCase):
    """What is drained in setUpTestData is stored for each test."""

    @classmethod
    def setUpTestData(cls) -> None:
        Poet.objects.create(slug="basho")
        House.objects.create(name="Ace")
        drain()

    def check(self) -> None:
        with reads(store=2):
            assert Poet.cached.get(slug="basho").last == ""
            assert House.cached.get(name="Ace").name == "Ace"
        Poet.objects.update(last="changed")
        drain()
        with reads(store=1):
            assert Poet.cached.get(slug="basho").last == "changed"

    test_one = check
    test_two = check


class CommittingTest(TransactionTestCase):
    """Outside a transaction drain() does what the listener does."""

    def check(self) -> None:
        assert House.cached.all() == []
        House.objects.create(name="Ace")
        drain()
        assert stored(f"relations.house/{House.objects.get().pk}") is not None
        assert House.cached.get(name="Ace").name == "Ace"
        House.objects.update(name="Tor")
        drain()
        with pytest.raises(House.DoesNotExist):
            House.cached.get(name="Ace")
        with transaction.atomic():
            House.objects.update(name="inner")
            drain()  # what the transaction has written
            assert House.cached.get(name="inner").name == "inner"
        drain()
        assert_fresh()

    test_one = check
    test_two = check


class NoDatabaseTest(SimpleTestCase):
    """Declarations can be looked at without one."""

    def test_declared(self) -> None:
        assert House.cached.product_of(["pk"]).name == "relations.house"
