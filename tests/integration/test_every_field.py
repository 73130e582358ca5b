"""Every kind of field: what ``.cached`` gives equals ``objects.get()``, value by value."""

from __future__ import annotations

import datetime
import decimal
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.postgres.fields import HStoreField
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import Range
from django.db.models import Field
from django.db.models.signals import post_init
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as some

from kck_publish import Unserializable
from kck_publish.rows.field_values import converters
from tests.catalog.fixtures import drain
from tests.kinds.alike import alike, differences, usable
from tests.kinds.fields import AnyField, Loud, Money, Temper
from tests.kinds.models import Builds, Everything, Picture, Starts

TEXT = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
WORD = some.from_regex(re.compile(r"[a-z0-9_-]{1,20}", re.ASCII), fullmatch=True)
FLOATS = some.floats(width=64)
YEARS = datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30)
DAYS = some.dates(YEARS[0].date(), YEARS[1].date())
MOMENTS = some.datetimes(*YEARS, timezones=some.sampled_from([datetime.UTC]))
NUMBERS = some.decimals(-(10**14), 10**14, places=5, allow_nan=False)
JSON = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | TEXT
    | some.floats(allow_nan=False, allow_infinity=False),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
MONEY = some.builds(Money, some.integers(), some.sampled_from(["EUR", "USD"]))


def whole(bits: int, low: int | None = None) -> some.SearchStrategy[int]:
    """The integers of a column."""
    return some.integers(-(2**bits) if low is None else low, 2**bits - 1)


def ranges(ends: some.SearchStrategy[Any]) -> some.SearchStrategy[Any]:
    """Ranges, open at either end or empty."""

    def make(pair: list[Any], bounds: str, lower: bool, upper: bool) -> Range[Any]:
        one, other = sorted(pair)
        return Range(one if lower else None, other if upper else None, bounds)

    bounds = some.sampled_from(["[)", "(]", "[]", "()"])
    pairs = some.lists(ends, min_size=2, max_size=2)
    both = some.builds(make, pairs, bounds, some.booleans(), some.booleans())
    return both | some.just(Range(empty=True))


INNER_DAYS = some.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1))
VALUES: dict[str, some.SearchStrategy[Any]] = {
    "small": whole(15),
    "integer": whole(31),
    "big": whole(63),
    "positive_small": whole(15, 0),
    "positive": whole(31, 0),
    "positive_big": whole(63, 0),
    "flag": some.booleans(),
    "char": TEXT,
    "text": TEXT,
    "slug": WORD,
    "email": WORD,
    "url": WORD,
    "file_path": WORD,
    "file": WORD | some.just(""),
    "ip": some.ip_addresses().map(str),
    "unpacked_ip": some.ip_addresses(v=4).map(lambda one: f"::ffff:{one}"),
    "uuid": some.uuids(),
    "number": FLOATS,
    "price": NUMBERS,
    "date": DAYS,
    "time": some.times(),
    "moment": MOMENTS,
    "duration": some.timedeltas(datetime.timedelta(-(10**6)), datetime.timedelta(10**6)),
    "raw": some.binary(max_size=20),
    "data": JSON,
    "exact": JSON,
    "words": some.lists(TEXT, max_size=4),
    "matrix": some.integers(1, 3).flatmap(  # before PostgreSQL 17 "{{}}" is no array
        lambda width: some.lists(
            some.lists(some.none() | whole(31), min_size=width, max_size=width), max_size=3
        )
    ),
    "moments": some.lists(some.none() | MOMENTS, max_size=3),
    "numbers": some.lists(FLOATS, max_size=3),
    "integers_range": ranges(whole(30)),
    "big_range": ranges(whole(62)),
    "decimal_range": ranges(NUMBERS),
    "moment_range": ranges(MOMENTS),
    "date_range": ranges(INNER_DAYS),
    "ranges": some.lists(ranges(INNER_DAYS), max_size=3),
    "money": MONEY,
    "temper": some.sampled_from(Temper),
    "loud": TEXT.map(Loud),
    "moneys": some.lists(MONEY, max_size=3),
}

thorough = examples(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_no_field_is_forgotten() -> None:
    computed = {"id", "made"}
    assert {one.name for one in Everything._meta.concrete_fields} == {*VALUES, *computed}


@pytest.mark.django_db
@thorough
@given(some.fixed_dictionaries({}, optional={k: some.none() | v for k, v in VALUES.items()}))
def test_every_field_of_a_row_that_is_computed(values: dict[str, Any]) -> None:
    with transaction.atomic():
        row = Everything.objects.create(**values)
        found, expected = Everything.cached.get(pk=row.pk), Everything.objects.get(pk=row.pk)
        assert not differences(found, expected)
        usable(found)


@pytest.mark.django_db(transaction=True)
def test_every_field_of_rows_that_are_stored(transactional_db: None) -> None:
    made: list[Everything] = []

    @examples(thorough, max_examples=25)
    @given(some.fixed_dictionaries(VALUES))
    def make(values: dict[str, Any]) -> None:
        made.append(Everything.objects.create(**values))

    make()
    pks = [row.pk for row in made]
    drain()
    connection.ensure_connection()
    expected = Everything.objects.in_bulk(pks)
    found = Everything.cached.in_bulk(pks)
    assert list(found) == pks
    for pk in pks:
        assert not differences(found[pk], expected[pk])
        assert not differences(Everything.cached.get(pk=pk), expected[pk])


@pytest.mark.parametrize("value", [{}, {"a": "b", "c": None, "": "é"}])
def test_an_hstore(value: dict[str, str | None]) -> None:
    """Its extension is not there everywhere; psycopg gives a plain dict."""
    dump, load = converters(HStoreField())
    assert alike(load(dump(value)), value)


class Opaque(AnyField):
    """Gives what cannot be kept: its text is that of any object, and nothing reads it."""

    def __str__(self) -> str:
        return "catalog.Thing.opaque"


def test_a_value_that_cannot_be_kept_is_refused_by_name() -> None:
    dump, _ = converters(Opaque(name="opaque"))
    with pytest.raises(Unserializable, match=r"catalog\.Thing\.opaque.*from_db_value"):
        dump(object())


@pytest.mark.django_db
def test_what_wants_to_see_that_an_instance_is_built_does() -> None:
    one: Any = Builds.cached.get(pk=Builds.objects.create(name="a").pk)
    assert one.loaded == "a"
    assert Starts.cached.get(pk=Starts.objects.create(name="b").pk).before == "b"
    picture = Picture.objects.create()
    Picture.objects.filter(pk=picture.pk).update(image="x.png", width=7, height=9)
    found, expected = Picture.cached.get(pk=picture.pk), Picture.objects.get(pk=picture.pk)
    assert not differences(found, expected)
    assert (found.width, found.height) == (7, 9)


@pytest.fixture
def seen() -> Iterator[list[Any]]:
    """The instances of Everything that a receiver is told of."""
    found: list[Any] = []

    def receive(instance: Any, **_: Any) -> None:
        found.append(instance)

    post_init.connect(receive, sender=Everything)
    yield found
    post_init.disconnect(receive, sender=Everything)


@pytest.mark.django_db
def test_a_receiver_that_comes_late_sees_it_too(seen: list[Any]) -> None:
    pk = Everything.objects.create().pk
    seen.clear()
    assert Everything.cached.get(pk=pk) in seen


@pytest.mark.django_db
def test_a_file_can_be_read_and_replaced(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = str(tmp_path)
    row = Everything.objects.create(file=SimpleUploadedFile("a.txt", b"text"))
    found = Everything.cached.get(pk=row.pk)
    assert found.file.read() == b"text"
    found.file.close()
    found.file.save("b.txt", SimpleUploadedFile("b.txt", b"new"))
    assert Everything.objects.get(pk=row.pk).file.name == found.file.name


@pytest.mark.django_db
def test_what_django_reads_is_what_we_compare(seen: list[Any]) -> None:
    """The comparison would notice."""
    assert not alike(decimal.Decimal("1.0"), decimal.Decimal("1.00"))
    assert not alike([1], [1.0])
    assert not alike(Loud("a"), "a")
    row = Everything.objects.create(uuid=uuid.uuid4())
    other = Everything.objects.get(pk=row.pk)
    other.uuid = str(other.uuid)
    assert differences(other, Everything.objects.get(pk=row.pk))
    unused: Field[Any, Any] = Everything._meta.get_field("uuid")
    assert unused is not None
