"""QuerySetPrimer: what it gives, what touches it, what is left alone, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from django.db.models import Avg, Count, Exists, F, Func, Max, OuterRef, Prefetch, Q, Sum
from django.db.models.expressions import RawSQL

from kck_publish import (
    BooleanParameter,
    Cache,
    IntegerParameter,
    InvalidPrimer,
    QuerySetPrimer,
    StringParameter,
    suppress,
)
from kck_publish.diagnosis.registry import diagnose
from kck_publish.ops.graph import draw
from kck_publish.products import registry
from kck_publish.products.parameters import Parameter
from kck_publish.querysets import form_check
from kck_publish.querysets.plan import reading_of
from kck_publish.testing import assert_fresh, drain
from tests.atlas.models import City, Label, Sale, Shop, Ware
from tests.properties.test_paths import fill

pytestmark = pytest.mark.django_db
cache = Cache.get_instance()
A = IntegerParameter("a")
S = Sale.objects.order_by("pk")


@contextmanager
def product(
    queryset: Callable[..., Any], *parameters: Parameter, **attributes: Any
) -> Iterator[type[QuerySetPrimer]]:
    """A product of a queryset."""

    def method(self: QuerySetPrimer, **given: Any) -> Any:
        return queryset(**given)

    namespace = {
        "key": "qs",
        "parameters": parameters or (A,),
        "queryset": method,
        "__module__": __name__,
        **attributes,
    }
    try:
        yield type("Qs", (QuerySetPrimer,), namespace)
    finally:
        registry.unregister("qs")
        registry._late.clear()


@pytest.fixture(autouse=True)
def world(db: None) -> None:
    fill()
    Sale.objects.create(pk=4, shop_id="s1", ware_id=1, amount=9)
    drain()


def diagnosed() -> list[str]:
    """What the checks say of the product; they tell of the demo's as well."""
    mine = registry.get("qs")
    return [one.id for one in diagnose("querysets", "default") if one.obj is mine]


def touched(change: Callable[[], Any]) -> int:
    """How many keys a change touches."""
    change()
    outcome = drain()
    assert_fresh("qs")
    return outcome.primed + outcome.augmented + outcome.unchanged + outcome.removed


def test_dicts_tuples_scalars_and_named_tuples() -> None:
    with product(lambda a: S.filter(ware=a).values("pk", "amount")) as primer:
        assert primer.cached.get(a=1) == [{"pk": 1, "amount": 1}, {"pk": 4, "amount": 9}]
    with product(lambda a: S.filter(ware=a).values_list("pk", "amount")) as primer:
        assert primer.cached.get(a=1) == [(1, 1), (4, 9)]
    with product(lambda a: S.filter(ware=a).values_list("amount", flat=True)) as primer:
        assert primer.cached.get(a=1) == [1, 9]
    with product(lambda a: S.filter(ware=a).values_list("pk", "amount", named=True)) as primer:
        for _ in "stored", "read":
            assert [(row.pk, row.amount) for row in primer.cached.get(a=1)] == [(1, 1), (4, 9)]


def test_numbers_and_one_row() -> None:
    with product(lambda a: S.filter(ware=a).count()) as primer:
        assert primer.cached.get(a=1) == 2
    with product(lambda a: S.filter(ware=a).exists()) as primer:
        assert [primer.cached.get(a=a) for a in (1, 7)] == [True, False]
    with product(lambda a: S.filter(ware=a).first()) as primer:
        assert [primer.cached.get(a=a) for a in (1, 7)] == [Sale(pk=1), None]
    with product(lambda a: S.filter(ware=a).values("amount"), one=True) as primer:
        assert primer.cached.get(a=1) == {"amount": 1}
        with pytest.raises(Sale.DoesNotExist):
            primer.cached.get(a=7)


def test_a_list_of_the_rows_is_what_its_queryset_is() -> None:
    """Instances come back as instances, and dicts as dicts, also those with a member `model`."""
    with product(lambda a: list(S.filter(ware=a))) as primer:
        for _ in "computed", "stored":
            assert primer.cached.get(a=1) == [Sale(pk=1), Sale(pk=4)]
    with product(lambda a: list(S.filter(ware=a).values("pk", model=F("amount")))) as primer:
        for _ in "computed", "stored":
            assert primer.cached.get(a=1) == [{"pk": 1, "model": 1}, {"pk": 4, "model": 9}]


def test_instances_with_all_that_was_loaded(django_assert_num_queries: Any) -> None:
    def rows(a: int) -> Any:
        dear = Prefetch("sale_set", Sale.objects.filter(amount__gt=1), to_attr="dear")
        found = Ware.objects.filter(pk=a).select_related("maker").annotate(n=Count("sale"))
        return found.prefetch_related("labels", dear).defer("price")

    with product(rows) as primer:
        primer.cached.get(a=1)
        drain()
        primer.cached.get(a=1)
        (ware,) = primer.cached.get(a=1)
        with django_assert_num_queries(0):
            assert (ware, ware.maker.name, ware.n) == (Ware(pk=1), "", 2)
            assert [label.name for label in ware.labels.all()] == ["b"]
            assert [sale.amount for sale in ware.dear] == [9]
        with django_assert_num_queries(1):
            assert ware.price == 1


def test_what_fulfils_no_condition_touches_nothing() -> None:
    def rows(a: int) -> Any:
        return S.filter(ware_id=a, amount__gt=5, shop__city__name="").values("amount")

    with product(rows) as primer:
        assert [primer.cached.get(a=a) for a in (1, 2)] == [[{"amount": 9}], []]
        assert touched(lambda: Sale.objects.filter(pk=1).update(amount=4)) == 0
        assert touched(lambda: Sale.objects.filter(pk=4).update(remark="x")) == 0
        assert touched(lambda: Sale.objects.create(pk=8, shop_id="s1", ware_id=3, amount=7)) == 0
        assert touched(lambda: Sale.objects.create(pk=7, shop_id="s1", ware_id=1, amount=7)) == 1
        assert touched(lambda: Sale.objects.filter(pk=4).update(ware_id=2)) == 2
        assert touched(lambda: City.objects.filter(pk=1).update(country_id=2)) == 0
        assert touched(lambda: City.objects.filter(pk=1).update(name="y")) == 2
        assert touched(lambda: Sale.objects.filter(pk=7).delete()) == 0 + 1


def test_what_cannot_be_seen_through_touches_all_keys() -> None:
    def rows(a: int) -> Any:
        twice = RawSQL("amount * %s", [2])
        return (
            S.filter(ware_id=a).annotate(n=twice, m=Func(F("amount"), function="abs")).values("n")
        )

    with product(rows) as primer:
        for a in (1, 2):
            primer.cached.get(a=a)
        assert touched(lambda: Sale.objects.filter(pk=3).update(remark="x")) == 2
        assert "RawSQL, Func cannot be seen through" in draw(registry.graph())
        assert diagnosed() == ["I033", "I032"]


@pytest.mark.parametrize(
    ("queryset", "why"),
    [
        (lambda a, b: S.filter(ware=a) if b else Ware.objects.all(), "different forms"),
        (lambda a, b: S.filter(amount=time.time_ns() % 1000), "something else each time"),
        (lambda a, b: [Sale.objects.count(), Ware.objects.count()], "has to return a queryset"),
        (lambda a, b: Sale.objects.get(pk=a), "could not be run"),
        (lambda a, b: S.values(*["amuont"]), "FieldError: Cannot resolve keyword 'amuont'"),
        (lambda a, b: S.filter(amount=a.value), "AttributeError"),
        (lambda a, b: S.annotate(n=RawSQL("(SELECT count(*) FROM x)", [])), "nobody sees"),
    ],
)
def test_what_cannot_be_followed_is_refused(queryset: Callable[..., Any], why: str) -> None:
    with (
        product(queryset, A, BooleanParameter("b")),
        pytest.raises(InvalidPrimer, match=why),
    ):
        registry.graph()


@pytest.mark.parametrize(
    ("queryset", "options", "why"),
    [
        (lambda a: S.filter(ware=a)[:2], {"reserve": -1}, "from 0 on"),
        (lambda a: S.filter(ware=a)[:2], {"reserve": "3"}, "from 0 on"),
        (lambda a: S.filter(ware=a)[:2], {"reserve": True}, "from 0 on"),
        (lambda a: S.filter(ware=a), {"one": "yes"}, "True or False"),
        (lambda a: S.filter(ware=a).count(), {"one": True}, "gives int: leave"),
        (lambda a: S.filter(ware=a).first(), {"one": True}, "leave `one` out"),
    ],
)
def test_options_that_would_give_other_rows_are_refused(
    queryset: Callable[..., Any], options: dict[str, Any], why: str
) -> None:
    """A reserve below nothing takes rows from the slice itself."""
    with pytest.raises(InvalidPrimer, match=why), product(queryset, **options):
        registry.graph()


def test_a_query_of_another_form_is_refused_when_it_comes() -> None:
    def rows(a: int) -> Any:
        found = S.filter(ware=a).prefetch_related("ware__labels")
        return found if a > 1 else Ware.objects.filter(labels=a)

    with product(rows) as primer:
        assert primer.cached.get(a=2) == [Sale(pk=2)]
        with pytest.raises(InvalidPrimer, match="another query"):
            primer.cached.get(a=1)


def test_a_parameter_that_may_be_none() -> None:
    with product(
        lambda a: S.filter(shop__city=a).values("pk"), IntegerParameter("a", null=True)
    ) as primer:
        assert [primer.cached.get(a=a) for a in (1, None)] == [[{"pk": 1}, {"pk": 4}], []]
        assert touched(lambda: Shop.objects.filter(pk=1).update(city=None)) == 2
        assert primer.cached.get(a=None) == [{"pk": 1}, {"pk": 4}]


def test_the_graph_shows_how_narrow_each_is() -> None:
    def rows(a: str) -> Any:
        return S.filter(ware__brand=a, amount__gt=5).values("amount")

    with product(rows, StringParameter("a")):
        text = draw(registry.graph())
        assert "read, a=atlas.Ware.brand, where 1 conditions hold; columns ware_id, amount" in text
        assert not diagnosed()


def test_rows_of_a_many_to_many_prefetch_count() -> None:
    with product(lambda a: Ware.objects.filter(pk=a).prefetch_related("labels")) as primer:
        for a in (1, 2):
            primer.cached.get(a=a)
        assert touched(lambda: Label.objects.filter(pk=1).update(name="z")) == 1
        (ware,) = primer.cached.get(a=1)
        assert [label.name for label in ware.labels.all()] == ["z"]


def test_a_condition_that_is_negated_tells_no_key() -> None:
    with product(lambda a: S.exclude(ware=a).values("pk")) as primer:
        for a in (1, 2):
            primer.cached.get(a=a)
        assert touched(lambda: Sale.objects.create(pk=9, shop_id="s1", ware_id=1)) == 2


def test_a_row_that_was_missing_counts() -> None:
    with product(lambda a: Ware.objects.filter(maker=a, sale__isnull=True).values("pk")) as primer:
        assert primer.cached.get(a=1) == []
        assert touched(lambda: Sale.objects.filter(ware=1).delete()) == 1
        assert primer.cached.get(a=1) == [{"pk": 1}]
        assert touched(lambda: Sale.objects.create(pk=9, shop_id="s1", ware_id=1)) == 1


def test_a_condition_within_an_annotation_tells_its_own_rows() -> None:
    def rows(a: int) -> Any:
        sold = Exists(Sale.objects.filter(ware=OuterRef("pk"), amount=a))
        return Ware.objects.annotate(sold=sold).order_by("pk").values("brand", "sold")

    with product(rows) as primer:
        for a in (1, 2, 9):
            primer.cached.get(a=a)
        assert touched(lambda: Ware.objects.filter(pk=3).update(brand="z")) == 3
        assert touched(lambda: Sale.objects.filter(pk=1).update(amount=2)) == 2


def test_a_null_among_what_is_not_in_counts_for_all() -> None:
    def rows(a: int) -> Any:
        made = Ware.objects.filter(price__gt=5).values("maker_id")
        return City.objects.filter(~Q(pk__in=made), country=a).values("pk")

    with product(rows) as primer:
        assert len(primer.cached.get(a=1)) == 1
        assert touched(lambda: Ware.objects.create(pk=9, brand="c", price=9, maker=None)) == 1
        assert primer.cached.get(a=1) == []


def test_a_count_of_another_form_is_refused_when_it_comes() -> None:
    def count(a: int) -> Any:
        return S.filter(ware=a).count() if a > 1 else Ware.objects.filter(labels=a).count()

    with product(count) as primer:
        assert primer.cached.get(a=2) == 1
        with pytest.raises(InvalidPrimer, match="another query"):
            primer.cached.get(a=1)


NOTHING: dict[str, Callable[[int], Any]] = {
    "rows": lambda a: S.filter(ware=a, amount__in=[]).values("pk"),
    "rows that are primed": lambda a: S.filter(ware=a, amount__in=[]).select_related("shop"),
    "a count": lambda a: S.filter(ware=a, amount__in=[]).count(),
    "a count that is primed": lambda a: S.filter(ware=a, ware__labels__in=[]).count(),
    "none()": lambda a: S.filter(ware=a).none(),
}


@pytest.mark.parametrize("queryset", NOTHING.values(), ids=NOTHING)
def test_a_query_that_finds_nothing(queryset: Callable[[int], Any]) -> None:
    """A list that is empty, of the settings say: Django executes nothing then."""
    with product(queryset) as primer:
        assert primer.cached.get(a=1) in ([], 0)
        Sale.objects.filter(pk=1).update(amount=7)
        drain()
        assert_fresh("qs")


def test_a_query_is_gone_through_at_start_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compute costs what its query costs."""

    def rows(a: int) -> Any:
        return Ware.objects.filter(pk__gte=a).prefetch_related("labels")

    gone_through: list[Any] = []

    def counted(run: Any) -> Any:
        gone_through.append(run)
        return reading_of(run)

    monkeypatch.setattr(form_check, "reading_of", counted)
    with product(rows) as primer:
        for a in (1, 2, 3):
            assert len(primer.cached.get(a=a)) == 4 - a
        assert gone_through == []


def kept_as(primer: type[QuerySetPrimer]) -> str:
    """How the product of a primer is kept, or why it is primed."""
    found: Any = registry.get(primer.key)
    return str(found.kept.kind if found.kept else found.why_primed)


def changed(change: Callable[[], Any]) -> tuple[int, int, int]:
    """How many keys a change had primed, augmented and left as they were."""
    change()
    outcome = drain()
    assert_fresh("qs")
    assert not outcome.failed
    return outcome.primed, outcome.augmented, outcome.unchanged


def test_a_slice_is_amended_from_its_reserve() -> None:
    def rows(a: int) -> Any:
        dear = Sale.objects.filter(ware_id=a, amount__gt=5, ware__active=True)
        return dear.order_by("-amount").values("pk", "amount", "shop__city__name")[:2]

    for n in range(10, 16):
        Sale.objects.create(pk=n, shop_id="s1", ware_id=1, amount=n)
    drain()
    with product(rows, reserve=1) as primer:
        assert kept_as(primer) == "rows"
        assert [row["amount"] for row in primer.cached.get(a=1)] == [15, 14]
        assert changed(lambda: Sale.objects.filter(pk=15).delete()) == (0, 1, 0)
        assert changed(lambda: Sale.objects.create(pk=9, shop_id="s1", ware_id=1, amount=6)) == (
            0, 0, 1,
        )  # fmt: skip
        assert changed(lambda: Sale.objects.filter(pk=14).update(amount=20)) == (0, 1, 0)
        assert [row["amount"] for row in primer.cached.get(a=1)] == [20, 13]
        assert changed(lambda: Sale.objects.filter(pk=13).delete()) == (1, 0, 0)  # it is used up
        assert changed(lambda: City.objects.filter(pk=1).update(name="far")) == (1, 0, 0)
        assert changed(lambda: Ware.objects.filter(pk=1).update(active=False)) == (1, 0, 0)
        assert changed(lambda: Sale.objects.filter(pk=14).update(amount=21)) == (0, 0, 1)
        assert primer.cached.get(a=1) == []


def test_numbers_are_amended() -> None:
    def totals(a: int) -> Any:
        dear = Count("pk", filter=Q(amount__gt=5))
        return S.filter(ware=a).aggregate(n=Count("pk"), x=Sum("amount"), top=Max("amount"), d=dear)

    with product(totals) as primer:
        assert kept_as(primer) == "totals"
        assert primer.cached.get(a=1) == {"n": 2, "x": 10, "top": 9, "d": 1}
        assert changed(lambda: Sale.objects.filter(pk=1).update(amount=7)) == (0, 1, 0)
        assert primer.cached.get(a=1) == {"n": 2, "x": 16, "top": 9, "d": 2}
        assert changed(lambda: Sale.objects.filter(pk=4).delete()) == (1, 0, 0)  # the greatest
        assert changed(lambda: Sale.objects.filter(pk=2).update(ware_id=1)) == (0, 1, 0)
        assert primer.cached.get(a=1) == {"n": 2, "x": 8, "top": 7, "d": 1}
    with product(lambda a: S.filter(ware=a).exists()) as primer:
        assert primer.cached.get(a=3)
        assert changed(lambda: Sale.objects.filter(ware=3).delete()) == (0, 1, 0)
        assert not primer.cached.get(a=3)


def test_groups_are_amended() -> None:
    def groups(a: int) -> Any:
        rows = Sale.objects.filter(shop__city=a).values("ware__brand").annotate(n=Count("pk"))
        return rows.order_by("-n", "ware__brand")[:2]

    with product(groups) as primer:
        assert kept_as(primer) == "groups"
        assert primer.cached.get(a=1) == [{"ware__brand": "b", "n": 2}]
        Sale.objects.create(pk=8, shop_id="s1", ware_id=3)
        assert changed(lambda: Sale.objects.filter(pk=4).update(ware_id=2)) == (0, 1, 0)
        assert primer.cached.get(a=1) == [
            {"ware__brand": "b", "n": 2}, {"ware__brand": "a", "n": 1}
        ]  # fmt: skip
        assert changed(lambda: Sale.objects.filter(pk=1).update(ware_id=2)) == (0, 1, 0)
        # Which of two texts is first, the database's collation says.
        one_more = partial(Sale.objects.create, pk=20, shop_id="s1", ware_id=1)
        assert changed(one_more) == (1, 0, 0)


def test_many_keys_are_computed_by_one_query(django_assert_num_queries: Any) -> None:
    def rows(a: int) -> Any:
        return Sale.objects.filter(ware_id=a).order_by("-amount").values_list("pk")[:1]

    with product(rows) as primer:
        found: Any = registry.get("qs")
        with django_assert_num_queries(1):
            states = found.prime_many([{"a": a} for a in (1, 2, 3, 9)])
        assert [found.show(state) for state in states] == [[(4,)], [(2,)], [(3,)], []]
        assert primer.cached.get_many([{"a": 1}, {"a": 2}]) == [[(4,)], [(2,)]]


@pytest.mark.parametrize(
    ("queryset", "why"),
    [
        (lambda a: S.filter(ware=a)[:2].prefetch_related("ware__labels"), "several queries"),
        (lambda a: S.filter(ware=a).values("ware__labels"), "a join leads to several rows"),
        (lambda a: S.filter(amount__gt=a).values("pk"), "is not the same for all keys"),
        (lambda a: S.filter(amount=1).values("pk"), "a is not what one column equals"),
        (lambda a: S.filter(ware=a, amount=F("pk")).values("pk"), "is not the same for all keys"),
        (lambda a: S.filter(ware=a).values("remark").distinct(), "of distinct rows"),
        (lambda a: S.filter(ware=a).order_by()[:2], "not told by an order"),
        (lambda a: S.filter(ware=a, remark__gt="b").values("pk"), "is not the same for Python"),
        (lambda a: S.filter(ware=a).count() + 1, "makes something of what it asks for"),
        (lambda a: S.filter(ware=a).aggregate(x=Avg("amount")), "cannot be kept up exactly"),
    ],
)
def test_what_cannot_be_amended_is_primed(queryset: Callable[..., Any], why: str) -> None:
    with product(queryset) as primer:
        assert why in kept_as(primer)
        primer.cached.get(a=1)
        assert changed(lambda: Sale.objects.filter(pk=1).update(amount=7))[1] == 0
        assert f"qs(a)  primed: {kept_as(primer)}" in draw(registry.graph())
        assert "I033" in diagnosed()


def test_constants_that_depend_on_the_parameter_are_refused() -> None:
    with product(lambda a: S.filter(ware=a, amount__gt=5 if a < 1000 else 8)) as primer:
        with pytest.raises(InvalidPrimer, match="another query"):
            primer.cached.get(a=1)
        assert primer.cached.get(a=1001) == []


CHANGING: dict[str, Callable[[int], Any]] = {
    "a value": lambda a: S.filter(ware=a, amount__gt=5 if a < 1000 else 8).select_related("shop"),
    "a list": lambda a: S.filter(ware__labels=a, amount__in=[5, 6] if a < 1000 else [8, 9]),
    "a count": lambda a: S.filter(ware__labels=a, amount__gt=5 if a < 1000 else 8).count(),
    "the largest of a slice": lambda a: S.filter(ware=a, amount__gt=5 if a < 1000 else 8)[
        :3
    ].aggregate(largest=Max("amount")),
    "what is prefetched": lambda a: Ware.objects.filter(pk=a).prefetch_related(
        "labels" if a < 1000 else "sale_set"
    ),
    "a prefetch": lambda a: Ware.objects.filter(pk=a).prefetch_related(
        Prefetch("labels", Label.objects.filter(pk__gt=5 if a < 1000 else 8))
    ),
}


@pytest.mark.parametrize("queryset", CHANGING.values(), ids=CHANGING)
def test_so_they_are_where_the_value_is_primed(queryset: Callable[[int], Any]) -> None:
    """Which rows matter was decided by the constants of the stand-ins."""
    with product(queryset) as primer:
        with pytest.raises(InvalidPrimer, match="another constant"):
            primer.cached.get(a=1)
        primer.cached.get(a=1001)


def test_a_row_behind_a_slice_that_is_primed_changes_nothing() -> None:
    """What cannot be amended is left alone by rows that come after its last one."""

    def rows(a: int) -> Any:
        found = Sale.objects.filter(ware=a).order_by("-amount").prefetch_related("ware__labels")
        return found[:2]

    for n in range(10, 14):
        Sale.objects.create(pk=n, shop_id="s1", ware_id=1, amount=n)
    drain()
    with product(rows) as primer:
        assert "rows behind its slice change nothing" in draw(registry.graph())
        assert [sale.amount for sale in primer.cached.get(a=1)] == [13, 12]
        assert changed(lambda: Sale.objects.filter(pk=10).update(amount=8)) == (0, 0, 1)
        assert changed(lambda: Sale.objects.filter(pk=11).delete()) == (0, 0, 1)
        assert changed(lambda: Sale.objects.create(pk=9, shop_id="s1", ware_id=1)) == (0, 0, 1)
        # Of equal ones, which comes first is not known.
        change = Sale.objects.create(pk=11, shop_id="s1", ware_id=1, amount=11)
        drain()
        assert sum(changed(lambda: Sale.objects.filter(pk=11).update(amount=12))[::2]) == 1
        assert changed(lambda: Sale.objects.filter(pk=13).delete())[0] == 1
        assert changed(change.delete)[0] + changed(Sale.objects.all().delete)[0] >= 1
        assert primer.cached.get(a=1) == []
        assert changed(lambda: Sale.objects.create(pk=9, shop_id="s1", ware_id=1)) == (1, 0, 0)
        last = partial(Sale.objects.create, pk=8, shop_id="s1", ware_id=1, amount=0)
        assert changed(last) == (1, 0, 0)  # there was room for it


def test_instances_of_one_row_that_differ_are_told_apart() -> None:
    """Instances are equal by their primary keys; what is stored of them is compared."""
    with product(lambda a: S.filter(ware=a)) as primer:
        primer.cached.get(a=1)
        with suppress(Sale):
            Sale.objects.filter(pk=1).update(remark="new")
        with pytest.raises(AssertionError, match="remark"):
            assert_fresh("qs")
