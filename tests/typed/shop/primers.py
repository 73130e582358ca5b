from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar, Literal, TypedDict
from uuid import UUID

from django.db.models import QuerySet

from kck_publish import (
    DateParameter,
    Depends,
    Fetched,
    FileSource,
    FragmentPrimer,
    IntegerParameter,
    Primer,
    QuerySetPrimer,
    RemotePrimer,
    StringParameter,
    primer,
)
from kck_publish.aggregates import AggregatePrimer, Count, Sum
from kck_publish.contrib.rest_framework import SerializerPrimer

from .models import Author, Book


class Card(TypedDict):
    name: str
    born: date


class AuthorPage(Primer):
    key = "author_page"
    parameters = [IntegerParameter("author"), DateParameter("day")]
    depends_on = [Depends(Author, author="pk"), Depends(Book, author="author_id")]

    def compute(self, author: int, day: date) -> Card:
        return {"name": str(author), "born": day}


class Later(Primer):
    key = "later"
    parameters = [IntegerParameter("author")]

    async def compute(self, author: int) -> tuple[UUID, ...]:
        return ()


class MaybeNone(Primer):
    key = "maybe_none"

    def compute(self) -> int | None:
        return None


@primer("top_authors/<int:limit>", depends_on=[Book])
def top_authors(limit: int) -> list[str]:
    return ["Le Guin"][:limit]


@primer("top_later/<int:limit>", depends_on=[Book])
async def top_later(limit: int) -> set[int]:
    return {limit}


class Revenue(TypedDict):
    revenue: Decimal
    sold: int


class Sales(AggregatePrimer[Revenue]):
    key = "sales"
    parameters = [IntegerParameter("author")]
    source = Depends(Book, author="author_id")
    values = {"revenue": Sum("pk"), "sold": Count()}


class PlainSales(AggregatePrimer):
    key = "plain_sales"
    source = Book
    values = {"sold": Count()}


class Shown(AggregatePrimer[list[int]]):
    key = "shown_sales"
    source = Book
    values = {"sold": Count()}

    def present(self, values: dict[str, Any]) -> list[int]:
        return [values["sold"]]


class AuthorCard(FragmentPrimer):
    key = "author_card"
    parameters = [IntegerParameter("author")]
    template_name = "card.html"

    def context(self, author: int) -> Mapping[str, object]:
        return {"author": author}


class Rates(RemotePrimer):
    key = "rates"
    parameters = [StringParameter("currency")]
    source = FileSource("rates-{currency}.json")

    def read(self, data: bytes, currency: str) -> dict[str, Decimal]:
        return {currency: Decimal(data.decode())}


class Weather(RemotePrimer[float]):
    key = "weather"

    def fetch(self, state: Mapping[str, Any]) -> Fetched[float]:
        return Fetched(20.5)


class BookV1(SerializerPrimer):
    key = "api.book"


class Shape(TypedDict):
    title: str


class BookV2(SerializerPrimer[Shape]):
    key = "api.book.v2"


class Books(QuerySetPrimer):
    key = "books"
    parameters = [IntegerParameter("author")]

    def queryset(self, author: int) -> QuerySet[Book]:
        return Book.objects.filter(author_id=author)


class Cheapest(QuerySetPrimer):
    key = "cheapest"
    parameters = [IntegerParameter("author")]
    one: ClassVar[Literal[True]] = True

    def queryset(self, author: int) -> QuerySet[Book]:
        return Book.objects.filter(author_id=author)


class HowMany(QuerySetPrimer):
    key = "how_many"
    parameters = [IntegerParameter("author")]

    def queryset(self, author: int) -> int:
        number: int = Book.objects.filter(author_id=author).count()
        return number


class FirstBook(QuerySetPrimer):
    key = "first_book"

    def queryset(self) -> Book | None:
        book: Book | None = Book.objects.first()
        return book


class Totals(QuerySetPrimer):
    key = "totals"

    def queryset(self) -> dict[str, int]:
        return {}
