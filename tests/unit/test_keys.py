"""Keys: one text for one product, and a named error for whatever does not fit."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from enum import IntEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from kck_publish.exceptions import InvalidPrimer, KeyParameterMismatch
from kck_publish.log.keys import identify, product_of, shard_of
from kck_publish.products.keys import build, check_name, parse, parse_pattern, split
from kck_publish.products.parameters import (
    BooleanParameter,
    DateParameter,
    DateTimeParameter,
    IntegerParameter,
    Parameter,
    StringParameter,
    UUIDParameter,
    check_parameters,
)

AUTHOR = [IntegerParameter("author")]
NAMES = [StringParameter("last"), StringParameter("first")]
UID = UUID("1234abcd-1234-5678-1234-567812345678")


class Size(IntEnum):
    LARGE = 3


class Upper(Parameter):
    """A user's own type, whose methods raise what Python raises."""

    takes = "letters"

    def clean(self, value: Any) -> str:
        if not str.isalpha(value):
            raise ValueError("not letters")
        return str(value.upper())


def one(parameter: Parameter, value: object) -> str:
    return build("p", [parameter], {parameter.name: value})


@pytest.mark.parametrize(
    ("parameter", "value", "key"),
    [
        (IntegerParameter("x"), 1, "p/1"),
        (IntegerParameter("x"), "1", "p/1"),
        (IntegerParameter("x"), -12, "p/-12"),
        (IntegerParameter("x"), "-12", "p/-12"),
        (IntegerParameter("x"), 0, "p/0"),
        (IntegerParameter("x"), Size.LARGE, "p/3"),
        (StringParameter("x"), "", "p/"),
        (StringParameter("x"), "a/b", "p/a%2Fb"),
        (StringParameter("x"), "~", "p/%7E"),
        (StringParameter("x"), "100%\n\x00\x85", "p/100%25%0A%00%C2%85"),
        (StringParameter("x"), "Ursula K. Le Guin é", "p/Ursula K. Le Guin é"),
        (StringParameter("x", null=True), None, "p/~"),
        (IntegerParameter("x", null=True), None, "p/~"),
        (BooleanParameter("x"), True, "p/true"),
        (BooleanParameter("x"), "false", "p/false"),
        (DateParameter("x"), date(2024, 1, 31), "p/2024-01-31"),
        (DateParameter("x"), "2024-01-31", "p/2024-01-31"),
        (DateTimeParameter("x"), datetime(2024, 1, 31, 12), "p/2024-01-31T12:00:00"),
        (DateTimeParameter("x"), datetime(2024, 1, 31, 12, tzinfo=UTC), "p/2024-01-31T12:00:00Z"),
        (
            DateTimeParameter("x"),
            datetime(2024, 7, 1, 14, 0, 0, 5, ZoneInfo("Europe/Berlin")),
            "p/2024-07-01T12:00:00.000005Z",
        ),
        (DateTimeParameter("x"), "2024-07-01 14:00:00+02:00", "p/2024-07-01T12:00:00Z"),
        (UUIDParameter("x"), UID, f"p/{UID}"),
        (UUIDParameter("x"), UID.hex.upper(), f"p/{UID}"),
        (Upper("x"), "jfk", "p/JFK"),
    ],
)
def test_a_value_has_one_text(parameter: Parameter, value: object, key: str) -> None:
    assert one(parameter, value) == key
    back = parse(key, [parameter])
    assert build("p", [parameter], back) == key


BAD: dict[Parameter, list[object]] = {
    IntegerParameter("x"): [
        *("007", "", " 1", "1 ", "1\n", "+1", "-0", "1.5", "\u0663", "9" * 5000),
        *(True, 1.0, 1.5, None, b"1", []),
    ],
    StringParameter("x"): [1, b"a", None, "\ud800", date(2024, 1, 1)],
    BooleanParameter("x"): [1, 0, "True", "1", "", None],
    DateParameter("x"): [
        *(datetime(2024, 1, 1), "20240131", "2024-W05-3", "2024-02-30", "", 5),
    ],
    DateTimeParameter("x"): [
        *(date(2024, 1, 1), "2024-01-01", "2024-13-01T00:00:00", "2024-01-01T00:00:00.1234567"),
        *("soon", 5, datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))),
    ],
    UUIDParameter("x"): ["", "12", UID.hex + "0", 5, f"{{{UID}}}"],
    Upper("x"): ["7", "", 7],
}


@pytest.mark.parametrize(
    ("parameter", "value"),
    [(parameter, value) for parameter, values in BAD.items() for value in values],
)
def test_what_does_not_fit_is_refused_by_name(parameter: Parameter, value: object) -> None:
    with pytest.raises(KeyParameterMismatch, match=r"^p: parameter 'x' takes .* not "):
        one(parameter, value)


def test_integers_have_a_bound() -> None:
    """Beyond it Python may refuse to read the digits back."""
    parameter = IntegerParameter("x")
    for number in (2**2048 - 1, 1 - 2**2048):
        assert parse(one(parameter, number), [parameter]) == {"x": number}
    for number in (2**2048, 10**5000):
        with pytest.raises(KeyParameterMismatch, match="takes an integer"):
            one(parameter, number)


def test_naive_and_aware_times_are_different_products() -> None:
    when = DateTimeParameter("when")
    noon = datetime(2024, 1, 31, 12)
    assert one(when, noon) != one(when, noon.replace(tzinfo=UTC))
    assert parse(one(when, noon), [when])["when"].tzinfo is None


def test_parameters_are_named_and_ordered_by_the_declaration() -> None:
    key = build("author", NAMES, {"first": "Ursula", "last": "Le Guin"})
    assert key == "author/Le Guin/Ursula"
    assert parse(key, NAMES) == {"last": "Le Guin", "first": "Ursula"}


@pytest.mark.parametrize("values", [{}, {"first": "U"}, {"last": "a", "x": 1}])
def test_missing_and_extra_names_say_expected_and_got(values: dict[str, Any]) -> None:
    with pytest.raises(KeyParameterMismatch) as caught:
        build("author", NAMES, values)
    got = ", ".join(values) or "none"
    assert str(caught.value) == f"author: expected last, first; got {got}."


def test_a_product_without_parameters_is_its_bare_name() -> None:
    assert build("all_authors", [], {}) == "all_authors"
    assert split("all_authors") == ("all_authors", ())
    assert split("all_authors/") == ("all_authors", ("",))
    with pytest.raises(KeyParameterMismatch, match="expected no parameters; got x"):
        build("all_authors", [], {"x": 1})


def test_split_gives_the_plain_texts() -> None:
    assert split("any/a%2Fb/~/%7E/é") == ("any", ("a/b", None, "~", "é"))
    assert product_of("any/a%2Fb") == "any"
    assert product_of("any") == "any"


@pytest.mark.parametrize("key", ["p/%2f", "p/%41", "p/100%", "p/%ZZ", "p/%FF", "p/a~b", "p/\n"])
def test_a_second_text_for_the_same_product_is_refused(key: str) -> None:
    with pytest.raises(KeyParameterMismatch, match="not escaped"):
        split(key)


@pytest.mark.parametrize("key", ["p/007", "p/x", "p/", "p", "p/1/2", "p/~"])
def test_parse_refuses_what_build_does_not_make(key: str) -> None:
    with pytest.raises(KeyParameterMismatch, match=r"^p: "):
        parse(key, AUTHOR)


def test_parse_names_the_canonical_key() -> None:
    with pytest.raises(KeyParameterMismatch, match=f"write the key as 'p/{UID}'"):
        parse(f"p/{str(UID).upper()}", [UUIDParameter("x")])


@pytest.mark.parametrize(
    "name", ["keys", "columns", "reads", "value", "change", "self", "", "a b", "1a", "class", 5]
)
def test_reserved_and_impossible_parameter_names_are_refused_where_they_stand(name: Any) -> None:
    with pytest.raises(InvalidPrimer, match="cannot be a parameter"):
        StringParameter(name)


def test_parameters_are_frozen_values() -> None:
    parameter: Parameter = IntegerParameter("author")
    assert parameter == IntegerParameter("author")
    others: list[Parameter] = [StringParameter("author"), IntegerParameter("author", null=True)]
    assert parameter not in others
    assert {parameter, IntegerParameter("author")} == {parameter}
    with pytest.raises(AttributeError):
        parameter.name = "other"  # type: ignore[misc]


def test_check_parameters() -> None:
    assert check_parameters("p", AUTHOR) == tuple(AUTHOR)
    with pytest.raises(InvalidPrimer, match="two parameters are called 'author'"):
        check_parameters("p", [*AUTHOR, StringParameter("author")])
    with pytest.raises(InvalidPrimer, match="not 'author'"):
        check_parameters("p", ["author"])  # type: ignore[list-item]


def test_patterns() -> None:
    assert parse_pattern("all") == ("all", [])
    assert parse_pattern("top_authors/<int:limit>") == (
        "top_authors",
        [IntegerParameter("limit")],
    )
    name, parameters = parse_pattern(
        "x/<a>/<str:b>/<slug:c>/<bool:d>/<date:e>/<datetime:f>/<uuid:g>"
    )
    assert name == "x"
    assert [type(parameter) for parameter in parameters] == [
        *[StringParameter] * 3,
        *(BooleanParameter, DateParameter, DateTimeParameter, UUIDParameter),
    ]


@pytest.mark.parametrize(
    "pattern",
    [
        *("", "/", "x/", "x/y", "x/<", "x/<>", "x/<int:>", "x/<float:y>", "x/<:y>", "x/<int:y"),
        *("x/<int:y>/", "x/<int:y>/<int:y>", "a b/<int:y>", "x/<int:keys>", "x/<<y>>", None),
    ],
)
def test_malformed_patterns_are_refused(pattern: Any) -> None:
    with pytest.raises(InvalidPrimer):
        parse_pattern(pattern)


def test_product_names() -> None:
    for name in ("author_page", "catalog.Author:pk", "a-b,c[0]", "A1"):
        assert check_name(name) == name
    for bad in ("", "a/b", "a b", "a\n", "a%", "~", None):
        with pytest.raises(InvalidPrimer, match="cannot be a product's name"):
            check_name(bad)  # type: ignore[arg-type]


def test_digests_never_change() -> None:
    """Stored rows are found by them: another value here loses every stored product."""
    assert identify("author_page/1") == "0af48ea3bda481427e415c2ab8e58043"
    assert shard_of("author_page/1", 8) == 3
    assert len(identify("x" * 100_000)) == 32
    with pytest.raises(KeyParameterMismatch, match="lone surrogate"):
        identify("\ud800")


def test_shards() -> None:
    assert {shard_of(f"p/{i}", 4) for i in range(100)} == {0, 1, 2, 3}
    assert {shard_of(f"p/{i}", 1) for i in range(10)} == {0}


def test_errors_survive_pickling() -> None:
    with pytest.raises(KeyParameterMismatch) as caught:
        build("author", NAMES, {})
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), again.product) == (
        KeyParameterMismatch,
        str(caught.value),
        "author",
    )
