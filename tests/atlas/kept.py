"""Querysets at random whose values can be kept by changes: rows, numbers and groups of one table,
with what its foreign keys lead to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Count, F, Max, Min, Q, Sum
from django.db.models.functions import Coalesce
from hypothesis import strategies as st

from .grammar import Shape, Step, composed
from .models import City, Sale, Shop, Ware

PARAMETER: Mapping[Any, Sequence[str]] = {
    Sale: ("ware", "shop__city", "shop__city__country", "amount", "ware__price"),
    Ware: ("price", "maker", "pk"),
    Shop: ("city", "city__country", "staff"),
    City: ("country", "pk"),
}
CONSTANT: Mapping[Any, Sequence[Mapping[str, Any]]] = {
    Sale: (
        {"amount__gt": 1}, {"ware__active": True}, {"shop__city__isnull": True}, {"remark": ""},
        {"shop__staff": 0}, {"shop__city__country__in": [1, 2]}, {"ware__brand": "a"},
        {"shop__city__name": ""}, {"amount__in": []},
    ),
    Ware: ({"active": True}, {"brand": "a"}, {"price__lte": 2}, {"maker__isnull": False}),
    Shop: ({"staff": 0}, {"city__isnull": True}, {"city__country__gte": 2}, {"code__in": ["s1"]}),
    City: ({"country__gt": 1}, {"name": ""}),
}  # fmt: skip
COLUMNS: Mapping[Any, Sequence[str]] = {
    Sale: ("amount", "ware__brand", "shop__city", "ware__active", "shop__city__country"),
    Ware: ("brand", "price", "active", "maker_id"),
    Shop: ("code", "city__country", "staff"),
    City: ("name", "country_id"),
}
NUMBER = {Sale: "amount", Ware: "price", Shop: "staff", City: "pk"}
FAR = {Sale: "shop__staff", Ware: "price", Shop: "city__country", City: "country"}
KINDS = [
    "values",
    "tuples",
    "flat",
    "named",
    "rows",
    "one",
    "count",
    "exists",
    "total",
    "totals",
    "groups",
    "biggest",
]


@st.composite
def kept_shapes(draw: st.DrawFn) -> Shape:
    """A queryset of a parameter ``a``, an integer."""
    model = draw(st.sampled_from([Sale, Sale, *PARAMETER]))
    name = draw(st.sampled_from(PARAMETER[model]))
    texts, steps = [model.__name__, f"filter({name}=a)"], list[Step]()
    steps.append(lambda rows, a: rows.filter(**{name: a}))
    for _ in range(draw(st.integers(0, 2))):
        text, step = draw(_conditions(model))
        texts.append(text)
        steps.append(step)
    text, last = draw(_outputs(model))
    return composed(model, [*texts, text], [*steps, last])


@st.composite
def _conditions(draw: st.DrawFn, model: Any) -> tuple[str, Step]:
    one, other = (draw(st.sampled_from(CONSTANT[model])) for _ in range(2))
    kind = draw(st.sampled_from(["filter", "filter", "exclude", "or", "neither"]))
    wanted = {
        "filter": Q(**one),
        "exclude": ~Q(**one),
        "or": Q(**one) | ~Q(**other),
        "neither": ~(Q(**one) & Q(**other)),
    }[kind]
    return f"{kind}({dict(one)}, {dict(other)})", lambda rows, a: rows.filter(wanted)


@st.composite
def _outputs(draw: st.DrawFn, model: Any) -> tuple[str, Step]:
    columns = ["pk", *draw(st.lists(st.sampled_from(COLUMNS[model]), unique=True))]
    order = draw(st.sampled_from([*COLUMNS[model], "pk"]))
    term: Any = draw(
        st.sampled_from(
            [
                F(order).asc(),
                F(order).desc(),
                F(order).desc(nulls_last=True),
                F(order).asc(nulls_first=True),
            ]
        )
    )
    cut = draw(st.sampled_from([None, slice(1), slice(2), slice(1, 3)]))
    kind = draw(st.sampled_from(KINDS))

    def ordered(rows: Any) -> Any:
        rows = rows.order_by(term, "pk")
        return rows if cut is None else rows[cut]

    number, far, group = NUMBER[model], FAR[model], COLUMNS[model][0]
    steps: dict[str, Step] = {
        "values": lambda rows, a: ordered(rows).values(*columns),
        "tuples": lambda rows, a: ordered(rows).values_list(*columns),
        "flat": lambda rows, a: ordered(rows).values_list(columns[-1], flat=True),
        "named": lambda rows, a: ordered(rows).values_list(*columns, named=True),
        "rows": lambda rows, a: ordered(rows),
        "one": lambda rows, a: rows.order_by(term, "pk").values(*columns),
        "count": lambda rows, a: rows.count(),
        "exists": lambda rows, a: rows.exists(),
        "total": lambda rows, a: rows.aggregate(x=Coalesce(Sum(number), 0))["x"],
        "totals": lambda rows, a: rows.aggregate(
            n=Count("pk"), x=Sum(far), y=Min(number), z=Max(number), m=Count(far),
            k=Count("pk", filter=Q(**CONSTANT[model][0])),
        ),
        "groups": lambda rows, a: (
            rows.values(order).annotate(n=Count("pk"), x=Sum(number)).order_by(order)
        ),
        "biggest": lambda rows, a: (
            rows.values_list(group).annotate(n=Count("pk"), x=Sum(far)).order_by("-n", group)[:2]
        ),
    }  # fmt: skip
    return f"{term}[{cut}].{','.join(columns)}.{kind}", steps[kind]
