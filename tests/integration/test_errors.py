"""Promise 12: bad input gets a named error, or a check, that says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core import checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from kck_publish import (
    Behind,
    Cache,
    ConfigurationError,
    DependencyCycle,
    Depends,
    DuplicateProduct,
    IntegerParameter,
    InvalidPrimer,
    KckPublishError,
    KeyParameterMismatch,
    NotPrimed,
    Primer,
    Retry,
    UndeclaredLookup,
    UnknownProduct,
    Unserializable,
    exceptions,
    primer,
)
from kck_publish.products import registry
from kck_publish.testing import drain, travel
from tests.catalog.models import Author, Book
from tests.catalog.primers import AuthorPage, interfere

pytestmark = pytest.mark.django_db


@contextmanager
def forgotten(*names: str) -> Iterator[None]:
    """What a test declares is gone afterwards."""
    try:
        yield
    finally:
        for name in names:
            registry.unregister(name)


def says(error: pytest.ExceptionInfo[Any], *words: str) -> None:
    for word in words:
        assert word in str(error.value)


def test_an_undeclared_lookup_names_the_declared_ones() -> None:
    with pytest.raises(UndeclaredLookup) as error:
        Author.cached.get(first="Ursula")
    says(error, "Author", "(first)", "(slug)", "(first, last)", "cached_by", "objects")
    with pytest.raises(UndeclaredLookup):
        Author.cached.get(first__iexact="ursula")
    with pytest.raises(UndeclaredLookup):
        Author.cached.filter(slug="x")
    with pytest.raises(UndeclaredLookup):
        Author.cached.get()


def test_wrong_parameters_name_what_is_expected() -> None:
    with pytest.raises(KeyParameterMismatch) as error:
        AuthorPage.cached.get()  # type: ignore[call-arg]
    says(error, "author_page", "expected author", "got none")
    with pytest.raises(KeyParameterMismatch) as error:
        AuthorPage.cached.get(author=1, more=2)  # type: ignore[call-arg]
    says(error, "got author, more")
    with pytest.raises(KeyParameterMismatch) as error:
        AuthorPage.cached.get(author="x")  # type: ignore[arg-type]
    says(error, "'author'", "integer", "'x'")
    with pytest.raises(KeyParameterMismatch):
        Cache.get_instance().get("author_page/1/2")
    with pytest.raises(KeyParameterMismatch):
        Author.cached.get(pk="not a number")


def test_an_unknown_product_suggests_one() -> None:
    for read in (Cache.get_instance().get, Cache.get_instance().entry):
        with pytest.raises(UnknownProduct) as error:
            read("author_pge/1")
        says(error, "author_pge/1", "primers.py")
        assert isinstance(error.value, KeyError)
    with pytest.raises(UnknownProduct, match="author_page"):
        Cache.get_instance().build_key("author_pge", author=1)


def test_not_primed_says_how_to_prime() -> None:
    with pytest.raises(NotPrimed, match="kck_prime author_page"):
        Cache.get_instance().get("author_page/1", prime_on_cache_miss=False)


def test_what_cannot_be_stored_is_named_by_its_path() -> None:
    with forgotten("bad_value"):

        @primer("bad_value")
        def bad_value() -> Any:
            return {"rows": [1, {"when": object()}]}

        with pytest.raises(Unserializable, match=r"\$\.rows\[1\]\.when") as error:
            bad_value.cached.get()
        says(error, "object")
    with pytest.raises(Unserializable):
        Cache.get_instance().set("any/key", {1.5: 1})


CACHE: Any = Cache.get_instance()
MANY: Any = AuthorPage.cached.get_many
MOVED: Any = travel
DAY = timedelta(days=1)
WRONG: list[tuple[Callable[..., Any], type[KckPublishError], str]] = [
    (lambda: CACHE.clear(AuthorPage), KeyParameterMismatch, "a product's name is a text"),
    (lambda: CACHE.clear("a\0"), KeyParameterMismatch, "a product's name is a text"),
    (lambda: CACHE.build_key(AuthorPage, author=1), KeyParameterMismatch, "name is a text"),
    (lambda: CACHE.parse_key(5), KeyParameterMismatch, "a key is a text"),
    (lambda: CACHE.is_refreshing(5), KeyParameterMismatch, "a key is a text"),
    (lambda: CACHE.is_refreshing("a\0"), KeyParameterMismatch, "a key is a text"),
    (lambda: CACHE.get_many("author_page/1"), KeyParameterMismatch, "a list of keys, not 'author"),
    (lambda: CACHE.get_many(None), KeyParameterMismatch, "a list of keys"),
    (lambda: MANY("text"), KeyParameterMismatch, "a list of dicts"),
    (lambda: MANY([5]), KeyParameterMismatch, "a list of dicts"),
    (lambda: MANY(5), KeyParameterMismatch, "a list of dicts"),
    (
        lambda: CACHE.set("any/key", 1, soft_expire=5),
        ConfigurationError,
        "soft_expire takes a time",
    ),
    (
        lambda: CACHE.set("any/key", 1, hard_expire="5"),
        ConfigurationError,
        "hard_expire takes a ti",
    ),
    (lambda: MOVED(5).__enter__(), ConfigurationError, "takes a timedelta, not 5"),
    (lambda: CACHE.set("catalog.author/1", 5), Unserializable, "a row of catalog.Author"),
    (lambda: CACHE.set("catalog.author/1", Book(pk=1)), Unserializable, "a row of catalog.Author"),
    (lambda: CACHE.set("catalog.author/1", None), Unserializable, "a row of catalog.Author"),
    (lambda: CACHE.set("catalog.author[last]/x", 5), Unserializable, "or a list of them"),
    (lambda: CACHE.set("catalog.author[last]/x", [5]), Unserializable, "or a list of them"),
    (lambda: CACHE.set("catalog.author[]", 5), Unserializable, "the keys of all rows"),
    (lambda: CACHE.set("relations.country[]", 5), Unserializable, "a row of relations.Country"),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_arguments_of_another_kind_are_named(number: int) -> None:
    call, kind, text = WRONG[number]
    with pytest.raises(kind, match=text):
        call()


def test_keys_that_are_none_spoil_nothing_for_others() -> None:
    CACHE.set("any/key", 1, hard_expire=DAY)
    assert CACHE.get_many([5, [], "any/key"]) == {"any/key": 1}


def test_a_ring_of_products_is_refused_and_named() -> None:
    with forgotten("ring_a", "ring_b"):

        class RingA(Primer):
            key = "ring_a"
            depends_on = (Depends("ring_b"),)

            def compute(self) -> int:
                return 1

        class RingB(Primer):
            key = "ring_b"
            depends_on = (Depends("ring_a"),)

            def compute(self) -> int:
                return 1

        with pytest.raises(DependencyCycle, match=r"ring_[ab] -> ring_[ab] -> ring_[ab]"):
            RingA.cached.get()
        (found,) = [one for one in checks.run_checks() if one.id == "kck_publish.E002"]
        assert "ring_a" in found.msg
        with pytest.raises(CommandError, match="ring"):
            call_command("kck_listen", "--once")


def test_two_primers_with_one_key_are_both_named() -> None:
    with pytest.raises(DuplicateProduct) as error:

        class Another(Primer):
            key = "author_page"

            def compute(self) -> int:
                return 1

    says(error, "AuthorPage", "Another", "author_page")
    assert registry.get("author_page").parameters[0].name == "author"


def declare(name: str, **attributes: Any) -> None:
    """Declare a primer, and have the graph made that it would stand in."""
    body = {"key": name, "compute": lambda self, **parameters: 1, **attributes}
    with forgotten(name):
        type("Declared", (Primer,), body)
        registry.graph()


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"compute": Primer.compute}, "compute"),
        ({"when_behind": "panic"}, "when_behind"),
        ({"depends_on": [Depends(Author, columns=["colour"])]}, "no column 'colour'"),
        ({"depends_on": [Depends("no_such_product")]}, "no_such_product"),
        ({"depends_on": [Depends(Author, autor="pk")]}, "autor"),
        ({"parameters": ["author"]}, "Parameter"),
    ],
)
def test_declarations_that_cannot_work(attributes: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidPrimer, match=says):
        declare("declared_wrong", **attributes)


def test_names_that_cannot_be() -> None:
    with pytest.raises(InvalidPrimer, match="product's name"):
        declare("a name/with a slash")
    with pytest.raises(InvalidPrimer, match="'columns'"):
        IntegerParameter("columns")
    with pytest.raises(InvalidPrimer, match="model or a product"):
        Depends(5)  # type: ignore[arg-type]
    with pytest.raises(InvalidPrimer, match="keys= and mapped"):
        Depends(Author, keys=lambda change: [], author="pk")


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_retries": -2},
        {"delay": 5},
        {"include": [KeyError], "exclude": [ValueError]},
        {"include": ["KeyError"]},
    ],
)
def test_a_retry_that_cannot_work(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"max_retries|delay|include"):
        Retry(**arguments)


def test_a_compute_that_raises_reaches_the_reader_and_stores_nothing() -> None:
    author = Author.objects.create(slug="a", first="A", last="B")
    drain()

    def fail(product: str, parameters: Any) -> None:
        if product == "author_page":
            raise ZeroDivisionError("by the test")

    interfere.append(fail)
    try:
        with pytest.raises(ZeroDivisionError, match="by the test"):
            AuthorPage.cached.get(author=author.pk)
    finally:
        interfere.remove(fail)
    assert not Cache.get_instance().is_set(f"author_page/{author.pk}")
    assert AuthorPage.cached.get(author=author.pk)["name"] == "A B"


@pytest.mark.django_db(transaction=True)
def test_without_its_table_the_store_is_computed_round_and_the_check_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Promise 10, and the check: reads answer, and say so once."""
    author = Author.objects.create(slug="a", first="A", last="B")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE kck_publish_entry RENAME TO kck_publish_gone")
        cursor.execute("ALTER TABLE kck_publish_change RENAME TO kck_publish_lost")
    try:
        assert AuthorPage.cached.get(author=author.pk)["name"] == "A B"
        assert Author.cached.get(slug="a") == author
        complaints = [one for one in caplog.records if "store cannot be read" in one.message]
        assert len(complaints) <= 1
        with pytest.raises(CommandError, match="migrate kck_publish"):
            call_command("kck_listen", "--once")
        with pytest.raises(CommandError, match="migrate kck_publish"):
            call_command("kck_status")
        found = checks.run_checks(databases=["default"])
        assert any("migrate kck_publish" in f"{one.msg} {one.hint}" for one in found)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE kck_publish_gone RENAME TO kck_publish_entry")
            cursor.execute("ALTER TABLE kck_publish_lost RENAME TO kck_publish_change")


def test_a_missing_trigger_is_named_by_the_check() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'catalog_author'::regclass "
            "AND tgname LIKE 'kck_publish_update%'"
        )
        (name,) = cursor.fetchone()
        cursor.execute(f"DROP TRIGGER {name} ON catalog_author")
    found = [one for one in checks.run_checks(databases=["default"]) if name in one.msg]
    assert found
    assert "missing" in found[0].msg
    assert "migrate" in found[0].msg


def test_when_behind_raises_or_computes() -> None:
    author = Author.objects.create(slug="a", first="A", last="B")
    drain()
    key = f"author_page/{author.pk}"
    Cache.get_instance().set(key, {"name": "old"})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE kck_publish_entry SET behind = true WHERE key = %s", [key])
    drain()
    with pytest.MonkeyPatch.context() as patch:
        assert AuthorPage.cached.get(author=author.pk) == {"name": "old"}
        patch.setattr(AuthorPage, "when_behind", "compute")
        assert AuthorPage.cached.get(author=author.pk)["name"] == "A B"
        patch.setattr(AuthorPage, "when_behind", "raise")
        with pytest.raises(Behind, match="kck_status"):
            AuthorPage.cached.get(author=author.pk)


def test_wrong_settings_are_named_by_the_check() -> None:
    with override_settings(KCK_PUBLISH={"SHARD": 2, "MAX_BATCH": "many"}):
        found = [one.msg for one in checks.run_checks() if one.id == "kck_publish.E001"]
    assert any("SHARD" in one and "SHARDS" in one for one in found)
    assert any("MAX_BATCH" in one for one in found)


def test_every_error_has_one_root_and_says_what_to_do() -> None:
    errors = [
        one
        for one in vars(exceptions).values()
        if isinstance(one, type) and issubclass(one, Exception)
    ]
    assert len(errors) > 15
    for error in errors:
        assert issubclass(error, KckPublishError)
        assert error.__doc__
