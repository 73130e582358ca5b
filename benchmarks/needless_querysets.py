"""A dozen querysets of one author's books and reviews, as products too. Imported by ``primers``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import Count, Exists, OuterRef, Sum

from benchmarks.models import Book, Review
from kck_publish import IntegerParameter, QuerySetPrimer

B, R = Book.objects, Review.objects
QUERYSETS: Mapping[str, Callable[[int], Any]] = {
    "dearest": lambda a: (
        B.filter(author=a).order_by("-price", "pk").values_list("title", "price")[:5]
    ),
    "latest": lambda a: B.filter(author=a).order_by("-updated", "pk").values_list("slug")[:3],
    "long": lambda a: B.filter(author=a, pages__gt=300).order_by("pk").values_list("title"),
    "by_day": lambda a: (
        B.filter(author=a).order_by("published", "pk").values_list("title", "published")
    ),
    "named": lambda a: B.filter(author=a).order_by("pk").values_list("author__name", "slug"),
    "a_day": lambda a: (
        B.filter(author=a)
        .values_list("published")
        .annotate(n=Count("pk"))
        .order_by("-n", "published")
    ),
    "total": lambda a: (
        B.filter(author=a).values_list("author").annotate(n=Count("pk"), x=Sum("price"))
    ),
    "reviews": lambda a: (
        R.filter(book__author=a, stars__gte=4).order_by("pk").values_list("stars", "text")
    ),
    "stars": lambda a: (
        R.filter(book__author=a)
        .values_list("book__slug")
        .annotate(n=Count("pk"), x=Sum("stars"))
        .order_by("-x", "book__slug")
    ),
    "praised": lambda a: (
        B.filter(author=a, reviews__stars=5).distinct().order_by("pk").values_list("slug")
    ),
    "unread": lambda a: (
        B.filter(~Exists(R.filter(book=OuterRef("pk"))), author=a)
        .order_by("pk")
        .values_list("slug")
    ),
    "either": lambda a: (
        B.filter(author=a, pages__lt=100)
        .values_list("pk")
        .union(B.filter(author=a, price__gt=80).values_list("pk"))
        .order_by("pk")
    ),
}


def declare(name: str, ask: Callable[[int], Any]) -> None:
    """The product of a queryset."""
    namespace: dict[str, Any] = {
        "key": name_of(name),
        "parameters": [IntegerParameter("author")],
        "queryset": lambda self, author: ask(author),
    }
    type(name.title(), (QuerySetPrimer,), namespace)


def name_of(name: str) -> str:
    """What the product of a queryset is called."""
    return f"needless_{name}"


for each, asked in QUERYSETS.items():
    declare(each, asked)
