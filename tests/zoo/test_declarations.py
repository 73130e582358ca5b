"""Declarations that cannot work: named by the check, each time, all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

from kck_publish import (
    AggregatePrimer,
    CacheModel,
    Depends,
    FragmentPrimer,
    IntegerParameter,
    InvalidPrimer,
    Primer,
    cached_method,
    denormalized_field,
    primer,
)
from kck_publish.aggregates import Count, Sum
from kck_publish.diagnosis.registry import diagnose
from kck_publish.primers.product import ModelPrimerProduct
from kck_publish.products import registry
from kck_publish.products.options import OPTIONS, Options
from kck_publish.rows.model import products_of
from kck_publish.testing import assert_fresh, drain
from tests.catalog.models import Item
from tests.zoo.models import Account


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


async def awaited(*args: Any, **parameters: Any) -> None:
    """Of a primer only computes are awaited."""


async def yielded(*args: Any, **parameters: Any) -> AsyncIterator[None]:
    """Called, it does as little as a coroutine."""
    yield None


PAST = timedelta(seconds=-1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"eager": "x"}, "eager is True or False, not 'x'"),
        ({"prime_on_cache_miss": "no"}, "prime_on_cache_miss is True or False"),
        ({"soft_expire": PAST}, "soft_expire is no time in the past"),
        ({"hard_expire": PAST}, "hard_expire is no time in the past"),
        ({"max_lag": PAST}, "max_lag is no time in the past"),
        ({"live": "public"}, "from kck_publish import Public"),
        ({"live": awaited}, "live must not be async"),
        ({"live": yielded}, "live must not be async"),
        ({"live": lambda self, request, parameters: True}, r"called as \(request, parameters\)"),
        ({"version": {1, 2}}, "version is a number"),
        ({"depends_on": Item}, "depends_on takes a list"),
        ({"depends_on": "item_total"}, "depends_on takes a list"),
        ({"parameters": IntegerParameter("a")}, "parameters takes a list"),
        ({"compute": lambda self: 1}, r"compute\(self\) is called as compute\(self, a\)"),
        ({"compute": 1}, "compute is a method, not 1"),
        ({"compute_many": lambda self: []}, r"called as compute_many\(self, parameters\)"),
        ({"augment": lambda self, value, a: 1}, r"called as augment\(self, value, change, a\)"),
        ({"domain": [{"a": 1}]}, "domain is a method"),
        *(
            ({name: awaited}, f"{name} is async def")
            for name in ("augment", "domain", "pre_prime", "post_prime", "pre_set", "post_set")
        ),
    ],
)
def test_what_could_not_be_kept_is_refused_where_it_stands(options: Any, says: str) -> None:
    """Else it would be ignored, fail at each key, or never be right."""
    declared = {
        "key": "unkept",
        "parameters": [IntegerParameter("a")],
        "compute": lambda self, a: a,
    }
    with pytest.raises(InvalidPrimer, match=f"unkept: .*{says}"):
        type("Unkept", (Primer,), declared | {"compute": lambda self, a: a} | options)


def test_a_function_that_does_not_take_its_keys_parameters_is_refused() -> None:
    with pytest.raises(InvalidPrimer, match=r"called as function\(a\)"):
        primer("unkept/<int:a>")(lambda b: b)
    with pytest.raises(InvalidPrimer, match="depends_on takes a list"):
        primer("unkept", depends_on=Item)(lambda: 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options", [{"reads": Item}, {"a": 5}, {"keys": awaited}, {"keys": yielded}]
)
def test_a_dependency_that_could_not_be_followed_is_refused_by_name(options: Any) -> None:
    with pytest.raises(InvalidPrimer, match=r"Depends\(Item\): "):
        Depends(Item, **options)


@isolate_apps("tests.zoo")
def test_fields_with_the_names_of_options_say_nothing() -> None:
    """A version that was the field itself would be another one in each process."""

    class Release(Primer, CacheModel):
        version = models.IntegerField(default=1)
        when_behind = models.TextField(default="")
        max_lag: Any = models.IntegerField(default=0)
        soft_expire: Any = models.IntegerField(default=0)
        prime_on_cache_miss = models.BooleanField(default=False)
        live: Any = models.ForeignKey("self", models.CASCADE, related_name="retry")
        depends_on: Any = models.ManyToManyField("self")

        def compute(self) -> int:
            return 1

        def domain(self, scheme: str) -> str:
            return scheme

    product: Any = ModelPrimerProduct(Release)
    assert product.version == 1
    assert product.options is product
    for name in OPTIONS:
        assert getattr(product, name) == getattr(Options, name)


def test_a_set_among_conditions_has_one_fingerprint_in_all_processes() -> None:
    """The order of a set is another one in each process: nothing would be shared."""

    def fingerprint(among: set[int]) -> str:
        namespace = {
            "key": "among",
            "parameters": [IntegerParameter("amount")],
            "source": Depends(Item, amount="amount"),
            "values": {"rows": Count(where={"group__in": among})},
            "where": {"group__in": among},
        }
        try:
            type("Among", (AggregatePrimer,), namespace)
            return registry.get("among").fingerprint
        finally:
            registry.unregister("among")

    one, other = {0, 8}, {8, 0}
    assert list(one) != list(other)
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.django_db
def test_a_cached_method_is_given_its_arguments_as_it_takes_them() -> None:
    """By position alone, by name alone, and as many as there are: at first, and as stored."""
    account = Account.objects.create(name="a")
    drain()
    for _ in range(2):
        assert account.arguments(1, 2) == [1, 2, (), 0, {}]
        assert account.arguments(1, two=2, x=3) == [1, 2, (), 0, {"x": 3}]
        assert account.arguments(1, 2, 3, 4, last=5, y=6) == [1, 2, (3, 4), 5, {"y": 6}]
    Account.objects.update(admin=True)
    drain()
    assert_fresh()


async def counted(self: Any) -> int:
    return 1


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({"cached_by": "name"}, "cached_by is a list"),
        ({"cached_lists": None}, "cached_lists is a list"),
        ({"captured": "name"}, "captured is a list"),
        ({"captured": ["naem"]}, "has no column 'naem'"),
        ({"eager": "x"}, "eager is True or False"),
        ({"number": denormalized_field("nope")(lambda self: 1)}, "names no field"),
        ({"number": denormalized_field("name")(counted)}, "not async def"),
        ({"number": denormalized_field("name")(yielded)}, "not async def"),
    ],
)
@isolate_apps("tests.zoo")
def test_what_rows_could_not_keep_is_refused(declared: Any, says: str) -> None:
    namespace = {"__module__": __name__, "name": models.TextField()}
    model = type("Rows", (CacheModel,), namespace | declared)
    with pytest.raises(InvalidPrimer, match=f"zoo.Rows.*{says}"):
        products_of(model)


def test_a_method_that_is_none_is_refused() -> None:
    wrong: Any
    for wrong in (property(lambda self: 1), classmethod(lambda cls: 1)):
        with pytest.raises(InvalidPrimer, match="cached_method is for methods of a row"):
            cached_method(wrong)
    wrong = Item
    with pytest.raises(InvalidPrimer, match="depends_on takes a list"):
        cached_method(depends_on=wrong)(lambda self: 1)


def test_options_that_rows_do_not_obey_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a row nothing would be raised, whatever the lag."""
    assert not list(diagnose("options of rows", "default"))
    monkeypatch.setattr(Item, "when_behind", "raise", raising=False)
    monkeypatch.setattr(Item, "max_lag", timedelta(seconds=1), raising=False)
    monkeypatch.setattr(Item, "retry", "a text of the project's", raising=False)
    (problem,) = [one for one in diagnose("options of rows", "default") if one.obj is Item]
    assert "catalog.Item says when_behind, max_lag, which" in problem.message


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({"values": {"rows": models.Count("id")}}, "aggregates from kck_publish"),
        ({"values": {"rows": Count}}, "aggregates from kck_publish"),
        ({"values": [Count()]}, "aggregates from kck_publish"),
        ({"where": models.Q(amount=1)}, "where takes a dict"),
    ],
)
def test_what_is_django_s_is_no_aggregate(declared: Any, says: str) -> None:
    """``from django.db.models import Sum`` is the import that comes first to mind."""
    source = Depends(Item, group="group")
    namespace = {"key": "wrong_aggregate", "source": source, "values": {"rows": Count()}}
    parameters = {"parameters": [IntegerParameter("group")]}
    with pytest.raises(InvalidPrimer, match=says):
        type("Wrong", (AggregatePrimer,), namespace | parameters | declared)


def test_an_aggregate_of_an_expression_is_refused() -> None:
    wrong: Any = models.F("amount")
    with pytest.raises(InvalidPrimer, match="Sum takes a column's name, not F"):
        Sum(wrong)
    with pytest.raises(InvalidPrimer, match="where takes a dict"):
        Count(where=wrong)


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({}, "template_name is a template's name, not None"),
        ({"template_name": ["a.html"]}, "template_name is a template's name"),
        ({"template_name": "a.html", "context": lambda self, b: {}}, "called as context.self, a"),
        ({"template_name": "a.html", "context": awaited}, "context is async def"),
        ({"template_name": "a.html", "parameters": 5}, "parameters takes a list"),
    ],
)
def test_a_fragment_that_could_not_be_rendered_is_refused(declared: Any, says: str) -> None:
    parameters = {"key": "unrendered", "parameters": [IntegerParameter("a")]}
    with pytest.raises(InvalidPrimer, match=f"unrendered: .*{says}"):
        type("Unrendered", (FragmentPrimer,), parameters | declared)


def test_a_fragment_with_a_compute_of_its_own_needs_no_template() -> None:
    own = {"key": "unrendered", "version": 1, "compute": lambda self: "<p>"}
    try:
        assert type("Rendered", (FragmentPrimer,), own)
    finally:
        registry.unregister("unrendered")
