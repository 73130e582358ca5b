"""``book.author`` of a row from ``.cached``: read through ``.cached`` too, for all peers at once.

``models`` puts these descriptors into the place of Django's on each CacheModel. A row that is not
from ``.cached``, and whatever ``.cached`` cannot answer, is the ORM's as ever.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from django.core.exceptions import ValidationError
from django.db.models import ForeignKey, Model, prefetch_related_objects
from django.db.models.fields.related_descriptors import (
    ForwardManyToOneDescriptor,
    ForwardOneToOneDescriptor,
)

from ..conf import settings
from ..exceptions import KeyParameterMismatch, UndeclaredLookup
from . import read_together
from .reader import RowReader

if TYPE_CHECKING:
    Relation: TypeAlias = ForeignKey[Any, Any]
    ManyToOne: TypeAlias = ForwardManyToOneDescriptor[Relation]
    OneToOne: TypeAlias = ForwardOneToOneDescriptor[Any]
else:
    ManyToOne, OneToOne = ForwardManyToOneDescriptor, ForwardOneToOneDescriptor


class CachedManyToOne(ManyToOne):
    """The forward side of a foreign key."""

    def get_object(self, instance: Model) -> Any:
        """The related row, when Django does not have it yet."""
        found = fetch(self.field, instance)
        return super().get_object(instance) if found is None else found


class CachedOneToOne(OneToOne):
    """The forward side of a one-to-one field."""

    def get_object(self, instance: Model) -> Any:
        """The related row, when Django does not have it yet."""
        in_child = self.field.remote_field.parent_link  # all that it needs is in the child
        found = None if in_child else fetch(self.field, instance)
        return super().get_object(instance) if found is None else found


_OURS = {
    ForwardManyToOneDescriptor: CachedManyToOne,
    ForwardOneToOneDescriptor: CachedOneToOne,
}


def install(model: type[Model]) -> None:
    """Have the forward relations of a model read through ``.cached``; own descriptors stay."""
    for field in model._meta.concrete_fields:
        if isinstance(field, ForeignKey):
            there = inspect.getattr_static(model, field.name, None)
            if (ours := _OURS.get(type(there))) is not None:
                setattr(model, field.name, ours(field))


def fetch(field: Relation, row: Model) -> Model | None:
    """The row that a foreign key points to; its peers are given theirs by the way.

    Returns:
        None when the ORM has to be asked: for this row alone.
    """
    together = [
        (peer, value)
        for peer in read_together.together_with(row)
        if peer._state.db == row._state.db and (value := _points_to(peer, field)) is not None
    ]
    if not together or together[0][0] is not row:
        return None
    reader = _reader(field)
    absent = [one for one, _ in together]
    if reader is not None and row._state.db == settings.DATABASE:
        absent = _from_store(field, reader, together)
    # What the store does not know, the database may: it has the last word on what is absent.
    if len(absent) > 1 and absent[0] is row:
        _from_database(field, absent)
    for instance in absent:
        if not field.is_cached(instance):  # points to nothing: not to be tried again for each peer
            read_together.give_up(instance, field.name)
    found: Model | None = field.get_cached_value(row, default=None)
    return found


def _points_to(row: Model, field: Relation) -> Any:
    """The key of a related row that is still to be fetched; None where there is nothing to do."""
    if not isinstance(row, field.model) or field.is_cached(row):
        return None
    if read_together.has_given_up(row, field.name):
        return None
    try:
        return field.to_python(row.__dict__.get(field.attname))
    except ValidationError:  # the ORM says what is wrong with it
        return None


def _reader(field: Relation) -> RowReader[Any] | None:
    """The reader of the other model by the foreign key's value, if that lookup is declared."""
    reader = getattr(field.remote_field.model, "cached", None)
    if not isinstance(reader, RowReader):
        return None
    try:
        reader.product_of((field.target_field.attname,))
    except UndeclaredLookup:
        return None
    return reader


def _from_store(
    field: Relation, reader: RowReader[Any], rows: Sequence[tuple[Model, Any]]
) -> list[Model]:
    """Give the rows their related ones; those for which there is none are returned."""
    wanted = dict.fromkeys(value for _, value in rows)
    try:
        found = reader.in_bulk(wanted, field.target_field.attname)
    except KeyParameterMismatch:  # as above
        found = {}
    absent = []
    for row, value in rows:
        related = found.get(value)
        if related is None:
            absent.append(row)
            continue
        field.set_cached_value(row, related)
        if not field.remote_field.multiple:
            field.remote_field.set_cached_value(related, row)
    return absent


def _from_database(field: Relation, rows: Sequence[Model]) -> None:
    """As Django's own fetching for peers does; what is not there stays unknown."""
    prefetch_related_objects(rows, field.name)
    for row in rows:
        if field.get_cached_value(row, default=None) is None and field.is_cached(row):
            field.delete_cached_value(row)
