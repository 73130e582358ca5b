"""Odd values in lists, parameters and keys: the rows of ``objects``, or a named refusal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kck_publish import (
    BooleanParameter,
    Cache,
    DateParameter,
    DateTimeParameter,
    IntegerParameter,
    KeyParameterMismatch,
    NotPrimed,
    Parameter,
    Primer,
    StringParameter,
    UnknownProduct,
    UUIDParameter,
)
from kck_publish.products import registry
from tests.catalog.fixtures import drain, sql
from tests.zoo.models import Typed
from tests.zoo.odd_values import ODD, ROWS

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
# What Django takes for NULL, in BooleanField alone.
AS_NULL = {("flag", "")}
REFUSED = (UnknownProduct, NotPrimed, KeyParameterMismatch)
KINDS: dict[str, type[Parameter]] = {
    "big": IntegerParameter,
    "text": StringParameter,
    "day": DateParameter,
    "moment": DateTimeParameter,
    "mark": UUIDParameter,
    "flag": BooleanParameter,
}


@pytest.fixture
def rows(transactional_db: None) -> None:
    """Rows of values that the odd ones may be taken for."""
    Typed.objects.bulk_create([Typed(**row) for row in ROWS])
    drain()


def found(ask: Any) -> Any:
    """The keys of the rows, or the name of the error."""
    try:
        return sorted(row.pk for row in ask())
    except Exception as error:  # noqa: BLE001 - compared
        return error


def is_right(expected: Any, got: Any) -> bool:
    """The same rows; none, or a named refusal, where Django finds none or raises."""
    if isinstance(got, list):
        return bool(got == ([] if isinstance(expected, Exception) else expected))
    named = isinstance(got, KeyParameterMismatch) or type(got) is type(expected)
    return named and not (isinstance(expected, list) and expected)


@pytest.mark.parametrize("field", ODD)
def test_a_list_is_that_of_filter(field: str, rows: None) -> None:
    wrong = {}
    for _ in "computed", "stored":
        for value in ODD[field]:
            expected = found(lambda value=value: Typed.objects.filter(**{field: value}))
            got = found(lambda value=value: Typed.cached.filter(**{field: value}))
            if not is_right(expected, got) and (field, value) not in AS_NULL:
                wrong[ascii(value)[:60]] = (expected, got)
        drain()
    assert not wrong


@pytest.fixture
def echo(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A product that gives back its parameter, of a type."""
    kind: Any = KINDS[request.param]
    given: list[Any] = []

    def compute(self: Any, p: Any) -> Any:
        given.append(p)
        return [type(p).__name__, repr(p)]

    yield type("Echo", (Primer,), {"key": "echo", "parameters": (kind("p"),), "compute": compute})
    registry.unregister("echo")


@pytest.mark.parametrize("echo", KINDS, indirect=True)
def test_a_parameter_is_one_value_or_refused(echo: Any, transactional_db: None) -> None:
    """Each value of any type: one key, one text, the same answer computed, stored and by key."""
    by_key: dict[str, Any] = {}
    taken = 0
    for values in ODD.values():
        for value in values:
            try:
                key = cache.build_key("echo", p=value)
            except KeyParameterMismatch:
                with pytest.raises(KeyParameterMismatch):
                    echo.cached.get(p=value)
                with pytest.raises(KeyParameterMismatch):
                    echo.cached.get_many([{"p": value}])
                continue
            taken += 1
            cleaned = cache.parse_key(key)[1]["p"]
            assert cache.build_key("echo", p=cleaned) == key
            known = by_key.setdefault(key, cleaned)
            assert (type(known), known) == (type(cleaned), cleaned)
            answer = [type(cleaned).__name__, repr(cleaned)]
            for _ in "computed", "stored":
                assert echo.cached.get(p=value) == cache.get(key) == answer
            assert echo.cached.get_many([{"p": value}]) == [answer]
    assert 0 < len(by_key) <= taken
    stored = {key for (key,) in sql("SELECT key FROM kck_publish_entry WHERE product = 'echo'")}
    assert stored <= set(by_key)


TEXTS = (
    "1", "01", "1_0", "1.0", "9" * 25, "9" * 5000, "-0", "\0", "1\0", "\ud800", "\uff11", " 1",
    "1 ", "", "/", "1/", "/1", "1/2", "~", "~1", "%31", "%00", "%ff", "%zz", "a" * 5000,
    "\u202e1", "é",
    "2024-01-31", "2024-01-31T12:00:00Z", "true", "True", "0123ABCD-4567-89ef-0123-456789abcdef",
    "..", ".", "None", "\n", "'", ";",
)  # fmt: skip


@pytest.mark.parametrize("echo", KINDS, indirect=True)
def test_an_odd_key_is_answered_or_refused_by_name(echo: Any, transactional_db: None) -> None:
    """Never an error of the database's, and nothing is stored under a second key of a value."""
    odd = [f"echo/{text}" for text in TEXTS]
    odd += ["echo", "", "\0", "\ud800", "echo\0/1", "/", "a" * 5000]
    answers = {}
    for _ in "computed", "stored":
        for key in odd:
            try:
                answers[key] = cache.get(key)
            except REFUSED:
                continue
            assert cache.build_key("echo", **cache.parse_key(key)[1]) == key
    assert set(cache.get_many(list(answers))) == set(answers)
    stored = {key for (key,) in sql("SELECT key FROM kck_publish_entry")}
    assert stored == set(answers)
