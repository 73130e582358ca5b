"""``cached`` of a Primer that has no ``key`` of its own; as a mixin it is the model's."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from ..reading.product_reader import ProductReader
from ..rows.cached import Cached


def reader_of(owner: Any) -> Any:
    """The reader of a primer, or of the rows of a model that has Primer before its own one."""
    if not issubclass(owner, Model):
        return ProductReader(owner.key)
    declared = (vars(base).get("cached") for base in owner.__mro__)
    readers = (each.reader_of for each in declared if isinstance(each, Cached))
    return next(each for each in readers if each is not reader_of)(owner)
