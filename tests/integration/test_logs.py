"""What an operator reads in the log of user code that fails, and what the table keeps of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from kck_publish import Cache, Depends, IntegerParameter, Primer, Retry
from kck_publish.products import registry
from kck_publish.testing import travel
from tests.catalog.fixtures import drain, interfering, sql, stored
from tests.catalog.models import Author, Book, Edition, Item
from tests.catalog.primers import Fragile, Stock

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


class Broken(Exception):  # noqa: N818
    pass


class Mute(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise TypeError


def burst() -> None:
    raise Broken("a-secret-value")


@pytest.fixture
def item(transactional_db: None) -> Item:
    row = Item.objects.create(name="x", group=1, amount=5)
    Fragile.cached.get(group=1)
    drain()
    return row


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno == level and record.name.startswith("kck_publish.")
    ]


@pytest.mark.parametrize("values", [False, True])
def test_the_first_failure_and_the_last(
    item: Item, values: bool, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning with its place, then an error; in between nothing above INFO."""
    settings.KCK_PUBLISH = {"LOG_VALUES": values}
    item.amount = 6
    item.save()

    def fail(product: str, parameters: Any) -> None:
        if product == "fragile":
            burst()

    with interfering(fail):
        drain()
        (warning,) = lines(caplog, logging.WARNING)
        assert warning.startswith("The refresh of fragile/1 failed, and is tried again at ")
        assert "test_logs.Broken" in warning
        assert "test_logs.py" in warning
        assert "in burst" in warning
        assert ("a-secret-value" in caplog.text) == values
        for hours in (1, 2):
            with travel(timedelta(hours=hours)):
                drain()
    assert len(lines(caplog, logging.WARNING)) == 1
    (error,) = lines(caplog, logging.ERROR)
    assert error.startswith("The refresh of fragile/1 failed for good, at attempt 3: ")
    assert "in burst" in error
    assert sql("SELECT error, message FROM kck_publish_failure") == [
        (f"{__name__}.Broken", "a-secret-value")
    ]
    ((traceback,),) = sql("SELECT traceback FROM kck_publish_failure")
    assert "in burst" in traceback
    assert "Broken: a-secret-value" in traceback


@pytest.mark.parametrize(
    ("error", "message"),
    [(Broken("nul \0, lone \udc80"), "nul \\x00, lone \\udc80"), (Mute(), "(its message cannot")],
)
def test_a_message_that_is_no_text(item: Item, error: Exception, message: str) -> None:
    item.amount = 6
    item.save()

    def fail(product: str, parameters: Any) -> None:
        raise error

    with interfering(fail):
        drain()
    ((kept,),) = sql("SELECT message FROM kck_publish_failure WHERE key = 'fragile/1'")
    assert kept.startswith(message)


def test_an_augment_that_fails_is_named_with_its_place(
    transactional_db: None, caplog: pytest.LogCaptureFixture
) -> None:
    author = Author.objects.create(slug="a", first="A", last="A")
    book = Book.objects.create(author=author, title="T", price=8)
    edition = Edition.objects.create(book=book, copies=10)
    Stock.cached.get(book=book.pk)
    drain()

    def fail(product: str, parameters: Any) -> None:
        if product == "stock+":
            burst()

    edition.copies = 11
    edition.save()
    with interfering(fail):
        drain()
    assert stored(f"stock/{book.pk}").body == b"11"  # type: ignore[union-attr]
    (warning,) = lines(caplog, logging.WARNING)
    assert warning.startswith(f"augment of stock/{book.pk} failed (Broken): it is primed. ")
    assert "in burst" in warning
    assert "a-secret-value" not in caplog.text


@pytest.fixture
def brittle(transactional_db: None) -> Iterator[type[Primer]]:
    """A product whose keys= and domain() fail."""

    def groups(change: Any) -> list[Any]:
        burst()
        return []

    class Brittle(Primer):
        key = "brittle"
        parameters = (IntegerParameter("group"),)
        depends_on = (Depends(Item, keys=groups),)
        eager = True
        retry = Retry(max_retries=0)

        def compute(self, group: int) -> int:
            return Item.objects.filter(group=group).count()

        def domain(self) -> Any:
            burst()

    yield Brittle
    for name in ("brittle", "brittle[]"):  # the second is its domain
        registry.unregister(name)


def test_keys_and_a_domain_that_fail_are_named_with_their_place(
    brittle: type[Primer], caplog: pytest.LogCaptureFixture
) -> None:
    Item.objects.create(name="x", group=1, amount=5)
    drain()
    for what in ("keys= of brittle failed", "domain() of brittle failed"):
        assert any(
            line.startswith(what) and "in burst" in line for line in lines(caplog, logging.ERROR)
        )
    assert "a-secret-value" not in caplog.text
