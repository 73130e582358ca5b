"""The columns of aggregates: SQL and Python give the same answer, bit for bit.

Texts are compared by their code points on both sides (``COLLATE "C"`` there, ``str`` here), NULLs
come last, and equal numbers are made to look alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property, total_ordering
from typing import Any
from uuid import UUID

from django.db import connections, models
from django.db.models import F, Model
from django.db.models.functions import Collate

from ..conf import settings
from ..exceptions import InvalidPrimer, Reprime
from ..products.columns import fields_of, has_column, value_field
from ..products.equal_numbers import plain_decimal, plain_float
from ..products.paths import Tree

# By class of field, the first that fits: its kind, and the types of its values.
_KINDS: Sequence[tuple[type[models.Field[Any, Any]], str, tuple[type, ...]]] = (
    (models.IntegerField, "integer", (int,)),
    (models.FloatField, "float", (float, int)),
    (models.DecimalField, "decimal", (Decimal, int)),
    (models.DateTimeField, "datetime", (datetime,)),
    (models.DateField, "date", (date,)),
    (models.TimeField, "time", (time,)),
    (models.DurationField, "duration", (timedelta,)),
    (models.BooleanField, "boolean", (bool,)),
    (models.UUIDField, "uuid", (UUID,)),
    (models.CharField, "text", (str,)),
    (models.TextField, "text", (str,)),
)
OTHER = "other"


class Column:
    """A column of the rows that are aggregated.

    Args:
        model: whose rows they are.
        name: a field's name or attname, ``pk``, or a lookup path of foreign keys.

    Raises:
        InvalidPrimer: when the model has no such column, or it is a composite key.
    """

    def __init__(self, model: type[Model], name: str) -> None:
        self.name = name
        self.field: models.Field[Any, Any] = field_at(model, name)
        # A change's image has what a path leads to under the path.
        self.attname: str = self.field.attname if has_column(model, name) else name
        self.label = f"{model._meta.label}.{name}"

    @cached_property
    def _values(self) -> Any:
        """The field of its values: of a foreign key, of a GeneratedField another one."""
        field = value_field(self.field)
        return getattr(field, "output_field", field)

    @cached_property
    def _kind(self) -> tuple[str, tuple[type, ...]]:
        field = self._values
        if hasattr(field, "from_db_value"):  # what Python sees is not what SQL compares
            return OTHER, ()
        for base, kind, types in _KINDS:
            if isinstance(field, base):
                return kind, types
        return OTHER, ()

    @property
    def kind(self) -> str:
        """The kind of its values: ``"integer"``, ``"text"``, ..., or ``OTHER``."""
        return self._kind[0]

    def fits(self, value: object) -> bool:
        """Whether a value is of the column's own type, and not merely convertible to it."""
        kind, types = self._kind
        if isinstance(value, bool) and kind != "boolean":
            return False
        if kind == "date" and isinstance(value, datetime):
            return False
        return isinstance(value, types)

    def check(self, what: str, kinds: Sequence[str], advice: str) -> None:
        """Raises InvalidPrimer unless the column is of one of these kinds."""
        if self.kind not in kinds:
            raise InvalidPrimer(
                f"{what} does not take {self.label} ({type(self.field).__name__}). {advice}"
            )

    @property
    def expression(self) -> Any:
        """The column as SQL groups and orders by it."""
        column = F(self.attname)
        return Collate(column, "C") if self.kind == "text" else column

    @cached_property
    def clean(self) -> Callable[[Any], Any]:
        """Makes equal values look alike: -0.0 is 0.0, and 1.50 is 1.5 where no scale is fixed."""
        if self.kind == "float":
            return plain_float
        if self.kind == "decimal" and getattr(self._values, "decimal_places", None) is None:
            return plain_decimal
        return lambda value: value

    @cached_property
    def is_null(self) -> Callable[[Any], bool]:
        """Whether what Python has of a value is a NULL. Raises Reprime where that is not told.

        JSON's ``null`` is None for Python, too, and a field of one's own may read a NULL as "".
        """
        field = self._values
        read = getattr(field, "from_db_value", None)
        if read is None or type(field).__module__.startswith("django.contrib.postgres."):
            return lambda value: value is None
        null = read(None, field.get_col(None), connections[settings.DATABASE])

        def known(value: Any) -> bool:
            if value is None or value == null:
                raise Reprime(f"a value of {self.label} may be NULL, or only look so to Python")
            return False

        return known

    def value_in(self, image: Any) -> Any:
        """The column's value in a row; None for NULL. Raises KeyError."""
        value = image[self.attname]
        return None if value is None else self.clean(value)


def field_at(model: type[Model], name: str) -> models.Field[Any, Any]:
    """The column that a name or a path of foreign keys leads to. Raises InvalidPrimer."""
    if "__" not in name or has_column(model, name):
        fields = fields_of(model, name)
        if len(fields) > 1:
            raise InvalidPrimer(f"{model._meta.label}: {name!r} is several columns; name one.")
        return fields[0]
    tree = Tree(model)
    _, field = tree.resolve(name)
    if not tree.forward:
        raise InvalidPrimer(
            f"{model._meta.label}: {name!r} leads to several rows, or to one that no constraint "
            "is for; an aggregate takes paths of foreign keys only, in their forward direction."
        )
    return field


@total_ordering
class Reversed:
    """Compares the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reversed) and bool(self.value == other.value)

    def __lt__(self, other: Reversed) -> bool:
        return bool(other.value < self.value)

    __hash__ = None  # type: ignore[assignment]


class OrderTerm:
    """One column of an order.

    Args:
        column: by what.
        down: greatest first. NULLs are last either way.
    """

    def __init__(self, column: Column, down: bool) -> None:
        column.check("An order", [kind for _, kind, _ in _KINDS], "Order by another column.")
        self.column = column
        self._down = down

    @property
    def expression(self) -> Any:
        """For ``order_by``."""
        column = self.column.expression
        return column.desc(nulls_last=True) if self._down else column.asc(nulls_last=True)

    def key(self, value: Any) -> Any:
        """For Python's ``sorted``."""
        if value is None:
            return (1, None)
        return (0, Reversed(value) if self._down else value)


def order(model: type[Model], by: Sequence[str]) -> list[OrderTerm]:
    """The terms that these names give (``"-name"``: greatest first), and the primary key."""
    terms = [OrderTerm(Column(model, name.removeprefix("-")), name.startswith("-")) for name in by]
    return terms + [
        OrderTerm(Column(model, field.attname), False) for field in model._meta.pk_fields
    ]
