"""``cached`` of a Primer that has no ``key`` of its own; as a mixin it is the model's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.db.models import Model

from ..reading.product_reader import ProductReader
from ..rows.reader import RowReader

if TYPE_CHECKING:
    from .base import Primer

M = TypeVar("M", bound=Model)


class PrimerReader:
    """``cached`` of a Primer that has no ``key`` of its own; as a mixin it is the model's."""

    def __get__(self, instance: Primer | None, owner: type[Primer]) -> Any:
        return _reader_of(owner) if issubclass(owner, Model) else ProductReader(owner.key)


def _reader_of(model: type[M]) -> RowReader[M]:
    """The ``cached`` of a model that has Primer, with a ``cached`` of its own, before it."""
    attributes = (vars(base).get("cached") for base in model.__mro__)
    reader = next(value for value in attributes if isinstance(value, RowReader))
    return reader.__get__(None, model)
