"""Products of every kind: recomputed, augmented, depending on products, failing on purpose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.db.models import Sum

from kck_publish import (
    Change,
    Depends,
    FragmentPrimer,
    IntegerParameter,
    Primer,
    Public,
    Reprime,
    Retry,
    StringParameter,
    primer,
)
from tests.catalog import aggregates as aggregates
from tests.catalog.models import Author, Book, Crate, Edition, Item, ItemTag

# What a test wants a compute to do besides: called with the product's name and parameters.
interfere: list[Any] = []
computed: list[tuple[str, Mapping[str, Any]]] = []


def note(product: str, **parameters: Any) -> None:
    computed.append((product, parameters))
    for call in interfere:
        call(product, parameters)


class AuthorPage(Primer):
    key = "author_page"
    live = Public
    parameters = (IntegerParameter("author"),)
    depends_on = (
        Depends(Author, author="pk"),
        Depends(Book, author="author_id", columns=["title", "price"]),
    )

    def compute(self, author: int) -> Any:
        note("author_page", author=author)
        row = Author.objects.get(pk=author)
        books = Book.objects.filter(author=author).order_by("pk")
        return {"name": f"{row.first} {row.last}", "books": [[b.title, b.price] for b in books]}


class Stock(Primer):
    """Copies of each book: augmented."""

    key = "stock"
    live = Public
    live_interval = timedelta(milliseconds=300)
    parameters = (IntegerParameter("book"),)
    depends_on = (Depends(Edition, book="book_id", columns=["copies"]),)

    def compute(self, book: int) -> int:
        note("stock", book=book)
        found = Edition.objects.filter(book_id=book).aggregate(total=Sum("copies"))
        return found["total"] or 0

    def augment(self, value: int, change: Change, book: int) -> int:
        note("stock+", book=book)
        if change.old is not None and change.old["book_id"] == book:
            value -= change.old["copies"]
        if change.new is not None and change.new["book_id"] == book:
            value += change.new["copies"]
        return value


class Shelf(Primer):
    """The stock of an author's books: depends on products."""

    key = "shelf"
    parameters = (IntegerParameter("author"),)
    depends_on = (
        Depends(Book, author="author_id", columns=["title"]),
        Depends("stock", keys=lambda change: _authors(change)),
    )

    def compute(self, author: int) -> dict[str, int]:
        note("shelf", author=author)
        books = Book.objects.filter(author_id=author).order_by("pk")
        return {book.title: Stock.cached.get(book=book.pk) for book in books}


def _authors(change: Change) -> Iterable[Mapping[str, Any]]:
    parameters = change.new or change.old or {}
    return [
        {"author": author}
        for author in Book.objects.filter(pk=parameters["book"]).values_list("author_id", flat=True)
    ]


@primer("titles", depends_on=[Book], eager=True)
def titles() -> list[str]:
    note("titles")
    return list(Book.objects.order_by("title").values_list("title", flat=True))


class ItemNames(Primer):
    """The names of a group's items: recomputed."""

    key = "item_names"
    live = staticmethod(lambda request, parameters: request.user.pk == parameters["group"])
    parameters = (IntegerParameter("group"),)
    depends_on = (Depends(Item, group="group", columns=["name"]),)

    def compute(self, group: int) -> Any:
        note("item_names", group=group)
        rows = Item.objects.filter(group=group).order_by("name")
        return [list(row) for row in rows.values_list("pk", "name")]


class ItemTotal(Primer):
    """How many items a group has, and their amounts: augmented."""

    key = "item_total"
    live = "catalog.view_item"
    parameters = (IntegerParameter("group"),)
    depends_on = (Depends(Item, group="group", columns=["amount"]),)

    def compute(self, group: int) -> Any:
        note("item_total", group=group)
        amounts = list(Item.objects.filter(group=group).values_list("amount", flat=True))
        return {"count": len(amounts), "amount": sum(amounts)}

    def augment(self, value: Any, change: Change, group: int) -> Any:
        note("item_total+", group=group)
        for image, sign in ((change.old, -1), (change.new, 1)):
            if image is not None and image["group"] == group:
                value["count"] += sign
                value["amount"] += sign * image["amount"]
        return value


class TagsOfItem(Primer):
    key = "tags_of_item"
    parameters = (IntegerParameter("item"),)
    depends_on = (Depends(ItemTag, item="item_id"),)

    def compute(self, item: int) -> Any:
        note("tags_of_item", item=item)
        return sorted(ItemTag.objects.filter(item=item).values_list("tag_id", flat=True))


class TagCount(Primer):
    key = "tag_count"
    parameters = (IntegerParameter("item"),)
    depends_on = (Depends(ItemTag, item="item_id", columns=["tag"]),)

    def compute(self, item: int) -> Any:
        note("tag_count", item=item)
        return ItemTag.objects.filter(item=item).count()

    def augment(self, value: int, change: Change, item: int) -> int:
        note("tag_count+", item=item)
        value -= change.old is not None and change.old["item_id"] == item
        value += change.new is not None and change.new["item_id"] == item
        return value


class PublishersOfAuthor(Primer):
    """An automatic many-to-many table."""

    key = "publishers_of_author"
    parameters = (IntegerParameter("author"),)
    depends_on = (Depends(Author.publishers.through, author="author_id"),)

    def compute(self, author: int) -> Any:
        note("publishers_of_author", author=author)
        through = Author.publishers.through.objects
        return sorted(through.filter(author=author).values_list("publisher_id", flat=True))


class PublisherCount(PublishersOfAuthor):
    key = "publisher_count"

    def compute(self, author: int) -> Any:
        note("publisher_count", author=author)
        return Author.publishers.through.objects.filter(author=author).count()

    def augment(self, value: int, change: Change, author: int) -> int:
        note("publisher_count+", author=author)
        value -= change.old is not None and change.old["author_id"] == author
        value += change.new is not None and change.new["author_id"] == author
        return value


class CrateDepth(Primer):
    """Depends on a model of two tables, by a column of the parent's."""

    key = "crate_depth"
    parameters = (IntegerParameter("group"),)
    depends_on = (Depends(Crate, group="group", columns=["amount", "depth"]),)

    def compute(self, group: int) -> Any:
        note("crate_depth", group=group)
        crates = Crate.objects.filter(group=group).values_list("depth", "amount")
        return sum(depth * amount for depth, amount in crates)


class CrateSum(Primer):
    """Augmented from the child's table, where that tells enough."""

    key = "crate_sum"
    parameters = (IntegerParameter("group"),)
    depends_on = (Depends(Crate, group="group", columns=["depth"]),)

    def compute(self, group: int) -> Any:
        note("crate_sum", group=group)
        return sum(Crate.objects.filter(group=group).values_list("depth", flat=True))

    def augment(self, value: int, change: Change, group: int) -> int:
        note("crate_sum+", group=group)
        if change.op == "insert":
            return value + int((change.new or {}).get("depth", 0))
        if change.source is Crate and change.op == "update" and change.old and change.new:
            return int(value + change.new["depth"] - change.old["depth"])
        raise Reprime("the row's other half is not known")


class ShelfSum(Primer):
    """The second level of a cascade, and the tip of a diamond: a shelf and its author's page."""

    key = "shelf_sum"
    parameters = (IntegerParameter("author"),)
    depends_on = (
        Depends("shelf", author="author"),
        Depends("author_page", author="author"),
    )

    def compute(self, author: int) -> Any:
        note("shelf_sum", author=author)
        page = AuthorPage.cached.get(author=author)
        return [page["name"], sum(Shelf.cached.get(author=author).values())]


class Anything(Primer):
    """Gives back what a test has put under its key: values of every kind."""

    key = "anything"
    parameters = (StringParameter("name"),)
    values: Mapping[str, Any] = {}

    def compute(self, name: str) -> Any:
        note("anything", name=name)
        return type(self).values[name]


class OnlyPrimed(Primer):
    key = "only_primed"
    parameters = (StringParameter("name"),)
    prime_on_cache_miss = False

    def compute(self, name: str) -> Any:
        note("only_primed", name=name)
        return name.upper()


class Fragile(Primer):
    """Fails when a test says so, and is tried again twice."""

    key = "fragile"
    parameters = (IntegerParameter("group"),)
    depends_on = (Depends(Item, group="group"),)
    retry = Retry(max_retries=2, delay=timedelta(minutes=1), backoff=False)

    def compute(self, group: int) -> Any:
        note("fragile", group=group)
        return sorted(Item.objects.filter(group=group).values_list("amount", flat=True))


class AuthorCard(FragmentPrimer):
    """A piece of a page."""

    key = "author_card"
    live = Public
    parameters = (IntegerParameter("author"),)
    depends_on = (Depends(Author, author="pk"), Depends(Book, author="author_id"))
    template_name = "catalog/author_card.html"

    def context(self, author: int) -> dict[str, Any]:
        note("author_card", author=author)
        return {
            "author": Author.objects.get(pk=author),
            "books": Book.objects.filter(author=author),
        }
