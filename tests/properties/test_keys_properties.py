"""Keys, for any values: build and parse are inverse, and different values have different keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import IntEnum
from typing import Any

import pytest
from django.utils.safestring import mark_safe
from hypothesis import given
from hypothesis import strategies as st

from kck_publish.exceptions import KeyParameterMismatch
from kck_publish.log.keys import identify, product_of, shard_of
from kck_publish.products.keys import build, parse, split
from kck_publish.products.parameters import (
    BooleanParameter,
    DateParameter,
    DateTimeParameter,
    IntegerParameter,
    Parameter,
    StringParameter,
    UUIDParameter,
)
from kck_publish.products.product import Product

OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
ZONES: st.SearchStrategy[tzinfo | None] = st.none() | OFFSETS | st.just(UTC)
DATETIMES = st.datetimes(
    min_value=datetime(1, 1, 3),
    max_value=datetime(9999, 12, 29),
    timezones=ZONES,  # type: ignore[arg-type]  # the overloads do not know of a union
)
VALUES: dict[type[Parameter], st.SearchStrategy[Any]] = {
    StringParameter: st.text(),
    IntegerParameter: st.integers(),
    BooleanParameter: st.booleans(),
    DateParameter: st.dates(),
    DateTimeParameter: DATETIMES,
    UUIDParameter: st.uuids(),
}


class Size(IntEnum):
    LARGE = 3


Fields = list[tuple[type[Parameter], Any]]
FIELDS: st.SearchStrategy[Fields] = st.lists(
    st.sampled_from(list(VALUES)).flatmap(
        lambda kind: st.tuples(st.just(kind), st.none() | VALUES[kind])
    ),
    max_size=4,
)

# Of any type, those that are nearly of the right one among them.
ANYTHING = st.one_of(
    *VALUES.values(),
    st.none(),
    st.text(st.characters()),
    st.integers(2**2048 - 2, 2**2048 + 1).map(lambda number: number * (-1) ** (number % 2)),
    st.sampled_from([10**5000, 1.0, Size.LARGE, mark_safe("a/b"), mark_safe("a"), b"a", ()]),
)


def declared(fields: Fields) -> tuple[list[Parameter], dict[str, Any]]:
    parameters = [kind(f"p{i}", null=True) for i, (kind, _) in enumerate(fields)]
    return parameters, {f"p{i}": value for i, (_, value) in enumerate(fields)}


@given(FIELDS)
def test_parse_is_the_inverse_of_build(fields: Fields) -> None:
    parameters, values = declared(fields)
    key = build("product", parameters, values)
    back = parse(key, parameters)
    assert back == values
    assert [type(value) for value in back.values()] == [type(v) for v in values.values()]
    assert build("product", parameters, back) == key
    assert product_of(key) == "product"


@given(FIELDS)
def test_texts_of_a_url_give_the_same_key(fields: Fields) -> None:
    parameters, values = declared(fields)
    key = build("product", parameters, values)
    texts = dict(zip(values, split(key)[1], strict=True))
    assert build("product", parameters, texts) == key


@given(FIELDS, st.data())
def test_different_values_have_different_keys(fields: Fields, data: st.DataObject) -> None:
    parameters, values = declared(fields)
    others = {f"p{i}": data.draw(st.none() | VALUES[kind]) for i, (kind, _) in enumerate(fields)}
    same = build("p", parameters, values) == build("p", parameters, others)
    assert same == (values == others)


@given(st.lists(st.text(), max_size=4))
def test_any_text_is_safe_in_a_key(texts: list[str]) -> None:
    parameters = [StringParameter(f"p{i}") for i in range(len(texts))]
    key = build("p", parameters, {f"p{i}": text for i, text in enumerate(texts)})
    assert key.count("/") == len(texts)
    assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in key)
    assert split(key) == ("p", tuple(texts))


@given(st.text().map("p/".__add__), st.sampled_from(list(VALUES)))
def test_any_text_given_as_a_key_is_canonical_or_refused(key: str, kind: type[Parameter]) -> None:
    """Otherwise one product would be stored under two keys."""
    parameters = [kind("x", null=True)]
    try:
        values = parse(key, parameters)
    except KeyParameterMismatch:
        return
    assert build("p", parameters, values) == key


@given(DATETIMES.filter(lambda value: value.tzinfo is not None), OFFSETS)
def test_an_instant_has_one_key_in_any_zone(value: datetime, zone: timezone) -> None:
    parameters = [DateTimeParameter("when")]
    one = build("p", parameters, {"when": value})
    assert one == build("p", parameters, {"when": value.astimezone(zone)})


@given(st.text(), st.integers(1, 1000))
def test_shards_are_in_range_and_digests_short(key: str, shards: int) -> None:
    assert 0 <= shard_of(key, shards) < shards
    assert len(identify(key)) == 32


@given(st.one_of(st.floats(), st.binary(), st.booleans(), st.lists(st.integers())))
def test_other_types_are_not_taken_for_integers(value: object) -> None:
    with pytest.raises(KeyParameterMismatch):
        build("p", [IntegerParameter("x")], {"x": value})


@given(kind=st.sampled_from(list(VALUES)), value=ANYTHING, null=st.booleans())
def test_a_product_has_the_keys_that_build_makes(
    kind: type[Parameter], value: object, null: bool
) -> None:
    product = Product()
    product.name, product.parameters = "p", [kind("x", null=null)]
    assert outcome(lambda: product.key_of({"x": value})) == outcome(
        lambda: build("p", product.parameters, {"x": value})
    )


def outcome(call: Callable[[], str]) -> str:
    try:
        return call()
    except KeyParameterMismatch as error:
        return f"refused: {error}"
