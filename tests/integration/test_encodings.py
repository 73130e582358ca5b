"""A computed value is turned into bytes once: by a refresh, an augment, and a miss alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kck_publish.ops.verify import audit
from kck_publish.products import registry
from kck_publish.products.encoding import Encoded
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain, stored
from tests.catalog.models import Author, Book, Edition
from tests.catalog.primers import AuthorPage, Stock

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def encodings(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The values of a product that are encoded within the block."""
    product, values = registry.get(name), list[Any]()
    encode = product.encode

    def counted(value: Any) -> Encoded:
        values.append(value)
        return encode(value)

    with monkeypatch.context() as patch:
        patch.setattr(product, "encode", counted)
        yield values


@pytest.fixture
def edition(transactional_db: None) -> Edition:
    author = Author.objects.create(slug="le-guin", first="Ursula", last="Le Guin")
    book = Book.objects.create(author=author, title="The Dispossessed", price=8)
    return Edition.objects.create(book=book, copies=10)


@pytest.mark.parametrize("read", ["get", "get_bytes"])
def test_a_miss_encodes_once(edition: Edition, read: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with encodings("author_page", monkeypatch) as values:
        getattr(AuthorPage.cached, read)(author=edition.book.author_id)
    assert len(values) == 1


def test_a_prime_of_the_listener_encodes_once(
    edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    author = edition.book.author_id
    AuthorPage.cached.get(author=author)
    drain()
    with encodings("author_page", monkeypatch) as values:
        Author.objects.update(first="Ursula K.")
        drain()
    assert len(values) == 1
    assert b"Ursula K." in stored(f"author_page/{author}").body  # type: ignore[union-attr, operator]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_an_augment_encodes_once(
    edition: Edition, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And, where it is checked, so does the compute that it is compared with."""
    Stock.cached.get(book=edition.book_id)
    drain()
    monkeypatch.setattr(Stock, "check_augment", share)
    with encodings("stock", monkeypatch) as values:
        Edition.objects.update(copies=11)
        assert drain().augmented == 1
    assert len(values) == (2 if share else 1)


@pytest.mark.parametrize("look", [audit, assert_fresh])
def test_a_comparison_encodes_what_it_computes_once(
    edition: Edition, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    AuthorPage.cached.get(author=edition.book.author_id)
    drain()
    with encodings("author_page", monkeypatch) as values:
        look()
    assert len(values) == 1
