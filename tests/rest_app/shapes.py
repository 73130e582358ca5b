"""Querysets of every shape that a view may have, and whether a product answers for them (A2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import (
    Count,
    Exists,
    F,
    FilteredRelation,
    Func,
    IntegerField,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    Window,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Lower, Rank
from django.db.models.query import ModelIterable
from django.db.models.sql import Query

from tests.rest_app.models import Copy, Loud, Novel, Offer, Writer
from tests.rest_app.serializers import (
    CountedSerializer,
    NovelV1,
    NovelV2,
    OfferKeySerializer,
    TitleSerializer,
)


@dataclass(frozen=True)
class Shape:
    """A queryset of a view.

    Attributes:
        name: the name of the test.
        rows: makes it.
        kept: whether a product answers.
        serializer: what shows the rows. NovelV1 has methods that look at the row.
        locks: whether it may be read in a transaction alone.
    """

    name: str
    rows: Callable[[], Any]
    kept: bool = False
    serializer: type[Any] = NovelV1
    locks: bool = False

    def __str__(self) -> str:
        return self.name


class Masking(QuerySet[Any]):
    """It changes the rows that it gives."""

    def _fetch_all(self) -> None:
        super()._fetch_all()
        for row in self._result_cache or ():
            if isinstance(row, Novel):
                row.title = "masked"


class Cautious(QuerySet[Any]):
    """It gives a single row otherwise."""

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return super().filter(visible=True).get(*args, **kwargs)


class Writing(QuerySet[Any]):
    """Only what writes is its own, and what has a name of its own."""

    def delete(self) -> tuple[int, dict[str, int]]:
        return self.update(visible=False), {}

    def seen(self) -> Writing:
        return self.filter(visible=True)


class Hiding(Query):
    """It says only when it is compiled which rows it hides."""

    def get_compiler(self, *args: Any, **kwargs: Any) -> Any:
        if not self.where and not self.is_sliced:
            self.add_q(Q(visible=True))
        return super().get_compiler(*args, **kwargs)


class MaskedRows(ModelIterable):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[Any]:
        for row in super().__iter__():
            row.title = "masked"
            yield row


def novels() -> QuerySet[Novel]:
    return Novel.objects.order_by("pk")


def masked_rows() -> QuerySet[Novel]:
    rows = novels()
    rows._iterable_class = MaskedRows
    return rows


def loaded() -> QuerySet[Novel]:
    rows = novels()
    for row in rows:
        row.title = "masked"
    return rows


def given() -> Any:
    """Rows whose writer is an instance that is at hand."""
    writer = Writer.objects.order_by("pk")[0]
    writer.name = "masked"
    return writer.novels.order_by("pk")


def with_copies(*args: Any, **kwargs: Any) -> QuerySet[Novel]:
    return novels().prefetch_related(Prefetch("copies", *args, **kwargs))


few = Copy.objects.filter(shelf="s0")
single = Subquery(Copy.objects.filter(novel=OuterRef("pk")).values("shelf")[:1])
series = Func(Value(1), Value(2), function="generate_series", output_field=IntegerField())

SHAPES = (
    Shape("all in the order of the model", Novel.objects.all, True),
    Shape("ordered", lambda: Novel.objects.order_by("-price", "pk"), True),
    Shape("ordered by a relation", lambda: Novel.objects.order_by("writer__name", "pk"), True),
    Shape("ordered by many", lambda: Novel.objects.order_by("tags__name", "pk"), True),
    Shape("ordered by an expression", lambda: Novel.objects.order_by(Lower("title")), True),
    Shape("reversed", lambda: novels().reverse(), True),
    Shape("filtered", lambda: novels().filter(visible=True), True),
    Shape("filtered by many", lambda: novels().filter(tags__weight__gte=0), True),
    Shape("filtered by many, distinct", lambda: novels().filter(tags__weight__gte=0).distinct(),
          True),
    Shape("filtered by exists", lambda: novels().filter(Exists(few.filter(novel=OuterRef("pk")))),
          True),
    Shape("excluded", lambda: novels().exclude(tags__name="tag1"), True),
    Shape("either or", lambda: novels().filter(visible=True) | novels().filter(genre="c"), True),
    Shape("none", Novel.objects.none, True),
    Shape("distinct", lambda: novels().distinct(), True),
    Shape("distinct by a field", lambda: Novel.objects.order_by("genre", "-pk").distinct("genre")),
    Shape("sliced", lambda: novels()[:4]),
    Shape("sliced from", lambda: novels()[2:]),
    Shape("only", lambda: novels().only("title")),
    Shape("deferred", lambda: novels().defer("internal")),
    Shape("select_related", lambda: novels().select_related("writer__publisher"), True),
    Shape("select_related of all", lambda: novels().select_related()),
    Shape("select_related of nothing there", lambda: Offer.objects.order_by("pk").select_related(
        "shop"), False, OfferKeySerializer),
    Shape("of nothing there", lambda: Offer.objects.order_by("pk"), True, OfferKeySerializer),
    Shape("prefetched by name", lambda: novels().prefetch_related("copies", "tags"), True),
    Shape("prefetched as usual", with_copies, True),
    Shape("prefetched rows of its own", lambda: with_copies(few)),
    Shape("prefetched in another order", lambda: with_copies(Copy.objects.order_by("-shelf"))),
    Shape("prefetched to an attribute", lambda: with_copies(to_attr="found")),
    Shape("prefetched within", lambda: novels().prefetch_related(
        Prefetch("writer__novels", Novel.objects.filter(visible=True)))),
    Shape("prefetched of one", lambda: novels().prefetch_related(
        Prefetch("writer", Writer.objects.defer("name")))),
    Shape("select for update", lambda: novels().select_for_update(), locks=True),
    Shape("extra where", lambda: novels().extra(where=["visible"]), True),
    Shape("extra select", lambda: novels().extra(select={"count": "7"}), False, CountedSerializer),
    Shape("extra tables", lambda: novels().extra(
        tables=["rest_app_tag"], where=["rest_app_tag.weight < 3"])),
    Shape("extra order", lambda: Novel.objects.extra(order_by=["-title"])),
    Shape("union", lambda: Novel.objects.filter(genre="c").union(
        Novel.objects.filter(price=0)).order_by("pk")),
    Shape("intersection", lambda: novels().intersection(Novel.objects.filter(genre="c"))),
    Shape("difference", lambda: novels().difference(Novel.objects.filter(genre="c"))),
    Shape("another alias", lambda: novels().using("replica")),
    Shape("the alias of the library", lambda: novels().using("default"), True),
    Shape("dicts", lambda: novels().values("id", "title", "price", "writer"), False,
          TitleSerializer),
    Shape("a list", lambda: list(novels())),
    Shape("a manager", lambda: Novel.objects),
    Shape("raw", lambda: Novel.objects.raw("SELECT * FROM rest_app_novel WHERE visible")),
    Shape("loaded before", loaded),
    Shape("rows of its own form", masked_rows),
    Shape("a queryset that masks", lambda: Masking(Novel).order_by("pk")),
    Shape("a queryset with its own get", lambda: Cautious(Novel).order_by("pk")),
    Shape("a queryset with its own writes", lambda: Writing(Novel).seen().order_by("pk"), True),
    Shape("a query of its own", lambda: QuerySet(Novel, query=Hiding(Novel)).order_by("pk")),
    Shape("a proxy", lambda: Loud.objects.order_by("pk")),
    Shape("a proxy whose columns are shown", lambda: Loud.objects.order_by("pk"), True,
          TitleSerializer),
    Shape("of an instance that is shown", given),
    Shape("of an instance", given, True, TitleSerializer),
    Shape("a filtered relation", lambda: novels().annotate(
        light=FilteredRelation("tags", condition=Q(tags__weight=1))).filter(light__isnull=False)),
    Shape("counted for an order", lambda: Novel.objects.annotate(
        count=Count("copies")).order_by("-count", "pk"), True, TitleSerializer),
    Shape("counted for a filter", lambda: novels().annotate(
        count=Count("copies")).filter(count__gt=0), True, TitleSerializer),
    Shape("an alias for a filter", lambda: novels().alias(
        count=Count("copies")).filter(count__gt=0), True),
    Shape("summed over two", lambda: novels().annotate(
        count=Count("copies"), sum=Sum("tags__weight")), True, NovelV2),
    Shape("annotated by a subquery", lambda: novels().annotate(shelf=single), True,
          TitleSerializer),
    Shape("annotated by a relation", lambda: novels().annotate(house=F("writer__publisher__name")),
          True, TitleSerializer),
    Shape("ranked", lambda: novels().annotate(rank=Window(Rank(), order_by="price")), True,
          TitleSerializer),
    Shape("annotated for a method", lambda: novels().annotate(count=Count("copies"))),
    Shape("annotated as the primer", lambda: novels().annotate(count=Count("copies")), True,
          CountedSerializer),
    Shape("annotated as the primer, filtered", lambda: novels().filter(
        copies__shelf="s0").annotate(count=Count("copies")), False, CountedSerializer),
    Shape("annotated otherwise", lambda: novels().annotate(
        count=Count("copies", filter=Q(copies__shelf="s0"))), False, CountedSerializer),
    Shape("rows for many", lambda: novels().annotate(tag=F("tags__name")), False,
          TitleSerializer),
    Shape("rows for many by an alias", lambda: novels().alias(tag=F("tags__name")), False,
          TitleSerializer),
    Shape("rows for many, counted", lambda: novels().annotate(
        sum=Count("copies") + F("tags__weight")), False, TitleSerializer),
    Shape("rows by a function", lambda: novels().annotate(count=series), False, TitleSerializer),
    Shape("rows by raw SQL", lambda: novels().annotate(
        count=RawSQL("generate_series(1, 2)", [])), False, TitleSerializer),
)  # fmt: skip
