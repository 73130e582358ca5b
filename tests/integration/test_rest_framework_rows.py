"""Rows that are chosen by what no field shows: a change of that is a change of the answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, Exists, F, Func, OuterRef, Prefetch, Q, Window
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now, Rank
from django.utils import timezone
from rest_framework import serializers, viewsets

from kck_publish import Depends, InvalidPrimer
from kck_publish.contrib.rest_framework import CachedViewMixin, SerializerPrimer
from kck_publish.products import registry
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain
from tests.rest_app.fixtures import fill
from tests.rest_app.models import Blurb, Comic, Copy, Novel, Publisher, Tag, Writer
from tests.testbed import captures

pytestmark = pytest.mark.django_db(transaction=True)


def shown(of: Any, *names: str) -> Any:
    """A serializer of these columns."""
    meta = type("Meta", (), {"model": of, "fields": ("id", *names)})
    return type(f"{of.__name__}Serializer", (serializers.ModelSerializer,), {"Meta": meta})


@contextmanager
def declared(rows: Callable[[], Any], serializer: Any = None, **options: Any) -> Iterator[Any]:
    """A primer of these rows."""
    attributes = {
        "key": "api.chosen",
        "serializer_class": serializer or shown(Novel, "title"),
        "get_queryset": lambda self: rows(),
        **options,
    }
    try:
        yield type("ChosenPrimer", (SerializerPrimer,), attributes)
    finally:
        registry.unregister("api.chosen")
        registry._late.clear()


def keep_up() -> None:
    """Capture what is declared now, and have it read."""
    captures.repair(connection)
    drain()


def answers(primer: Any, pks: list[int]) -> list[Any]:
    """What is read under each key; None where there is nothing."""
    found: list[Any] = primer.cached.get_many([{"pk": pk} for pk in pks], default=None)
    return found


class Upper(Func):
    """An expression that nobody sees through."""

    function = "upper"


def publishers(country: str) -> Any:
    return Publisher.objects.filter(pk=OuterRef("writer__publisher"), country=country)


CHOSEN: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "a column": (
        lambda: Novel.objects.filter(visible=True),
        lambda: Novel.objects.update(visible=Q(pk__gt=0)),
    ),
    "another table": (
        lambda: Novel.objects.filter(writer__publisher__country="nl"),
        lambda: Publisher.objects.update(country="nl"),
    ),
    "the row between": (
        lambda: Novel.objects.filter(writer__publisher__country="nl"),
        lambda: Writer.objects.update(publisher=None),
    ),
    "a subquery": (
        lambda: Novel.objects.filter(Exists(publishers("nl"))),
        lambda: Publisher.objects.filter(country="nl").update(country="be"),
    ),
    "what is not there": (
        lambda: Novel.objects.exclude(copies__owner=2),
        lambda: Copy.objects.update(owner=2),
    ),
    "a many-to-many": (
        lambda: Novel.objects.filter(tags__name="tag1").distinct(),
        lambda: Tag.objects.filter(name="tag0").update(name="tag1"),
    ),
    "how many there are": (
        lambda: Novel.objects.annotate(n=Count("copies")).filter(n__gt=0),
        lambda: Copy.objects.filter(owner=1).delete(),
    ),
    "what is hidden": (
        lambda: Novel.objects.annotate(big=Upper(F("internal"))).filter(big="X"),
        lambda: Novel.objects.filter(pk__gt=3).update(internal="x"),
    ),
    "hidden by a relation": (
        lambda: Novel.objects.annotate(big=Upper(F("writer__slug"))).exclude(big="W1"),
        lambda: Writer.objects.filter(slug="w1").update(slug="x"),
    ),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_a_change_of_what_chooses_rows_counts(name: str) -> None:
    rows, change = CHOSEN[name]
    fill()
    pks = list(Novel.objects.values_list("pk", flat=True))
    with declared(rows) as primer:
        keep_up()
        before = answers(primer, pks)
        change()
        drain()
        after = answers(primer, pks)
        there = set(rows().values_list("pk", flat=True))
        assert [one is not None for one in after] == [pk in there for pk in pks]
        assert after != before
        assert_fresh("api.chosen")


def test_a_child_whose_parent_has_the_column() -> None:
    fill()
    pk = Comic.objects.create(writer=Writer.objects.all()[0], title="C").pk
    with declared(lambda: Comic.objects.filter(visible=True), shown(Comic, "drawings")) as primer:
        keep_up()
        assert answers(primer, [pk]) != [None]
        Novel.objects.filter(pk=pk).update(visible=False)
        drain()
        assert answers(primer, [pk]) == [None]


def test_an_eager_product_keeps_up_who_belongs_to_it() -> None:
    fill()
    with declared(lambda: Novel.objects.filter(visible=True), eager=True) as primer:
        keep_up()
        hidden = Novel.objects.filter(visible=False).values_list("pk", flat=True)
        pks = list(hidden)
        Novel.objects.update(visible=True)
        drain()
        assert None not in answers(primer, pks)


class CopySerializer(shown(Copy, "shelf")):  # type: ignore[misc]
    pass


class WithCopies(shown(Novel, "title", "copies")):  # type: ignore[misc]
    copies = CopySerializer(many=True)


class WithBlurbs(shown(Novel, "title", "blurbs")):  # type: ignore[misc]
    blurbs = shown(Blurb, "text")(many=True)


def test_rows_of_a_prefetch_count_by_what_chooses_them() -> None:
    fill()
    owned = Copy.objects.filter(owner=1)
    rows: Any = lambda: Novel.objects.prefetch_related(Prefetch("copies", owned))  # noqa: E731
    pk = Novel.objects.filter(copies__owner=1)[0].pk
    with declared(rows, WithCopies) as primer:
        keep_up()
        assert primer.cached.get(pk=pk)["copies"]
        Copy.objects.update(owner=7)
        drain()
        assert not primer.cached.get(pk=pk)["copies"]


def test_rows_of_a_manager_count_by_what_chooses_them() -> None:
    fill()
    novel, writer = Novel.objects.all()[0], Writer.objects.all()[1]
    Blurb.objects.create(novel=novel, writer=writer, text="Good")
    with declared(Novel.objects.all, WithBlurbs) as primer:
        keep_up()
        assert primer.cached.get(pk=novel.pk)["blurbs"]
        Writer.objects.filter(pk=writer.pk).update(name="")
        drain()
        assert not primer.cached.get(pk=novel.pk)["blurbs"]


class Ranked(shown(Novel, "title", "rank")):  # type: ignore[misc]
    rank = serializers.IntegerField(read_only=True)


RANK = Window(Rank(), partition_by="writer", order_by="-price")
AMONG_OTHERS = {
    "a rank that chooses": lambda: Novel.objects.annotate(rank=RANK).filter(rank=1),
    "a rank that is shown": lambda: Novel.objects.annotate(rank=RANK),
    "the first of each": lambda: Novel.objects.order_by("writer", "pk").distinct("writer"),
    "a slice": lambda: Novel.objects.order_by("pk")[:2],
}


@pytest.mark.parametrize("name", AMONG_OTHERS)
def test_what_depends_on_the_other_rows_that_are_asked_for_is_refused(name: str) -> None:
    """Each is computed alone, or with whichever others have changed: so it ranks first."""
    with (
        declared(AMONG_OTHERS[name], Ranked, sources={"rank": []}),
        pytest.raises(InvalidPrimer, match="of a row that is asked for alone"),
    ):
        registry.graph()


def test_a_rank_that_no_field_shows_is_not() -> None:
    with declared(AMONG_OTHERS["a rank that is shown"]):
        registry.graph()


def test_a_rank_by_a_subquery_is_kept_up() -> None:
    fill()
    dearer = Novel.objects.filter(writer=OuterRef("writer"), price__gt=OuterRef("price"))
    with declared(lambda: Novel.objects.filter(~Exists(dearer))) as primer:
        keep_up()
        first, second = Novel.objects.filter(writer__slug="w0").order_by("-price")[:2]
        pks = [first.pk, second.pk]
        assert [one is not None for one in answers(primer, pks)] == [True, False]
        Novel.objects.filter(pk=second.pk).update(price=999)
        drain()
        assert [one is not None for one in answers(primer, pks)] == [False, True]
        assert_fresh("api.chosen")


def test_rows_by_the_time_are_refused_without_an_expiry() -> None:
    timed = [
        lambda: Novel.objects.filter(changed__lt=timezone.now()),
        lambda: Novel.objects.filter(changed__lt=Now()),
        lambda: Novel.objects.prefetch_related(
            Prefetch("copies", Copy.objects.filter(owner__lt=time.time_ns() % 10**9))
        ),
    ]
    for rows in timed:
        with declared(rows), pytest.raises(InvalidPrimer, match="set refresh_every"):
            registry.graph()
        with declared(rows, hard_expire=timedelta(minutes=1)):
            registry.graph()


def test_rows_by_another_value_than_at_start_are_refused() -> None:
    fill()
    today = ["s"]
    with declared(lambda: Novel.objects.filter(genre=today[0])) as primer:
        pk = Novel.objects.filter(genre="s")[0].pk
        assert answers(primer, [pk]) != [None]
        today[0] = "c"
        with pytest.raises(InvalidPrimer, match="something else than at start"):
            primer.cached.get(pk=pk + 1)


def queried() -> Any:
    return Novel.objects.filter(writer__in=list(Writer.objects.all()))


def test_annotations_of_related_rows_need_no_word() -> None:
    """They choose no rows."""
    counted = Copy.objects.annotate(n=RawSQL("(SELECT count(*) FROM x)", ()))
    with declared(lambda: Novel.objects.prefetch_related(Prefetch("copies", counted)), WithCopies):
        registry.graph()


UNREADABLE = {
    "queries the database": queried,
    "with a SELECT": lambda: Novel.objects.filter(pk__in=RawSQL("SELECT novel_id FROM x", ())),
}


@pytest.mark.parametrize("why", UNREADABLE)
def test_rows_that_nobody_can_follow_are_refused_until_it_is_said(why: str) -> None:
    with declared(UNREADABLE[why]), pytest.raises(InvalidPrimer, match=why):
        registry.graph()
    with declared(UNREADABLE[why], depends_on=[Depends(Writer, keys=lambda change: [])]):
        registry.graph()


def test_a_view_gives_the_rows_that_its_product_leaves_out(rf: Any) -> None:
    """It answers as the plain one, from the product where that has all it gives."""
    fill()
    serializer = shown(Novel, "title")

    class Plain(viewsets.ReadOnlyModelViewSet):
        queryset = Novel.objects.order_by("pk")
        serializer_class = serializer

    with declared(lambda: Novel.objects.filter(visible=True), serializer) as primer:
        keep_up()
        cached: Any = type("Cached", (CachedViewMixin, Plain), {"primer": primer})
        asked: list[tuple[str, dict[str, Any]]] = [("list", {})]
        asked += [("retrieve", {"pk": row.pk}) for row in Novel.objects.all()]
        for _ in "computed", "stored":
            for action, given in asked:
                plain, found = (
                    view.as_view({"get": action})(rf.get("/"), **given).render()
                    for view in (Plain, cached)
                )
                assert (found.status_code, found.content) == (200, plain.content)
            assert "ETag" in cached.as_view({"get": "retrieve"})(rf.get("/"), **asked[1][1])
        cached.queryset = Novel.objects.filter(visible=True)
        assert "ETag" in cached.as_view({"get": "list"})(rf.get("/"))


def test_a_view_gives_the_related_rows_that_its_product_leaves_out(rf: Any) -> None:
    fill()

    class Plain(viewsets.ReadOnlyModelViewSet):
        queryset = Novel.objects.order_by("pk")
        serializer_class = WithCopies

    def rows() -> Any:
        return Novel.objects.prefetch_related(Prefetch("copies", Copy.objects.filter(owner=1)))

    with declared(rows, WithCopies) as primer:
        keep_up()
        cached: Any = type("Cached", (CachedViewMixin, Plain), {"primer": primer})
        plain, found = (
            view.as_view({"get": "list"})(rf.get("/")).render() for view in (Plain, cached)
        )
        assert found.content == plain.content
