"""Encoding, for any value: it comes back equal and of the same types, from stable, valid JSON."""

from __future__ import annotations

import json
from datetime import datetime, time, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kck_publish.products.encoding import decode, encode, fingerprint

# Zones within a second of UTC are refused: Python reads them back as UTC.
OFFSETS = (
    st.timedeltas(timedelta(hours=-23), timedelta(hours=23))
    .filter(lambda offset: not offset or abs(offset) >= timedelta(seconds=1))
    .map(timezone)
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN_LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | FLOATS | st.text(max_size=8)
)
LEAVES = (
    PLAIN_LEAVES
    | st.integers()
    | st.integers(-(2**2100), 2**2100)
    | st.datetimes(timezones=st.none() | OFFSETS | st.timezones())
    | st.dates()
    | st.times(timezones=st.none() | OFFSETS)
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.binary(max_size=8)
)
HASHABLE = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
# Few names, some like the marks of shapes, so that rows often have the same members.
NAMES = st.sampled_from(["a", "b", "c", "!", "*", "=a", "", "0", "1"]) | st.text(max_size=3)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=12)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(NAMES, inner, max_size=12)
        | st.dictionaries(st.integers(-5, 20) | st.integers(), inner, max_size=12)
    )


VALUES = st.recursive(LEAVES | st.sets(HASHABLE, max_size=4) | HASHABLE, containers, max_leaves=30)
PLAIN = st.recursive(
    PLAIN_LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
)
# Rows of a query: the same columns, each of one type or null; as dicts, lists or tuples.
COLUMNS = [st.datetimes(), st.dates(), st.integers(), st.text(max_size=3), st.decimals(1, 2)]
NESTED = [st.lists(st.dates(), max_size=10), st.tuples(st.dates(), st.integers())]
ROWS = st.lists(st.sampled_from(COLUMNS + NESTED), min_size=1, max_size=4).flatmap(
    lambda columns: st.lists(
        st.tuples(*(st.none() | column for column in columns)), min_size=9, max_size=20
    )
)


def typed(value: Any) -> Any:
    """A form in which equal means: equal, of the same types and with the same offsets."""
    kind = type(value).__name__
    if isinstance(value, dict):
        return kind, [(typed(key), typed(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return kind, [typed(item) for item in value]
    if isinstance(value, set | frozenset):
        return kind, sorted(repr(typed(item)) for item in value)
    if isinstance(value, datetime | time):
        return kind, value.replace(tzinfo=None, fold=0).isoformat(), value.utcoffset()
    return kind, hex(value) if isinstance(value, int) else repr(value)


def shuffled(value: Any) -> Any:
    """An equal value whose sets were filled the other way round."""
    if isinstance(value, dict):
        return {key: shuffled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(shuffled(item) for item in value)
    if isinstance(value, set | frozenset):
        return type(value)(shuffled(item) for item in reversed(list(value)))
    return value


@given(VALUES)
def test_values_come_back_as_they_were(value: Any) -> None:
    before = typed(value)
    back = decode(*encode(value))
    assert typed(back) == before
    assert typed(value) == before  # encoding changes nothing


@given(VALUES)
def test_equal_values_have_equal_bytes(value: Any) -> None:
    encoded = encode(value)
    assert encode(shuffled(value)) == encoded
    assert encode(decode(*encoded)) == encoded


@given(VALUES)
def test_bodies_are_json(value: Any) -> None:
    encoded = encode(value)
    json.loads(encoded.body.decode("utf-8"))
    assert encoded.shape is None or json.loads(encoded.shape)


@given(PLAIN)
def test_plain_values_are_the_json_of_the_standard_library(value: Any) -> None:
    encoded = encode(value)
    assert encoded.shape is None
    assert typed(json.loads(encoded.body)) == typed(value)
    assert typed(json.loads(encoded.body)) == typed(json.loads(json.dumps(value)))


@given(ROWS)
def test_rows_come_back_and_share_one_shape(rows: list[tuple[Any, ...]]) -> None:
    for make in (tuple, list, lambda row: {f"c{i}": item for i, item in enumerate(row)}):
        value = [make(row) for row in rows]
        encoded = encode(value)
        assert typed(decode(*encoded)) == typed(value)
        assert encoded.shape is None or set(json.loads(encoded.shape)) == {"*"}


@given(st.lists(st.text()), st.lists(st.text()))
def test_fingerprints_differ_with_their_parts(one: list[str], other: list[str]) -> None:
    assert (fingerprint(*one) == fingerprint(*other)) == (one == other)
