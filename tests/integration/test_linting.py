"""A compute that reads a table it does not declare is named in development, and refused if STRICT.

Readers pay nothing for it: neither a hit nor, where nothing is linted, a miss asks anything more.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from kck_publish import (
    Cache,
    Depends,
    IntegerParameter,
    Primer,
    UndeclaredRead,
    UndeclaredReadWarning,
)
from kck_publish.products import registry, undeclared_reads
from kck_publish.request import GlobalRequest
from tests.catalog.fixtures import drain, reads, sql, stored
from tests.catalog.models import Author, Book, Item, Publisher

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
STRICT = {"STRICT": True}


def _product(name: str, read: Any, *on: Any) -> None:
    def compute(self: Any, n: int) -> Any:
        return read(n)

    type(
        name.title(),
        (Primer,),
        {
            "key": name,
            "parameters": (IntegerParameter("n"),),
            "compute": compute,
            "depends_on": on or (Depends(Item, n="group"),),
            "__module__": __name__,
            "__qualname__": name.title(),
        },
    )


def _items(n: int) -> int:
    return Item.objects.filter(group=n).count()


def _hidden(n: int) -> int:
    return _items(n) + Book.objects.count()


def _raw(query: str) -> Any:
    def read(n: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return int(cursor.fetchone()[0])

    return read


def _swallow(n: int) -> int:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM lint_nothing")
    except DatabaseError:
        return _items(n)
    raise AssertionError


def _absent(n: int) -> Any:
    return Book.objects.get(pk=-1)


NAMES = [
    "honest",
    "hiding",
    "joining",
    "on_purpose",
    "viewing",
    "calling",
    "parted",
    "over",
    "over_raw",
    "swallowing",
    "absent",
    "locking",
]


@pytest.fixture(scope="module", autouse=True)
def products() -> Iterator[None]:
    _product("honest", _items)
    _product("hiding", _hidden)
    _product("joining", lambda n: Book.objects.filter(author__slug="x").count(), Depends(Book))
    _product("on_purpose", _hidden, Depends(Item, n="group", reads=[Book]))
    _product("viewing", _raw("SELECT count(*) FROM lint_view"))
    _product("calling", _raw("SELECT lint_count()"))
    _product("parted", _raw("SELECT count(*) FROM lint_parted"))
    _product("over", lambda n: _items(n) + cache.get(f"on_purpose/{n}"))
    _product("over_raw", lambda n: Publisher.objects.count() + cache.get(f"on_purpose/{n}"))
    _product("swallowing", _swallow)
    _product("absent", _absent)
    _product("locking", lambda n: len(Book.objects.select_for_update().filter(pk=0)))
    yield
    for name in NAMES:
        registry.unregister(name)


@pytest.fixture(autouse=True)
def world(transactional_db: None) -> Iterator[None]:
    sql("CREATE VIEW lint_view AS SELECT title FROM catalog_book")
    sql(
        "CREATE FUNCTION lint_count() RETURNS bigint LANGUAGE plpgsql AS "
        "'BEGIN RETURN (SELECT count(*) FROM catalog_book); END'"
    )
    sql("CREATE TABLE lint_parted (a int) PARTITION BY LIST (a)")
    sql("CREATE TABLE lint_part PARTITION OF lint_parted DEFAULT")
    undeclared_reads._reported.clear()
    yield
    sql("DROP TABLE lint_parted")
    sql("DROP FUNCTION lint_count")
    sql("DROP VIEW lint_view")


UNDECLARED = {
    "hiding": ("catalog_book",),
    "joining": ("catalog_author",),
    "viewing": ("catalog_book",),
    "calling": ("catalog_book",),
    "parted": ("lint_parted",),
    "over_raw": ("catalog_publisher",),
    "absent": ("catalog_book",),
    "locking": ("catalog_book",),
}


@pytest.mark.parametrize("name", NAMES)
def test_strict_refuses_it(name: str, settings: Any) -> None:
    """Raw SQL, views, functions and partitions are seen through; nested computes are their own."""
    settings.KCK_PUBLISH = STRICT
    if name not in UNDECLARED:
        assert cache.get(f"{name}/1") == 0
        return
    with pytest.raises(UndeclaredRead, match=rf"{name.title()} \({name}\) reads") as raised:
        cache.get(f"{name}/1")
    assert raised.value.tables == UNDECLARED[name]
    assert not cache.is_set(f"{name}/1")
    assert not connection.in_atomic_block


def test_a_table_that_was_read_before_in_the_same_transaction_is_seen(settings: Any) -> None:
    settings.KCK_PUBLISH = STRICT
    with transaction.atomic():
        assert Book.objects.count() == 0
        with pytest.raises(UndeclaredRead, match="catalog_book"):
            cache.get("hiding/1")
        assert cache.get("honest/1") == 0  # and is held against nobody else
        with pytest.raises(UndeclaredRead, match="catalog_book"):
            cache.get("hiding/2")
        assert cache.get("over/1") == 0  # what on_purpose reads is its own affair


def test_where_nothing_is_stored_it_is_seen_too(settings: Any) -> None:
    settings.KCK_PUBLISH = {"STRICT": True, "ENABLED": False}
    assert cache.get("honest/1") == 0
    with pytest.raises(UndeclaredRead, match="catalog_book"):
        cache.get("hiding/1")


def test_the_listener_records_it_as_a_failure_of_that_key_alone(settings: Any) -> None:
    for name in ("honest", "hiding"):
        assert cache.get(f"{name}/1") == 0
    drain()
    settings.KCK_PUBLISH = STRICT
    Item.objects.create(name="i", group=1)
    drain()
    assert _body("honest/1") == b"1"
    assert _body("hiding/1") == b"0"
    [(key, error)] = sql("SELECT key, error FROM kck_publish_failure")
    assert key == "hiding/1"
    assert "UndeclaredRead" in error
    settings.KCK_PUBLISH = {}
    sql("UPDATE kck_publish_failure SET due_at = now()")
    drain()
    assert _body("hiding/1") == b"1"


def _body(key: str) -> bytes | None:
    entry = stored(key)
    assert entry is not None
    return entry.body


def test_linting_forgets_nothing_of_the_request(settings: Any) -> None:
    settings.KCK_PUBLISH = STRICT
    cache.get("honest/1")
    with GlobalRequest():
        cache.get("honest/1")
        cache.get("honest/2")
        with reads(store=0):
            cache.get("honest/1")


def test_development_warns_once_a_table(settings: Any, caplog: Any) -> None:
    settings.DEBUG = True
    with pytest.warns(UndeclaredReadWarning, match=r"Hiding \(hiding\) reads catalog_book") as seen:
        assert cache.get("hiding/1") == 0
    assert len(seen) == 1
    assert [one.message for one in caplog.records if "Hiding" in one.message]
    assert cache.is_set("hiding/1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache.get("hiding/2") == 0


def test_production_asks_nothing_more(settings: Any) -> None:
    settings.KCK_PUBLISH = {}
    cache.get("honest/2")
    with reads(store=1):
        assert cache.get("honest/2") == 0
    with CaptureQueriesContext(connection) as plain:
        assert cache.get("honest/1") == 0
        assert cache.get("hiding/1") == 0
    settings.KCK_PUBLISH = STRICT
    with reads(store=1):
        assert cache.get("hiding/1") == 0  # a hit computes nothing, so there is nothing to refuse
    with CaptureQueriesContext(connection) as strict:
        assert cache.get("honest/3") == 0
        assert cache.get("on_purpose/3") == 0
    assert not [one for one in plain if "pg_locks" in one["sql"]]
    assert len(strict) == len(plain)  # the linter asks beside the log of queries


def test_every_product_of_the_catalog_declares_what_it_reads(settings: Any) -> None:
    settings.KCK_PUBLISH = STRICT
    author = Author.objects.create(slug="a", first="A", last="A")
    Book.objects.create(author=author, title="b", price=1)
    drain()
    assert Author.cached.get(pk=author.pk) == author
    assert list(Author.cached.filter(last="A")) == [author]
    for key in ("author_page", "shelf", "shelf_sum", "publishers_of_author"):
        cache.get(f"{key}/{author.pk}")
    assert sql("SELECT key, error FROM kck_publish_failure") == []
