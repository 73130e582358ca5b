"""Values of changed rows that are no parameter of a key as they are, or that Python cannot hold."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from kck_publish import (
    Change,
    DateParameter,
    DateTimeParameter,
    Depends,
    IntegerParameter,
    InvalidPrimer,
    KeyParameterMismatch,
    Primer,
    StringParameter,
    UUIDParameter,
)
from kck_publish.products import registry
from kck_publish.products.parameters import Parameter
from kck_publish.rows.fields import FieldParameter
from tests.catalog.fixtures import drain, sql
from tests.catalog.models import Sample
from tests.integration.test_errors import declare, forgotten
from tests.kinds.models import Everything

pytestmark = pytest.mark.django_db(transaction=True)
DAY = date(2024, 1, 31)
CODES = [uuid.UUID(int=number) for number in (1, 2)]
computed: list[tuple[str, Any]] = []


def compute(self: Any, **key: Any) -> int:
    computed.append((self.key, *key.values()))
    return sum(sample.whole or 0 for sample in Sample.objects.filter(**key).only("whole"))


def augment(self: Any, value: int, change: Change, **key: Any) -> int:
    computed.append((f"{self.key}+", *key.values()))
    for image, sign in ((change.old, -1), (change.new, 1)):
        if image is not None and image["group"] == key["group"]:
            value += sign * image["whole"]
    return value


@pytest.fixture
def reads() -> Iterator[Callable[..., Callable[[], Any]]]:
    """``reads(depends, parameters, **key)``: declares a product; what reads its key."""
    names: list[str] = []
    del computed[:]

    def declared(
        depends: Depends, parameters: Sequence[Parameter], augments: bool = False, **key: Any
    ) -> Callable[[], Any]:
        name = f"sampled{len(names)}"
        names.append(name)
        body = {"key": name, "parameters": parameters, "depends_on": [depends], "compute": compute}
        if augments:
            body["augment"] = augment
        primer: Any = type(name, (Primer,), body)
        registry.graph()
        return lambda **other: primer.cached.get(**{**key, **other})

    with forgotten(*names):
        yield declared
    for name in names:
        registry.unregister(name)


def settled() -> list[tuple[str, Any]]:
    """What was computed while everything was drained."""
    del computed[:]
    drain()
    return list(computed)


def test_text_from_a_uuid(reads: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    """A value whose text is plain is converted: only the key that it names is primed (B18)."""
    for group, code in enumerate(CODES):
        Sample.objects.create(group=group, code=code, whole=1)
    read = reads(Depends(Sample, code="code"), [StringParameter("code")], code=str(CODES[0]))
    both = reads(
        Depends(Sample, code="code"),
        [StringParameter("code"), IntegerParameter("group")],
        code=str(CODES[0]),
        group=0,
    )
    read(code=str(CODES[1]))
    both(code=str(CODES[1]), group=1)
    assert (read(), both()) == (1, 1)
    drain()
    Sample.objects.filter(code=CODES[0]).update(whole=5)
    assert settled() == [("sampled0", str(CODES[0])), ("sampled1", str(CODES[0]), 0)]
    assert (read(), both()) == (5, 5)
    assert [
        line for line in caplog.messages if "outdated" not in line and "announced" not in line
    ] == []


@pytest.mark.parametrize(
    ("parameter", "column"),
    [
        (DateParameter("x"), "at"),
        (DateTimeParameter("x"), "day"),
        (StringParameter("x"), "at"),
        (StringParameter("x"), "price"),
        (IntegerParameter("x"), "flag"),
        (UUIDParameter("x"), "whole"),
        (UUIDParameter("x"), "maker"),
    ],
)
def test_what_can_never_fit_is_refused(parameter: Parameter, column: str) -> None:
    """A parameter that takes no value of the column that it is mapped from (B18)."""
    with pytest.raises(InvalidPrimer, match="Declare the parameter with the column's type"):
        declare("misfit", parameters=[parameter], depends_on=[Depends(Sample, x=column)])


@pytest.mark.parametrize("column", ["group", "maker", "pk", "name", "day", "code"])
def test_what_fits_is_not_refused(column: str) -> None:
    """Text takes what has a plain text (B18)."""
    declare("fits", parameters=[StringParameter("x")], depends_on=[Depends(Sample, x=column)])


@pytest.mark.parametrize("value", ["infinity", "-infinity", "10001-01-01", "0044-03-15 BC"])
def test_a_value_that_python_cannot_hold(
    reads: Callable[..., Any], caplog: pytest.LogCaptureFixture, value: str
) -> None:
    """Only what needs the value suffers from it: the rest is amended as ever (C9)."""
    for group in (1, 2):
        Sample.objects.create(group=group, whole=1, day="2024-01-31")
    narrow = reads(
        Depends(Sample, group="group", columns=["whole"]),
        [IntegerParameter("group")],
        augments=True,
        group=1,
    )
    wide = reads(Depends(Sample, group="group"), [IntegerParameter("group")], True, group=1)
    by_day = reads(Depends(Sample, day="day"), [DateParameter("day")], day="2024-01-31")
    for read in (narrow, wide):
        read(group=2)
    assert (narrow(), wide(), by_day()) == (1, 1, 2)
    drain()
    sql('UPDATE catalog_sample SET whole = whole + 1, day = %s WHERE "group" = 1', value)
    assert settled() == [
        ("sampled0+", 1),
        ("sampled1+", 1),
        ("sampled2", datetime(2024, 1, 31).date()),
    ]
    assert (narrow(), wide(), by_day()) == (2, 2, 1)
    sql('UPDATE catalog_sample SET whole = whole + 1 WHERE "group" = 1')
    assert settled() == [("sampled0+", 1), ("sampled1+", 1)]
    assert (narrow(), wide(), by_day()) == (3, 3, 1)
    assert [line for line in caplog.messages if "is outdated" not in line] == []


@pytest.mark.parametrize("year", [1, 9999])
def test_a_lookup_that_is_no_time_in_utc(year: int) -> None:
    """A time that is in another year, which Python does not have, is refused by name (C9)."""
    there = timezone(timedelta(hours=5 if year == 1 else -5))
    moment = datetime(year, 1, 1) if year == 1 else datetime(year, 12, 31, 23)
    parameter = FieldParameter("moment", source=Everything._meta.get_field("moment"))
    with pytest.raises(KeyParameterMismatch):
        parameter.clean(moment.replace(tzinfo=there))
