"""The rows that a batch has read: each is read once for all lookups under which it is published.

A batch computes in one snapshot. So a row that was read under one lookup is the row under any other
whose values are unique.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from django.db.models import Field, Model

from ..products import compute

# So many rows of a model are kept: where there are more, few queries read many rows each.
MOST = 2_000


class ReadRows:
    """The rows of one model, in one batch, by the product under whose lookup they were read."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Model]] = {}
        self._count = 0
        # By product: of how many rows of each other product it is, and the index.
        self._indexes: dict[str, tuple[dict[str, int], dict[str, Model]]] = {}

    def add(self, product: str, rows: Sequence[Model]) -> None:
        """These were read: for the other products to come."""
        self._count += len(rows)
        if self._count > MOST:
            self._rows, self._indexes, self._count = {}, {}, 0
        else:
            self._rows.setdefault(product, []).extend(rows)

    def any_for(self, product: str) -> bool:
        """Whether another product has read any: its own keys are asked for once."""
        return any(name != product for name in self._rows)

    def find(self, product: str, key_of: Callable[[Model], str], key: str) -> Model | None:
        """The row under a key; it is given to several products, which only read it."""
        counts, index = self._indexes.setdefault(product, ({}, {}))
        for other, rows in self._rows.items():
            if other != product and (count := counts.get(other, 0)) < len(rows):
                index |= {key_of(row): row for row in rows[count:]}
                counts[other] = len(rows)
        return index.get(key)


def of_batch(model: type[Model]) -> ReadRows | None:
    """The rows of a model that the running batch has read; None outside a batch."""
    scope = compute.current()
    if scope is None or scope.batch is None or scope.batch.memory is None:
        return None
    memory = scope.batch.memory
    if model not in memory:
        memory[model] = ReadRows()
    rows: ReadRows = memory[model]
    return rows


def is_unique(model: type[Model], fields: Iterable[Field[object, object]]) -> bool:
    """Whether at most one row has such values, by what the database keeps."""
    meta, attnames = model._meta, {field.attname for field in fields}
    if any(field.unique and {field.attname} == attnames for field in fields):
        return True
    groups = [*meta.unique_together, *(each.fields for each in meta.total_unique_constraints)]
    groups.append([field.name for field in meta.pk_fields])
    return any(
        {meta.get_field(name).attname for name in group} == attnames  # type: ignore[union-attr]
        for group in groups
    )
