"""Querysets at random: filters, joins, subqueries, aggregates, slices, prefetches and unions, and
what cannot be seen through: raw SQL, ``extra`` and functions of the project's own.

A shape is a list of steps, each a function of the rows so far and of the parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import (
    Count,
    Exists,
    F,
    Func,
    IntegerField,
    Max,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    Sum,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce, Upper
from hypothesis import strategies as st

from .models import City, Label, Market, Sale, Shop, Ware

Step = Callable[[Any, Any], Any]

# By model: what is compared with the parameter, and conditions that are the same for all.
PARAMETER: Mapping[Any, Sequence[str]] = {
    Sale: ("ware", "ware_id", "shop__city", "shop__city__country", "amount", "ware__labels", "pk"),
    Ware: ("maker", "labels", "sale__shop__city", "sale__amount", "price"),
    Shop: ("city", "city__country", "sale__ware", "staff", "market__halls"),
    Market: ("city", "halls", "sale__ware", "city__country"),
    Label: ("ware", "ware__maker", "ware__sale__amount", "pk"),
    City: ("country", "shop__sale__ware", "made", "shop__staff"),
}
CONSTANT: Mapping[Any, Sequence[Mapping[str, Any]]] = {
    Sale: ({"amount__gt": 1}, {"ware__brand": "a"}, {"shop__city__isnull": True}, {"remark": ""},
           {"amount__in": []}),
    Ware: ({"active": True}, {"brand": "a"}, {"price__lte": 2}, {"labels__isnull": True},
           {"sale__amount__in": [1, 2]}, {"maker__isnull": False}),
    Shop: ({"staff": 0}, {"city__isnull": True}, {"sale__amount__gte": 2}, {"sale__isnull": True}),
    Market: ({"halls__lt": 3}, {"staff": 0}, {"city__country__name": "x"}),
    Label: ({"name": "a"}, {"ware__isnull": True}, {"ware__active": True}),
    City: ({"country__gt": 1}, {"shop__isnull": True}, {"shop__staff": 1}),
}  # fmt: skip
# To whom rows are joined in a subquery: by what, with which rows.
INSIDE: Mapping[Any, Sequence[tuple[str, Any, str]]] = {
    Sale: (("ware_id", Ware, "pk"), ("shop_id", Shop, "code"), ("amount", Sale, "amount")),
    Ware: (("pk", Sale, "ware"), ("maker_id", City, "pk"), ("pk", Label, "ware")),
    Shop: (("code", Sale, "shop"), ("city_id", City, "pk"), ("pk", Market, "shop_ptr")),
    Market: (("code", Sale, "shop"), ("city_id", City, "pk")),
    Label: (("pk", Ware, "labels"),),
    City: (("pk", Shop, "city"), ("pk", Ware, "maker"), ("country_id", City, "country")),
}
COUNTED = {Sale: "ware__labels", Ware: "sale", Shop: "sale", Market: "sale", Label: "ware",
           City: "shop"}  # fmt: skip
SUMMED = {Sale: "amount", Ware: "sale__amount", Shop: "sale__amount", Market: "halls",
          Label: "ware__price", City: "shop__staff"}  # fmt: skip
COLUMNS: Mapping[Any, Sequence[str]] = {
    Sale: ("amount", "ware__brand", "shop__city__name"),
    Ware: ("brand", "price", "maker_id"),
    Shop: ("code", "city__country__name"),
    Market: ("halls", "code"),
    Label: ("name",),
    City: ("name", "country__name"),
}
TEXT = {Sale: "ware__brand", Ware: "brand", Shop: "code", Market: "code", Label: "name",
        City: "name"}  # fmt: skip
RELATED = {Sale: "shop__city", Ware: None, Shop: "city", Market: "city__country", Label: None,
           City: "country"}  # fmt: skip
LISTS = {Sale: "ware__labels", Ware: "labels", Shop: "sale_set", Market: "sale_set",
         Label: "ware_set", City: "shop_set"}  # fmt: skip


# What is named beside the query where a SELECT in raw SQL reads it.
RAW_SELECT = "(SELECT count(*) FROM atlas_sale s WHERE s.amount >= %s)"
RAW = ("raw", "select", "own", "selected")


class Twice(Func):
    """A function of the project's own."""

    template = "(%(expressions)s) * 2"
    output_field = IntegerField()


@dataclass(frozen=True)
class Shape:
    """One random queryset, and what has to be declared beside it."""

    text: str
    queryset: Callable[[Any], Any]
    one: bool = False
    on: Sequence[Any] = ()


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """A queryset of a parameter ``a``, an integer."""
    model = draw(st.sampled_from(list(PARAMETER)))
    texts, steps = [model.__name__], list[Step]()
    for _ in range(draw(st.integers(1, 3))):
        text, step = draw(_conditions(model))
        texts.append(text)
        steps.append(step)
    annotated = None
    if draw(st.integers(0, 3)) == 0:
        annotated, text, step = draw(_annotations(model))
        texts.append(text)
        steps.append(step)
    text, last = draw(_outputs(model, annotated))
    return composed(model, [*texts, text], [*steps, last])


def composed(model: Any, texts: Sequence[str], steps: Sequence[Step]) -> Shape:
    """The steps one after another; the last gives the value, of one row if its text says so."""

    def queryset(a: Any) -> Any:
        rows = model.objects.all()
        for step in steps:
            rows = step(rows, a)
        return rows

    on = [Sale] if "select()" in texts else ()
    return Shape(".".join(texts), queryset, texts[-1].endswith("one"), on)


def _pk(model: Any) -> str:
    """The column of a model's primary key, as raw SQL names it."""
    return f"{model._meta.db_table}.{model._meta.pk.column}"


@st.composite
def _wanted(draw: st.DrawFn, model: Any) -> tuple[str, Callable[[Any], Mapping[str, Any]]]:
    """Arguments of filter()."""
    if draw(st.booleans()):
        name = draw(st.sampled_from(PARAMETER[model]))
        return f"{name}=a", lambda a: {name: a}
    constant = draw(st.sampled_from(CONSTANT[model]))
    return str(dict(constant)), lambda a: constant


@st.composite
def _conditions(draw: st.DrawFn, model: Any) -> tuple[str, Step]:
    text, wanted = draw(_wanted(model))
    kind = draw(
        st.sampled_from(
            ["filter"] * 4 + ["exclude", "or", "exists", "absent", "in", "out", "extra"]
        )
    )
    if kind == "extra":
        where = f"{_pk(model)} <= %s"
        return "extra()", lambda rows, a: rows.extra(where=[where], params=[a])
    if kind == "filter":
        return f"filter({text})", lambda rows, a: rows.filter(**wanted(a))
    if kind == "exclude":
        return f"exclude({text})", lambda rows, a: rows.exclude(**wanted(a))
    if kind == "or":
        more, other = draw(_wanted(model))
        return (
            f"filter({text} | {more})",
            lambda rows, a: rows.filter(Q(**wanted(a)) | Q(**other(a))),
        )
    mine, inside, theirs = draw(st.sampled_from(INSIDE[model]))
    text, within = draw(_wanted(inside))
    if kind in ("exists", "absent"):

        def exists(rows: Any, a: Any) -> Any:
            found = Exists(inside.objects.filter(**{theirs: OuterRef(mine)}).filter(**within(a)))
            return rows.filter(found if kind == "exists" else ~found)

        return f"{kind}({inside.__name__}.{theirs}={mine}, {text})", exists

    def among(rows: Any, a: Any) -> Any:
        found = inside.objects.filter(**within(a)).values(theirs)
        if kind == "in":
            return rows.filter(**{f"{mine}__in": found})
        return rows.exclude(**{f"{mine}__in": found.filter(**{f"{theirs}__isnull": False})})

    return f"{kind}({mine} in {inside.__name__}.{theirs}, {text})", among


@st.composite
def _annotations(draw: st.DrawFn, model: Any) -> tuple[str, str, Step]:
    kind = draw(st.sampled_from(["count", "sum", "above", "sub", "has", *RAW]))
    if kind == "count":
        return "n", "count", lambda rows, a: rows.annotate(n=Count(COUNTED[model], distinct=True))
    if kind == "sum":
        total = Coalesce(Sum(SUMMED[model]), 0)
        return "n", "sum", lambda rows, a: rows.annotate(n=total).filter(n__gte=0)
    if kind == "above":
        return "n", "above", lambda rows, a: rows.annotate(n=F("pk") + a)
    if kind in RAW:
        return "n", f"{kind}()", _unseen(model, kind)
    mine, inside, theirs = draw(st.sampled_from(INSIDE[model]))
    text, within = draw(_wanted(inside))

    def found(a: Any) -> Any:
        rows = inside.objects.filter(**{theirs: OuterRef(mine)}).filter(**within(a))
        if kind == "has":
            return Exists(rows)
        return Subquery(rows.order_by("-pk").values("pk")[:1])

    return "n", f"{kind}({inside.__name__}, {text})", lambda rows, a: rows.annotate(n=found(a))


def _unseen(model: Any, kind: str) -> Step:
    """An annotation, ``n``, that cannot be seen through."""
    sql = f"{_pk(model)} + %s"
    steps: dict[str, Step] = {
        "raw": lambda rows, a: rows.annotate(n=RawSQL(sql, [a])),
        "select": lambda rows, a: rows.annotate(n=RawSQL(RAW_SELECT, [a])),
        "own": lambda rows, a: rows.annotate(n=Twice(F("pk") + a)),
        "selected": lambda rows, a: rows.extra(select={"n": sql}, select_params=[a]),
    }
    return steps[kind]


@st.composite
def _outputs(draw: st.DrawFn, model: Any, annotated: str | None) -> tuple[str, Step]:
    more = [annotated] if annotated else []
    columns = ["pk", *draw(st.lists(st.sampled_from(COLUMNS[model]), unique=True)), *more]
    order = draw(st.sampled_from(["pk", "-pk", *COLUMNS[model], *more]))
    kinds = "values tuples flat named rows only related lists listed count exists first max"
    kind = draw(st.sampled_from([*kinds.split(), "distinct", "union", "grouped", "one", "upper"]))
    cut = draw(st.sampled_from([None, None, 1, 2]))

    def ordered(rows: Any) -> Any:
        rows = rows.order_by(order, "pk")
        return rows if cut is None else rows[:cut]

    name = LISTS[model]
    steps: dict[str, Step] = {
        "values": lambda rows, a: ordered(rows).values(*columns),
        "tuples": lambda rows, a: ordered(rows).values_list(*columns),
        "flat": lambda rows, a: ordered(rows).values_list(columns[-1], flat=True),
        "named": lambda rows, a: ordered(rows).values_list(*columns, named=True),
        "rows": lambda rows, a: ordered(rows),
        "only": lambda rows, a: ordered(rows.only(COLUMNS[model][0].split("__")[0])),
        "related": lambda rows, a: ordered(
            rows.select_related(RELATED[model]) if RELATED[model] else rows
        ),
        "lists": lambda rows, a: ordered(rows.prefetch_related(name)),
        "listed": lambda rows, a: ordered(rows.prefetch_related(_prefetch(model, a))),
        "count": lambda rows, a: rows.count(),
        "exists": lambda rows, a: rows.exists(),
        "first": lambda rows, a: rows.order_by(order, "pk").first(),
        "max": lambda rows, a: rows.aggregate(x=Max("pk"), y=Count("pk")),
        "distinct": lambda rows, a: rows.order_by(columns[-1]).values(columns[-1]).distinct(),
        "union": lambda rows, a: (
            rows.order_by()
            .values_list("pk")
            .union(model.objects.filter(pk=a).order_by().values_list("pk"))
            .order_by("pk")
        ),
        "grouped": lambda rows, a: (
            rows.order_by(COLUMNS[model][0])
            .values(COLUMNS[model][0])
            .annotate(k=Count("pk", distinct=True))
        ),
        "one": lambda rows, a: rows.order_by(order, "pk").values(*columns),
        "upper": lambda rows, a: ordered(rows.annotate(u=Upper(TEXT[model]))).values_list(
            "u", "pk"
        ),
    }
    return f"{order}[:{cut}].{kind}", steps[kind]


def _prefetch(model: Any, a: Any) -> Any:
    name = LISTS[model].split("__")[0]
    if name == "ware":
        return Prefetch("ware", Ware.objects.filter(price__lte=a))
    if name == "sale_set":
        return Prefetch(name, Sale.objects.filter(amount__gt=1).order_by("pk"), to_attr="dear")
    if name == "labels":
        return Prefetch(name, Label.objects.filter(name="a").order_by("pk"))
    if name == "ware_set":
        return Prefetch(name, Ware.objects.filter(sale__amount=a).order_by("pk").distinct())
    return Prefetch(name, Shop.objects.select_related("city").order_by("pk"), to_attr="shops")
