"""What a queryset prefetches: rows that are joined to its own by queries besides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from django.db.models import Model, QuerySet

from ..products.columns import concrete
from .joined import Join, Scope
from .notes import Aliases, Notes, pk_of
from .tables import join

Read: TypeAlias = Callable[[QuerySet[Any], Scope], Aliases]


def prefetched(notes: Notes, aliases: Aliases, lookup: Any, read: Read) -> None:
    """Note a relation whose rows are loaded besides.

    Args:
        aliases: the tables of the query.
        read: goes through a queryset.
    """
    path = getattr(lookup, "prefetch_through", lookup)
    base = next(iter(aliases.values()), None)
    if base is None:
        notes.hide("a prefetch of a union")
        return
    table, names = base, path.split("__")
    for number, name in enumerate(names):
        field: Any = _relation(table.model, name)
        if field is None or not getattr(field, "path_infos", None):
            notes.hide(f"the prefetch of {path}", base)
            return
        owner = concrete(field.model)
        if owner is not table.model:  # it is a parent's
            parent = notes.table(owner, base.scope)
            notes.joins.append(Join(table, parent, ((pk_of(table.model), pk_of(owner)),)))
            table = parent
        for info in field.path_infos:
            following = notes.table(concrete(info.to_opts.model), base.scope)
            pairs = info.join_field.get_joining_fields()
            join(notes, _Step(info.join_field, pairs), table, following)
            table = following
            if info.m2m and info is not field.path_infos[-1]:
                table.columns = None
        given = getattr(lookup, "queryset", None) if number == len(names) - 1 else None
        rows = given if given is not None else table.model._default_manager.all()
        inner = next(iter(read(rows, base.scope).values()), None)
        if inner is None:
            notes.hide(f"the prefetch of {path}", base)
            return
        notes.joins.append(Join(table, inner, ((pk_of(table.model), pk_of(inner.model)),)))
        table = inner
    notes.signature.append(f"prefetch {path}")


class _Step:
    """A join of a prefetch, as those of queries are."""

    def __init__(self, join_field: Any, join_fields: Any) -> None:
        self.join_field, self.join_fields = join_field, join_fields


def _relation(model: type[Model], name: str) -> Any:
    """The relation that instances have under a name."""
    for field in model._meta.get_fields():
        side: Any = field
        if field.is_relation and name == (
            side.get_accessor_name() if field.auto_created and not field.concrete else field.name
        ):
            return field
    return None
