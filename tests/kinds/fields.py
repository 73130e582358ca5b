"""Fields of a project's own: what ``columns`` cannot know."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    AnyField = models.Field[Any, Any]
else:
    AnyField = models.Field


@dataclass(frozen=True)
class Money:
    """An amount with its currency."""

    cents: int
    currency: str


class MoneyField(AnyField):
    """Text in the database, Money in Python; its text for fixtures is good for nothing."""

    def db_type(self, connection: Any) -> str:
        return "text"

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Money | None:
        if value is None:
            return None
        cents, _, currency = value.partition(" ")
        return Money(int(cents), currency)

    def get_prep_value(self, value: Money | None) -> str | None:
        return None if value is None else f"{value.cents} {value.currency}"


class Temper(Enum):
    """How it feels."""

    CALM = "calm"
    WILD = "wild"


class TemperField(models.CharField):  # type: ignore[type-arg]
    """An enumeration's member; told by ``to_python`` alone how a text is read."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Temper | None:
        return None if value is None else Temper(value)

    def to_python(self, value: Any) -> Temper | None:
        return value if value is None or isinstance(value, Temper) else Temper(value)

    def get_prep_value(self, value: Any) -> Any:
        return value.value if isinstance(value, Temper) else value


class Loud(str):
    """A text that is no plain text any more."""

    __slots__ = ()


class LoudField(models.TextField):  # type: ignore[type-arg]
    """Of a type that is stored as its base type, and must not come back as that."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Loud | None:
        return None if value is None else Loud(value)
