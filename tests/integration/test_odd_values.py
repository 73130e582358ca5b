"""Odd lookup values: `.cached.get` and a cached view answer as `objects.get` and the plain view."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import pytest
from rest_framework import viewsets

from kck_publish import KckPublishError
from kck_publish.contrib.rest_framework import CachedViewMixin
from tests.catalog.fixtures import drain
from tests.catalog.models import Gadget
from tests.kinds.models import Unique
from tests.rest_app.fixtures import fill
from tests.rest_app.models import Novel, Writer
from tests.rest_app.serializers import TitleSerializer, WriterSerializer

pytestmark = pytest.mark.django_db(transaction=True)

UUID = uuid.UUID("0123abcd-4567-89ef-0123-456789abcdef")
TEXTS: tuple[Any, ...] = (
    "", " ", "w1", " w1", "w1 ", "W1", "w1\0", "\0", "\ud800", "w1\ud800", "w1\n", "w\uff11", "é",
    "%77", "w" * 60, "w" * 5000, True, False, 1, 1.0, Decimal(1), b"w1", "None", "'",
    "w1' OR '1'='1", "\u202ew1",
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (
    "1", " 1 ", "1\n", "+1", "-1", "01", "1_0", "1__0", "\u0661", "\uff11", "1.0", "1e0", "0x1", "",
    "x",
    "\0", "1\0", "\ud800", "9" * 25, "-" + "9" * 25, "9" * 5000, 10**25, -(10**25), 2**63, 2**31,
    True, False, 1.0, 1.9, -0.0, float("nan"), float("inf"), Decimal("1"), Decimal("1.5"), b"1",
    "True", "None", "1;2", "1,2",
)  # fmt: skip
UUIDS: tuple[Any, ...] = (
    UUID, str(UUID), str(UUID).upper(), UUID.hex, f"{{{UUID}}}", f"urn:uuid:{UUID}", UUID.int,
    str(UUID.int), f" {UUID}", f"{UUID}\n", str(UUID)[:-1], f"{UUID}0", "", "x", "\0", "\ud800",
    -1, 2**128, True, 1.0, UUID.bytes, "0-1-2-3" + UUID.hex[4:],
)  # fmt: skip
FLAGS: tuple[Any, ...] = (
    True, False, 1, 0, 2, 1.0, 0.0, "True", "true", "t", "T", "1", "0", "f", "False", "", "yes",
    " True", "\0", "\ud800", Decimal(1), "on",
)  # fmt: skip


@pytest.fixture(autouse=True)
def rows() -> None:
    fill()
    novel = Novel.objects.order_by("pk")[0]
    for pk in (1, 10):
        Novel.objects.get_or_create(pk=pk, defaults={"writer": novel.writer, "title": f"N{pk}"})
    Unique.objects.create(id=UUID)
    Gadget.objects.create(flag=True, small=1, ip="10.0.0.1")
    Gadget.objects.create(flag=False, small=10, ip="::ffff:10.0.0.2")
    drain()


def outcome(ask: Any) -> Any:
    """The keys of the rows; that there are none; or that the value is not taken."""
    try:
        found = ask()
    except (ValueError, TypeError, OverflowError, KckPublishError) as error:
        return f"refused: {type(error).__name__}"
    except Exception as error:  # noqa: BLE001 - compared
        return type(error).__name__
    return [row.pk for row in (found if isinstance(found, list) else [found])]


def alike(expected: Any, found: Any) -> bool:
    """Whether both give the same rows, or none: a value that cannot be is refused or of no row."""
    if isinstance(expected, list) or isinstance(found, list):
        return bool(expected == found)
    return True


# What the library says of a value that can be of no row, where Django may raise an error.
KNOWN = ("refused: KeyParameterMismatch", "DoesNotExist")


@pytest.mark.parametrize(
    ("model", "field", "values"),
    [
        (Novel, "pk", NUMBERS),
        (Gadget, "small", NUMBERS),
        (Writer, "slug", TEXTS),
        (Unique, "pk", UUIDS),
    ],
    ids=lambda given: getattr(given, "__name__", given if isinstance(given, str) else "values"),
)
def test_a_row_is_the_one_of_objects_get(model: Any, field: str, values: tuple[Any, ...]) -> None:
    wrong = {}
    for _ in ("computed", "stored"):
        for value in values:
            expected = outcome(lambda value=value: model.objects.get(**{field: value}))
            found = outcome(lambda value=value: model.cached.get(**{field: value}))
            named = isinstance(found, list) or found in (expected, *KNOWN)
            if not alike(expected, found) or not named:
                wrong[ascii(value)[:60]] = (expected, found)
        drain()
    assert not wrong


def test_rows_by_a_flag() -> None:
    wrong = {}
    for _ in ("computed", "stored"):
        for value in FLAGS:
            expected = outcome(lambda value=value: list(Gadget.objects.filter(flag=value)))
            found = outcome(lambda value=value: list(Gadget.cached.filter(flag=value)))
            if not alike(expected, found):
                wrong[ascii(value)] = (expected, found)
        drain()
    assert not wrong


class Novels(viewsets.ReadOnlyModelViewSet):
    queryset = Novel.objects.order_by("pk")
    serializer_class = TitleSerializer


class Seen(Novels):
    queryset = Novel.objects.filter(pk__gte=0).order_by("pk")


class Writers(viewsets.ReadOnlyModelViewSet):
    queryset = Writer.objects.order_by("pk")
    serializer_class = WriterSerializer
    lookup_field = "slug"


@pytest.mark.parametrize(
    ("view", "values"), [(Novels, NUMBERS), (Seen, NUMBERS), (Writers, TEXTS)],
    ids=lambda given: getattr(given, "__name__", "values"),
)  # fmt: skip
def test_a_view_answers_as_the_plain_one(view: Any, values: tuple[Any, ...], rf: Any) -> None:
    ours: Any = type("Cached", (CachedViewMixin, view), {})

    def answer(kind: Any, value: Any) -> Any:
        try:
            response = kind.as_view({"get": "retrieve"})(rf.get("/"), **{kind.lookup_field: value})
        except Exception as error:  # noqa: BLE001 - compared
            return type(error).__name__
        response.render()
        return response.status_code, response.content

    wrong = {}
    for _ in ("computed", "stored"):
        for value in values:
            expected, found = answer(view, value), answer(ours, value)
            if expected != found:
                wrong[ascii(value)[:60]] = (expected, found)
        drain()
    assert not wrong
