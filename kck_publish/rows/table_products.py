"""Products of a whole table: a small table in one value, and the keys of all rows of any table.

``CachedTable`` reads the first, ``.cached.all()`` the second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import orjson
from django.db.models import Model

from ..conf import settings
from ..exceptions import Unserializable
from ..products import encoding
from ..products.depends import Change, Depends
from ..products.fingerprints import fingerprint_of
from ..products.product import Parameters, Product
from ..reading.request_memo import Shared
from . import embedded
from .managers import columns_of, rows_of
from .products import RowProduct, check_rows, is_published

# JSON values that are equal when what they stand for is.
_PLAIN = (int, str, bool)


def the_one_key(change: Change) -> Mapping[str, Any]:
    return {}


class Table(Shared):
    """The rows of a table in pk order; one is made into an instance when it is asked for.

    Args:
        codec: of the model.
        values: what the codec has made of each row.
    """

    def __init__(self, codec: embedded.AnyCodec, values: list[list[Any]]) -> None:
        self._codec = codec
        self._values = values
        self._rows: list[Model | None] = [None] * len(values)
        self._place = {name: place for place, name in enumerate(codec.names)}

    def find(self, conditions: Iterable[tuple[str, Any]]) -> list[Model]:
        """The rows whose columns have these values.

        Args:
            conditions: attnames, each with a value as the model's instances have it.
        """
        found: Iterable[int] = range(len(self._values))
        for attname, value in conditions:
            found = [number for number in found if self._has(number, attname, value)]
        return [self._row(number) for number in found]

    def _has(self, number: int, attname: str, value: Any) -> bool:
        stored = embedded.columns_of(self._codec, self._values[number])[self._place[attname]]
        if stored is None or value is None:
            return stored is value
        if type(stored) in _PLAIN and type(value) in _PLAIN:
            return bool(stored == value)
        found = getattr(self._row(number), attname)
        # Not a number is equal to itself in the database.
        return bool(found == value or (found != found and value != value))

    def _row(self, number: int) -> Model:
        row = self._rows[number]
        if row is None:  # the codec uses up what it is given
            values = _copied(self._values[number])
            row = self._rows[number] = self._codec.instance(values, settings.DATABASE)
        return row


def _copied(values: Any) -> Any:
    return [_copied(value) for value in values] if isinstance(values, list) else values


class TableProduct(Product):
    """All rows of a small table, under one key."""

    announces = "published"

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        self.sender = model
        self.name = f"{model._meta.label_lower}[]"
        self.eager = is_published(model)
        columns_of(model)  # a manager that cannot be followed is refused
        self.embedded = embedded.tree_of(model)
        self.codec = embedded.codec_of(model, self.embedded)
        self.depends_on = [
            Depends(model, keys=the_one_key),
            *embedded.dependencies(model, self.embedded, {}),
        ]

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of("table", self.name, self.codec.description)

    @property
    def warm(self) -> bool:
        return True

    def sees_rows(self, dependency: Depends) -> bool:
        return False

    def members(self) -> Iterable[Parameters]:
        return [{}]

    def prime_one(self, parameters: Parameters) -> Sequence[Model]:
        rows = rows_of(self.model).order_by("pk")
        paths = embedded.paths_of(self.embedded)
        return list(rows.select_related(*paths) if paths else rows)

    def check_set(self, value: Any) -> None:
        check_rows(self.model, value)

    def encode(self, value: Sequence[Model]) -> encoding.Encoded:
        return encoding.Encoded(orjson.dumps([self.codec.values(row) for row in value]))

    def decode(self, body: bytes, shape: bytes | None) -> Table:
        return Table(self.codec, orjson.loads(body))


class KeysProduct(Product):
    """The keys of all rows that the manager gives, in pk order.

    A change of other columns than those that the manager chooses by leaves it as it is.

    Args:
        rows: the product of the rows by pk.
    """

    def __init__(self, rows: RowProduct) -> None:
        self.rows = rows
        self.model = rows.model
        self.sender = rows.model
        self.name = f"{rows.name}[]"
        chosen_by = columns_of(rows.model)
        self.depends_on = [Depends(rows.model, columns=["pk", *chosen_by], keys=the_one_key)]

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of("keys", self.name)

    def check_set(self, value: Any) -> None:
        raise Unserializable("$", type(value).__name__, "the keys of all rows are kept here")

    def prime_one(self, parameters: Parameters) -> list[str]:
        return [self.rows.key_of(each) for each in self.rows.members()]
