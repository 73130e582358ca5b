"""One relation on the way from a serializer's row to what it reads. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import ForeignKey, ManyToManyField, ManyToManyRel, ManyToOneRel, Model


@dataclass(frozen=True)
class Hop:
    """One relation.

    Attributes:
        relation: the field, or Django's object for the other side of one.
        accessor: the name that instances have it under.
        query: the name that lookups have it under.
        model: what it leads to.
    """

    relation: Any
    accessor: str
    query: str
    model: type[Model]

    @property
    def many(self) -> bool:
        """Whether it leads to several rows."""
        return bool(self.relation.one_to_many or self.relation.many_to_many)

    @property
    def forward(self) -> bool:
        """Whether the row itself holds the key of the other."""
        return isinstance(self.relation, ForeignKey)

    @property
    def dangles(self) -> bool:
        """Whether the key may be of no row, which an inner join would leave out."""
        field = self.relation
        return self.forward and not (field.null or field.db_constraint)

    @property
    def reverse(self) -> bool:
        """Whether the other row holds the key of this one."""
        return isinstance(self.relation, ManyToOneRel)

    @property
    def through(self) -> tuple[type[Model], str, str, str]:
        """Of a many-to-many: its table, its columns for this side and for the other, and the
        field that the first of them points to."""
        if isinstance(self.relation, ManyToManyField):
            field: Any = self.relation
            mine, theirs = field.m2m_column_name(), field.m2m_reverse_name()
            target = field.m2m_target_field_name()
        else:
            field = self.relation.field
            mine, theirs = field.m2m_reverse_name(), field.m2m_column_name()
            target = field.m2m_reverse_target_field_name()
        table = field.remote_field.through
        attnames = {one.column: one.attname for one in table._meta.concrete_fields}
        return table, attnames[mine], attnames[theirs], target


Path = tuple[Hop, ...]


def hop(model: type[Model], name: str, query: bool = False) -> Hop | None:
    """The relation of a model under this name; None when it is none that can be followed.

    Args:
        query: whether it is the name that lookups use.
    """
    one: Any
    for one in model._meta.get_fields():
        if not one.is_relation or one.related_model in (None, "self"):
            continue
        if not isinstance(one, ForeignKey | ManyToManyField | ManyToOneRel | ManyToManyRel):
            continue  # generic relations
        side: Any = one
        backward = isinstance(one, ManyToOneRel | ManyToManyRel)
        accessor = side.get_accessor_name() if backward else side.name
        if accessor is not None and name == (one.name if query else accessor):
            return Hop(one, accessor, one.name, one.related_model)
    return None
