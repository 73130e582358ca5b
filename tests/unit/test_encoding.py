"""Encoding: the bytes of each type, what is refused and how it is said, and the golden file."""

from __future__ import annotations

import dataclasses
import enum
import json
import pickle
from collections import OrderedDict, defaultdict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db.models import IntegerChoices, TextChoices
from django.utils.duration import duration_iso_string
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from kck_publish.exceptions import Undecodable, Unserializable
from kck_publish.products.encoding import FORMAT, Encoded, decode, encode, fingerprint
from kck_publish.products.packing import MAX_DEPTH

GOLDEN = Path(__file__).parent / "golden" / f"encoding_v{FORMAT}.json"
NOON = datetime(2024, 1, 31, 12, 0, 0, 5)
KOLKATA = timezone(timedelta(hours=5, minutes=30))
UID = UUID("12345678-1234-5678-1234-567812345678")

Row = namedtuple("Row", ["a"])


class Colour(TextChoices):
    RED = "red", "Red"


class Size(IntegerChoices):
    LARGE = 3, "Large"


class Plain(enum.Enum):
    A = "a"


@dataclasses.dataclass
class Data:
    a: int = 1


CASES: dict[str, Any] = {
    "null": None,
    "true": True,
    "int": 2**64 - 1,
    "float": -0.5,
    "text": "é/\n\u2028",
    "list": [1, [2.0, None], {}],
    "dict": {"b": 1, "a": [True], "": "empty"},
    "big_int": -(2**70),
    "huge_int": 2**2500,
    "int_keys": {1: "a", -2: {"x": date(2024, 1, 31)}, "c": 2},
    "datetime": NOON,
    "datetime_utc": NOON.replace(tzinfo=UTC),
    "datetime_offset": NOON.replace(tzinfo=KOLKATA),
    "date": date(2024, 1, 31),
    "time": time(1, 2, 3, 4),
    "time_offset": time(1, 2, tzinfo=KOLKATA),
    "timedelta": timedelta(days=1, hours=2, microseconds=3),
    "timedelta_negative": -timedelta(minutes=1),
    "decimal": Decimal("1.50E+3"),
    "uuid": UID,
    "bytes": b"\x00\xff",
    "tuple": (1, "a"),
    "tuple_empty": (),
    "tuple_of_tuples": ((1, 2), (3, NOON)),
    "set": {3, 1, 2},
    "set_of_dates": {date(2024, 1, 2), date(2024, 1, 1)},
    "frozenset": frozenset({"b", "a"}),
    "keys_like_marks": {"!": (1,), "*": date(2024, 1, 1), "=": {1}, "=a": b"", "plain": 1},
    "rows": [{"id": i, "when": None if i % 3 else NOON, "tags": ("x",) * i} for i in range(10)],
    "mixed": [NOON, Decimal(1), "x", None, b"x", 1, 2, 3, 4, 5],
    "lookup": {i: {"when": NOON} for i in range(10)},
}


def same(one: Any, other: Any) -> bool:
    """Equal, and of equal types, at every node."""
    texts = [repr(sorted(v) if isinstance(v, set | frozenset) else v) for v in (one, other)]
    return type(one) is type(other) and texts[0] == texts[1] and bool(one == other)


@pytest.mark.parametrize("name", CASES)
def test_values_come_back_as_they_were(name: str) -> None:
    encoded = encode(CASES[name])
    assert same(decode(*encoded), CASES[name])
    json.loads(encoded.body)


def test_the_format_has_not_changed() -> None:
    """Stored values are read by older and newer code: new bytes need a new FORMAT."""
    golden = json.loads(GOLDEN.read_text())
    found = {name: encode(value) for name, value in CASES.items()}
    assert golden["fingerprint"] == fingerprint("model", "1")
    for name, want in golden["values"].items():
        shape = found[name].shape
        got = {"body": found[name].body.decode(), "shape": shape.decode() if shape else None}
        assert got == want, f"{name} is encoded differently: bump FORMAT and write a new file"
        assert same(decode(want["body"].encode(), shape), CASES[name])
    assert set(golden["values"]) == set(CASES), "add new cases to the golden file"


@pytest.mark.parametrize("value", [None, 1, "x", [1, {"a": [2.5]}], {"a": None}])
def test_plain_json_has_no_shape(value: object) -> None:
    encoded = encode(value)
    assert encoded.shape is None
    assert encoded.body == json.dumps(value, separators=(",", ":")).encode()


def test_many_rows_share_one_shape() -> None:
    rows = [{"id": i, "when": NOON, "price": Decimal(i)} for i in range(1000)]
    one = b'{"*":{"=when":"datetime","=price":"decimal"}}'
    assert encode(rows).shape == one
    rows[3]["when"] = None
    del rows[4]["when"]
    rows[5]["price"] = None
    rows[6]["price"] = 0
    assert encode(rows).shape == one
    assert decode(*encode(rows)) == rows


def test_many_rows_as_tuples_share_one_shape() -> None:
    rows: list[tuple[Any, ...]] = [(i, NOON, None if i % 2 else NOON) for i in range(1000)]
    assert encode(rows).shape == b'{"*":{"!":"tuple","=1":"datetime","=2":"datetime"}}'
    assert same(decode(*encode(rows)), rows)


def test_rows_that_differ_in_kind_keep_their_own_shapes() -> None:
    rows: list[Any] = [{"x": NOON} for _ in range(20)]
    rows[7]["x"] = "2024-01-31T12:00:00.000005"  # a text that only looks like one
    rows[8] = ["x"]
    assert same(decode(*encode(rows)), rows)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (Colour.RED, "red"),
        (Size.LARGE, 3),
        (mark_safe("<b>"), "<b>"),
        ([Colour.RED, {Colour.RED: Size.LARGE}], ["red", {"red": 3}]),
        ({Size.LARGE: 1}, {3: 1}),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[NOON]), {"a": [NOON]}),
    ],
)
def test_subclasses_are_stored_as_what_they_derive_from(value: Any, stored: Any) -> None:
    assert same(decode(*encode(value)), stored)


def test_zones_become_their_offset_and_utc_stays_utc() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for fold, hours in ((0, 2), (1, 1)):
        back = decode(*encode(datetime(2024, 10, 27, 2, 30, tzinfo=berlin, fold=fold)))
        assert back.tzinfo == timezone(timedelta(hours=hours))
        assert back.replace(tzinfo=None) == datetime(2024, 10, 27, 2, 30)
    assert decode(*encode(datetime(2024, 1, 1, tzinfo=ZoneInfo("UTC")))).tzinfo is UTC


def test_durations_are_written_as_django_writes_them() -> None:
    for value in (timedelta(0), timedelta.max, timedelta.min, timedelta(-1, 5, 7)):
        encoded = encode(value)
        assert json.loads(encoded.body) == duration_iso_string(value)
        assert decode(*encoded) == value


def test_sets_are_sorted() -> None:
    words = [f"word{i}" for i in range(50)]
    assert encode(set(words)).body == json.dumps(sorted(words), separators=(",", ":")).encode()
    assert encode({(1, "a"), (0, "b")}).body == b'[[0,"b"],[1,"a"]]'


def test_the_order_of_a_dict_is_kept() -> None:
    assert encode({"b": 1, "a": 2}).body == b'{"b":1,"a":2}'
    assert list(decode(*encode({"b": NOON, "a": 2}))) == ["b", "a"]


def test_each_decode_makes_fresh_objects() -> None:
    encoded = encode({"a": [NOON], "b": {1, 2}})
    one = decode(*encoded)
    one["a"].append(1)
    one["b"].clear()
    assert decode(*encoded) == {"a": [NOON], "b": {1, 2}}


def nested(levels: int, leaf: Any) -> Any:
    for level in range(levels):
        leaf = [leaf] if level % 2 else {"a": leaf}
    return leaf


@pytest.mark.parametrize("leaf", [1, NOON, {1}])
def test_depth_has_a_bound(leaf: Any) -> None:
    levels = MAX_DEPTH - isinstance(leaf, set)
    deep = nested(levels, leaf)
    assert decode(*encode(deep)) == deep
    for more in (1, 300, 100_000):
        with pytest.raises(Unserializable, match="nested deeper than 254 levels"):
            encode(nested(levels + more, leaf))


def test_a_value_that_contains_itself_is_refused() -> None:
    ring: list[Any] = [NOON]
    ring.append({"ring": ring, "again": ring})
    with pytest.raises(Unserializable, match="contains itself") as caught:
        encode(ring)
    assert len(str(caught.value)) < 300


def test_a_refused_value_is_named_with_its_path() -> None:
    value = {"rows": [{"when": NOON}, 2, 3, {"when": object(), "a b": 1}]}
    with pytest.raises(Unserializable) as caught:
        encode(value)
    assert caught.value.path == "$.rows[3].when"
    assert caught.value.kind == "object"
    assert str(caught.value).startswith("The value at $.rows[3].when (object) cannot be stored")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.path) == (str(caught.value), "$.rows[3].when")


@pytest.mark.parametrize(
    ("value", "path", "says"),
    [
        (float("nan"), "$", "no NaN"),
        ([1.0, float("-inf")], "$[1]", "no NaN"),
        ({"a b": {7: {Plain.A}}}, '$["a b"][7][*]', "value.value"),
        ("\ud800", "$", "lone surrogate"),
        ({"a": {"\ud800": 1}}, "$.a", "lone surrogate"),
        ({1: "a", "1": "b"}, "$", "mixes int keys"),
        ({1: "a", "2": "b"}, "$", "mixes int keys"),
        ({None: 1}, "$", "a key of type NoneType"),
        ({True: 1}, "$", "a key of type bool"),
        ({date(2024, 1, 1): 1}, "$", "use str or int keys"),
        ({2**2500: 1}, "$", "too long for a key"),
        (Row(1), "$", "_asdict"),
        (Data(), "$", "dataclasses.asdict"),
        ((Data(),), "$[0]", "dataclasses.asdict"),
        (bytearray(b"x"), "$", "bytes(value)"),
        (range(3), "$", "list(value)"),
        ((i for i in range(3)), "$", "list(value)"),
        (len, "$", "cannot be stored"),
        (lambda: 1, "$", "store what it returns"),
        (1j, "$", "(complex)"),
        (time(1, tzinfo=ZoneInfo("Europe/Berlin")), "$", "gives no offset"),
        (NOON.replace(tzinfo=timezone(timedelta(microseconds=-1))), "$", "within a second of UTC"),
        (gettext_lazy("yes"), "$", "str(value)"),
        ({"type": ContentType(model="x")}, "$.type", "store its pk"),
        (ContentType.objects.all(), "$", "queryset.values"),
    ],
)
def test_what_cannot_be_stored_says_what_to_do(value: Any, path: str, says: str) -> None:
    with pytest.raises(Unserializable) as caught:
        encode(value)
    assert caught.value.path == path
    assert says in str(caught.value)


def test_lazy_objects_are_not_evaluated() -> None:
    def evaluate() -> None:
        raise AssertionError

    with pytest.raises(Unserializable, match="it is lazy"):
        encode({"user": SimpleLazyObject(evaluate)})


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        (b"", None),
        (b"{", None),
        (b'"x"', b'"datetime"'),
        (b'"x"', b'"a tag of the future"'),
        (b'"x"', b'"decimal"'),
        (b'["x"]', b'{"*":"date"}'),
        (b'["x"]', b'"intkeys"'),
        (b'["x"]', b'{"!":"nothing"}'),
        (b'"x"', b"{"),
        (b'"*"', b'"bytes"'),
        (b"5", b"5"),
        (b"[1]", b'["x"]'),
        (b"[1]", b'{"":"date"}'),
    ],
)
def test_damaged_bytes_are_a_named_error(body: bytes, shape: bytes | None) -> None:
    with pytest.raises(Undecodable, match="cannot be read"):
        decode(body, shape)


def test_fingerprints_tell_their_parts_apart() -> None:
    assert fingerprint("a", "b") == fingerprint("a", "b")
    parts: list[tuple[str, ...]] = [(), ("",), ("a", "b"), ("ab",), ("ab", ""), ("", "ab")]
    found = {fingerprint(*each) for each in parts}
    assert len(found) == len(parts)
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in found)


def test_encoded_unpacks() -> None:
    body, shape = Encoded(b"1")
    assert (body, shape) == (b"1", None)
