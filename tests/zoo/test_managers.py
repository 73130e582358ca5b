"""Managers of every kind: ``.cached`` gives what the default manager does, or refuses at start."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, models
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext, isolate_apps
from django.utils import timezone

from kck_publish import CacheModel, InvalidPrimer
from kck_publish.diagnosis.registry import diagnose
from kck_publish.rows.model import products_of
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain
from tests.kinds.alike import differences
from tests.zoo.models import (
    Account,
    Admin,
    BrightColour,
    CachedGuest,
    Chapter,
    Colour,
    CountingAccount,
    Draft,
    Guest,
    Item,
    Ledger,
    Page,
    SameAccount,
    SuperAdmin,
    Tag,
)

pytestmark = pytest.mark.django_db(transaction=True)


def answer(ask: Callable[[], Any]) -> Any:
    """The rows, each with its class; or that there is none."""
    try:
        found = ask()
    except Exception as error:  # noqa: BLE001 - compared
        return type(error).__name__
    rows = [found] if isinstance(found, models.Model) else list(found)
    return [(type(row), row.pk) for row in rows]


def assert_alike(model: Any) -> None:
    """Each read of ``.cached`` gives what the default manager does, computed and stored."""
    rows = model._default_manager
    pks = list(model._base_manager.values_list("pk", flat=True))
    for _ in "computed", "stored":
        drain()
        for pk in pks:
            expected = answer(partial(rows.get, pk=pk))
            assert answer(partial(model.cached.get, pk=pk)) == expected
        assert answer(lambda: list(model.cached.in_bulk(pks).values())) == answer(
            lambda: list(rows.filter(pk__in=pks).order_by("pk"))
        )
        assert answer(model.cached.all) == answer(lambda: list(rows.order_by("pk")))
    assert_fresh()


def assert_alike_through_changes(model: Any, concrete: Any) -> None:
    """A proxy's lookups and filters answer as its manager does, whatever its rows become."""
    for name, admin in (("a", True), ("b", False)):
        concrete.objects.create(name=name, admin=admin)
    for change in ({}, {"admin": True}, {"admin": False}):
        if change:
            concrete.objects.update(**change)
        assert_alike(model)
        for name in "abc":
            assert answer(partial(model.cached.get, name=name)) == answer(
                partial(model.objects.get, name=name)
            )
        for admin in (True, False):
            assert answer(partial(model.cached.filter, admin=admin)) == answer(
                partial(model.objects.filter, admin=admin)
            )


@pytest.mark.parametrize("model", [Admin, SuperAdmin, SameAccount, Account])
def test_a_proxys_own_manager_decides_which_rows_there_are(model: Any) -> None:
    """A proxy's own manager decides which rows there are (B13)."""
    assert_alike_through_changes(model, Account)


def test_a_proxy_gives_products_to_a_model_that_has_none() -> None:
    """A proxy with the mixin, of a model of another app, reads its rows by every lookup."""
    assert_alike_through_changes(CachedGuest, Guest)
    assert CachedGuest.cached.get(name="a").initial() == "a"
    Guest.objects.filter(name="a").update(name="z")
    drain()
    assert CachedGuest.cached.get(name="z").initial() == "z"


def test_a_cached_method_of_a_proxys_row() -> None:
    """A method of a row of a proxy with rows of its own is read and kept true (B13)."""
    Account.objects.create(name="ann", admin=True)
    drain()
    assert Admin.cached.get(name="ann").initial() == "a"
    Account.objects.update(name="ben")
    drain()
    assert Admin.cached.get(name="ben").initial() == "b"
    assert SameAccount.cached.get(name="ben").initial() == "b"


@pytest.mark.parametrize("model", [Page, Chapter])
def test_a_row_comes_into_the_managers_view_and_leaves_it(model: Any) -> None:
    """A manager that hides rows by their own columns is followed, in all() too (B13)."""
    first, second = model.everything.create(name="a"), model.everything.create(name="b")
    assert_alike(model)
    for change in (
        {"deleted": True}, {"deleted": False}, {"state": "spam"}, {"state": "x"}, {"name": "X"},
        {"name": "b", "state": "hidden"},
    ):  # fmt: skip
        Page.everything.filter(pk=second.pk).update(**change)
        assert_alike(model)
    assert answer(model.cached.all) == [(model, first.pk)]


def test_a_manager_that_fetches_more_and_less_than_the_rows() -> None:
    """Prefetched relations do not stop all(), filter() and kck_prime; rows are whole (B13, D7)."""
    tag = Tag.objects.create(name="t")
    rows = [Item.objects.create(name=f"i{n}", text="long", first=tag) for n in range(3)]
    rows[0].tags.add(tag)
    assert_alike(Item)
    call_command("kck_prime", "--all", "--verbosity=0")
    assert list(Item.cached.filter(name="i0")[0].tags.all()) == [tag]
    for row in Item.cached.all():
        assert not row.get_deferred_fields()
        assert not differences(row, Item._base_manager.get(pk=row.pk))


def test_a_deferred_column_costs_no_query_a_row() -> None:
    """What the manager defers is read with the rows, and not row by row (D7)."""
    for n in range(30):
        Item.objects.create(name=f"i{n}", text="long")
    with CaptureQueriesContext(connection) as queries:
        assert len(Item.cached.in_bulk(Item._base_manager.values_list("pk", flat=True))) == 30
    assert len([q for q in queries if 'FROM "zoo_item"' in q["sql"]]) <= 2


@pytest.mark.parametrize("model", [Colour, BrightColour])
def test_a_table_behind_a_manager(model: Any) -> None:
    """A CachedTable holds the rows that its manager gives (B13)."""
    for name, admin in (("blue", True), ("red", True), ("black", False)):
        Colour(name=name, admin=admin).save()
    assert_alike(model)
    Colour._base_manager.update(admin=True)
    assert_alike(model)


def test_a_proxy_that_cannot_be_followed_is_refused_where_it_is_read() -> None:
    """A proxy with an annotating manager: a check warns of it, ``.cached`` refuses (B13)."""
    row = Account.objects.create(name="a")
    Ledger.objects.create(account=row)
    assert CountingAccount.objects.get(pk=row.pk).entries == 1
    for ask in (lambda: CountingAccount.cached.get(pk=row.pk), CountingAccount.cached.all):
        with pytest.raises(InvalidPrimer, match=r"CountingAccount.objects .*annotates.*entries"):
            ask()
    (problem,) = [p for p in diagnose("managers", "default") if p.obj is CountingAccount]
    assert "default_manager_name" in str(problem)


class Tenants(models.QuerySet[Any]):
    """Of instances of another class."""

    def _fetch_all(self) -> None:
        super()._fetch_all()


def manager(change: Callable[[Any], Any], of: Any = models.QuerySet) -> Any:
    """A manager whose queryset is this one."""

    class Manager(models.Manager.from_queryset(of)):  # type: ignore[misc]
        def get_queryset(self) -> Any:
            return change(super().get_queryset())

    return Manager()


def asks(rows: Any) -> Any:
    return rows.filter(name__in=list(Account.objects.values_list("name", flat=True)))


def other_class(rows: Any) -> Any:
    class Rows(models.query.ModelIterable):  # type: ignore[type-arg]
        pass

    rows._iterable_class = Rows
    return rows


OTHER = Account.objects.filter(name=OuterRef("name"))
REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "an annotation": (lambda rows: rows.annotate(n=F("size") + 1), r"annotates its rows \(n\)"),
    "a count": (lambda rows: rows.annotate(n=Count("children")), "annotates"),
    "a hidden count": (lambda rows: rows.alias(n=Count("children")).filter(n=1), "aggregate"),
    "another table": (lambda rows: rows.filter(account__admin=True), "reads another table"),
    "its own table again": (lambda rows: rows.filter(parent__size=1), "reads another table"),
    "its children": (lambda rows: rows.filter(children=None), "reads another table"),
    "a subquery": (lambda rows: rows.filter(Exists(OTHER)), "Exists"),
    "a list of another query": (
        lambda rows: rows.filter(name__in=Account.objects.values("name")), "Query"),
    "SQL": (lambda rows: rows.filter(size=RawSQL("1", ())), "RawSQL"),
    "extra": (lambda rows: rows.extra(where=["true"]), "ExtraWhere"),
    "the database's clock": (lambda rows: rows.filter(at__lt=Now()), "Now"),
    "the host's clock": (lambda rows: rows.filter(at__lt=timezone.now()), "at each call"),
    "a slice": (lambda rows: rows[:5], "slice"),
    "a union": (lambda rows: rows.union(rows), "combines"),
    "one row of several": (lambda rows: rows.order_by("name").distinct("name"), "distinct"),
    "locks": (lambda rows: rows.select_for_update(), "locks"),
    "a prefetch of its own": (
        lambda rows: rows.prefetch_related(Prefetch("children", to_attr="kids")), "Prefetch"),
    "nothing": (lambda rows: rows.none(), "no rows at start"),
    "values": (lambda rows: rows.values("name"), "ValuesIterable"),
    "instances of another class": (other_class, "through Rows"),
    "a query at start": (asks, "queries the database"),
    "an error at start": (lambda rows: rows.filter(nope=1), "raises FieldError at start"),
}  # fmt: skip


@isolate_apps("tests.zoo")
def of_manager(given: Any) -> Any:
    class Strange(CacheModel):
        name = models.CharField(max_length=10)
        size = models.IntegerField(default=0)
        at = models.DateTimeField(null=True)
        account = models.ForeignKey(Account, models.CASCADE, related_name="+")
        parent = models.ForeignKey("self", models.CASCADE, related_name="children")
        objects = given

    return Strange


@pytest.mark.parametrize("kind", REFUSED)
def test_a_manager_that_cannot_be_followed_is_refused(kind: str) -> None:
    """What of a manager no change of the row's columns announces, the model may not have (B13)."""
    change, why = REFUSED[kind]
    with pytest.raises(InvalidPrimer, match=rf"Strange\.objects cannot be followed.*{why}"):
        products_of(of_manager(manager(change)))


def test_an_objects_that_gives_other_rows_is_warned_of() -> None:
    """``objects`` beside a default manager that gives other rows: which of them is said (B13)."""
    (problem,) = [p for p in diagnose("managers", "default") if p.obj is Draft]
    assert "objects gives other rows than the default manager (everything)" in str(problem)
    Draft.everything.create(deleted=True)
    assert_alike(Draft)


def test_a_queryset_that_fetches_itself_is_refused() -> None:
    """A queryset's class that makes the rows itself (B13)."""
    with pytest.raises(InvalidPrimer, match=r"Tenants\._fetch_all"):
        products_of(of_manager(manager(lambda rows: rows, Tenants)))


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.filter(Q(size__gt=F("id")) | Q(name__regex="^a") & ~Q(at=None)),
        lambda rows: rows.filter(account=5, parent_id__in=[1, 2]),
        lambda rows: rows.filter(size__in=[F("id"), 3]).distinct(),
    ],
)
def test_conditions_on_own_columns_are_followed(change: Any) -> None:
    """Not more is refused than cannot be followed (B13)."""
    products_of(of_manager(manager(change)))


def test_a_condition_that_moves_on_later_is_refused_where_it_is_computed() -> None:
    """A manager that filters by the request or the day: refused (B13)."""
    chosen = ["a"]
    model = of_manager(manager(lambda rows: rows.filter(name=chosen[0])))
    (by_pk, *_) = products_of(model)
    chosen[0] = "b"
    with pytest.raises(InvalidPrimer, match="other rows now than at start"):
        by_pk.prime_one({"pk": 1})
