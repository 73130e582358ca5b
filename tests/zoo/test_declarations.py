"""Declarations that cannot work: named by the check, each time, all of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from django.test.utils import isolate_apps

from kck_publish import CacheModel, InvalidPrimer, Primer, primer
from kck_publish.diagnosis.registry import diagnose
from kck_publish.products import registry
from kck_publish.rows.model import products_of


@pytest.fixture
def wrong() -> Iterator[None]:
    """Two models whose cached_by names no field, as class_prepared declares them."""
    with isolate_apps("tests.zoo"):

        class Wrong(CacheModel):
            cached_by = ["nope"]

        class WrongToo(CacheModel):
            cached_lists = ["never"]

    def declare(model: type[CacheModel]) -> None:
        products_of(model)

    registry.later(partial(declare, Wrong))
    registry.later(partial(declare, WrongToo))
    yield
    registry._late.clear()
    registry.made = None


def test_a_lookup_of_no_field_is_named_each_time(wrong: None) -> None:
    """cached_by of no field: the check names it, whoever has asked before (B19)."""
    for _ in range(3):
        with pytest.raises(InvalidPrimer, match="'nope' is none"):
            registry.graph()
        (problem,) = diagnose("declarations", "default")
        assert problem.id == "E002"
        for text in ("zoo.Wrong: cached_by", "'nope' is none", "zoo.WrongToo", "'never' is none"):
            assert text in problem.message


def test_others_are_declared_all_the_same(wrong: None) -> None:
    """What comes after a wrong declaration is not lost (B19)."""
    declared: list[str] = []
    registry.later(lambda: declared.append("after"))
    for _ in range(2):
        with pytest.raises(InvalidPrimer):
            registry.graph()
    assert declared == ["after"]


@pytest.mark.parametrize(
    ("option", "kind"),
    [
        ("soft_expire", "timedelta"),
        ("hard_expire", "timedelta"),
        ("max_lag", "timedelta"),
        ("retry", "Retry"),
    ],
)
def test_an_option_of_another_kind_is_refused_where_it_stands(option: str, kind: str) -> None:
    """A number is no timedelta and no Retry: reads and retries rely on it."""
    with pytest.raises(InvalidPrimer, match=f"wrong_kind: {option} is a {kind}, not 5"):
        type("Wrong", (Primer,), {"key": "wrong_kind", option: 5, "compute": lambda self: 1})


def test_an_option_of_the_short_form_that_there_is_not_is_refused() -> None:
    """In a class a name is the user's own; here it can only be meant for the library."""
    with pytest.raises(InvalidPrimer, match="Did you mean 'when_behind'"):
        primer("misspelt", when_behnd="raise")
