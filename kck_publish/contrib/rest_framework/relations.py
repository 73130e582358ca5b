"""A relation on the way from a serializer's row to what it reads. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import ForeignKey, ManyToManyField, ManyToManyRel, ManyToOneRel, Model


@dataclass(frozen=True)
class Relation:
    """A relation of a model, as a step of a path.

    Attributes:
        field: the field, or Django's object for the other side of one.
        accessor: the name that instances have it under.
        query: the name that lookups have it under.
        model: what it leads to.
    """

    field: Any
    accessor: str
    query: str
    model: type[Model]

    @property
    def many(self) -> bool:
        """Whether it leads to several rows."""
        return bool(self.field.one_to_many or self.field.many_to_many)

    @property
    def forward(self) -> bool:
        """Whether the row itself holds the key of the other."""
        return isinstance(self.field, ForeignKey)

    @property
    def dangles(self) -> bool:
        """Whether the key may be of no row, which an inner join would leave out."""
        field = self.field
        return self.forward and not (field.null or field.db_constraint)

    @property
    def reverse(self) -> bool:
        """Whether the other row holds the key of this one."""
        return isinstance(self.field, ManyToOneRel)

    @property
    def through(self) -> tuple[type[Model], str, str, str]:
        """Of a many-to-many: its table, its columns for this side and for the other, and the
        field that the first of them points to."""
        if isinstance(self.field, ManyToManyField):
            field: Any = self.field
            mine, theirs = field.m2m_column_name(), field.m2m_reverse_name()
            target = field.m2m_target_field_name()
        else:
            field = self.field.field
            mine, theirs = field.m2m_reverse_name(), field.m2m_column_name()
            target = field.m2m_reverse_target_field_name()
        table = field.remote_field.through
        attnames = {field.column: field.attname for field in table._meta.concrete_fields}
        return table, attnames[mine], attnames[theirs], target


Path = tuple[Relation, ...]


def relation_named(model: type[Model], name: str, query: bool = False) -> Relation | None:
    """The relation of a model under this name; None when it is none that can be followed.

    Args:
        query: whether it is the name that lookups use.
    """
    field: Any
    for field in model._meta.get_fields():
        if not field.is_relation or field.related_model in (None, "self"):
            continue
        if not isinstance(field, ForeignKey | ManyToManyField | ManyToOneRel | ManyToManyRel):
            continue  # generic relations
        side: Any = field
        backward = isinstance(field, ManyToOneRel | ManyToManyRel)
        accessor = side.get_accessor_name() if backward else side.name
        if accessor is not None and name == (field.name if query else accessor):
            return Relation(field, accessor, field.name, field.related_model)
    return None
