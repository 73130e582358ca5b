"""Tests as a project writes them, of products that do not declare all that they read."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from django.test import TestCase, override_settings

from kck_publish import Depends, IntegerParameter, Primer, UndeclaredRead
from kck_publish.products import registry
from kck_publish.testing import drain
from tests.relations.models import Poem, Poet


def declare() -> type[Primer]:
    """A product that reads a table which it does not declare, and one of which a column."""

    class PoemsOf(Primer):
        key = "strict_poems"
        parameters = [IntegerParameter("poet")]
        depends_on = [Depends(Poet, poet="pk")]

        def compute(self, poet: int) -> int:
            return Poem.objects.filter(poet=poet).count()

    class Titled(Primer):
        key = "strict_titled"
        parameters = [IntegerParameter("poet")]
        depends_on = [Depends(Poem, poet="poet_id", columns=[])]

        def compute(self, poet: int) -> int:
            return Poem.objects.filter(poet=poet, title="frog").count()

    return PoemsOf


class StrictTest(TestCase):
    """What is not declared is an error, unless the settings say that it is not."""

    poems: ClassVar[Any]
    poet: Poet

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.poems = declare()

    @classmethod
    def tearDownClass(cls) -> None:
        for name in ("strict_poems", "strict_titled"):
            registry.unregister(name)
        super().tearDownClass()

    def setUp(self) -> None:
        self.poet = Poet.objects.create(slug="basho")
        drain()

    def test_a_table(self) -> None:
        with self.assertRaisesMessage(UndeclaredRead, "relations_poem"):
            self.poems.cached.get(poet=self.poet.pk)

    def test_a_column(self) -> None:
        titled: Any = registry.get("strict_titled").sender
        with self.assertRaisesMessage(UndeclaredRead, "relations_poem.title"):
            titled.cached.get(poet=self.poet.pk)

    def test_unless_it_is_told_otherwise(self) -> None:
        with override_settings(KCK_PUBLISH={"STRICT": False}), warnings.catch_warnings():
            warnings.simplefilter("error")
            assert self.poems.cached.get(poet=self.poet.pk) == 0

    def test_a_refresh_that_is_refused_is_an_error_of_the_drain(self) -> None:
        with override_settings(KCK_PUBLISH={"STRICT": False}):
            self.poems.cached.get(poet=self.poet.pk)
        Poet.objects.update(last="Basho")
        with self.assertRaisesMessage(UndeclaredRead, "relations_poem"):
            drain()

    def test_who_counts_queries_does_not_count_those_that_look(self) -> None:
        with override_settings(KCK_PUBLISH={"ENABLED": False}), self.assertNumQueries(1):
            Poet.cached.get(pk=self.poet.pk)
