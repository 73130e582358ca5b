"""What a serializer reads, as paths and columns; from that its dependencies and its prefetches.

``fields`` collects; ``products`` asks. A change of a row reaches the serializer's rows through the
joins of the path, for the row's old version and its new one. A row in the middle of a path that
moved is a change too, and is reached by the part of the path before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Manager, Model, Prefetch, QuerySet
from django.db.models.expressions import OrderBy

from ...conf import settings
from ...products.depends import Depends, fields_of
from ...products.paths import Tree
from .relations import Path, relation_named


def _prefetch(path: Path) -> str | Prefetch[str]:
    """Related rows that nobody has ordered come by their keys, the same at each compute."""
    lookup = "__".join(relation.accessor for relation in path)
    rows = path[-1].model._default_manager.all()
    if rows.ordered or not path[-1].many:
        return lookup
    return Prefetch(lookup, rows.using(settings.DATABASE).order_by("pk"))


class ReadColumns:
    """Collects what is read of a model's row and of the rows around it.

    Args:
        model: what the product is about.
    """

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        # By path: the attnames; None for the whole row.
        self._columns: dict[Path, dict[str, None] | None] = {(): {}}
        self._loaded: dict[Path, None] = {}

    def add(self, path: Path, name: str) -> None:
        """A column of the row at the end of a path is read."""
        self.add_row(path)
        self._column(path, name)

    def add_all(self, path: Path) -> None:
        """All columns of the row at the end of a path are read."""
        self.add_row(path)
        self._columns[path] = None

    def add_row(self, path: Path) -> None:
        """The row, or the rows, at the end of a path are loaded."""
        for length in range(1, len(path) + 1):
            part = path[:length]
            if part in self._loaded:
                continue
            self._loaded[part] = None
            self._columns.setdefault(part, {})
            last, before = part[-1], part[:-1]
            if last.forward:
                self._column(before, last.field.attname)
                self._column(part, last.field.target_field.attname)
            elif last.reverse:
                self._column(part, last.field.field.attname)
                self._column(before, last.field.field.target_field.attname)
            if last.many:
                self._in_order(part)

    def loads(self, relation: Any) -> bool:
        """Whether rows that this relation leads to are loaded."""
        return any(path[0].field == relation for path in self._loaded if path)

    def _column(self, path: Path, name: str) -> None:
        known = self._columns.setdefault(path, {})
        if known is not None:
            model = path[-1].model if path else self.model
            known.update(dict.fromkeys(field.attname for field in fields_of(model, name)))

    def _in_order(self, path: Path) -> None:
        """What decides which related rows are listed, and in which order."""
        model = path[-1].model
        if type(model._default_manager).get_queryset is not Manager.get_queryset:
            self._columns[path] = None  # it filters by what cannot be seen
        for term in model._meta.ordering or ():
            expression: Any = term.expression if isinstance(term, OrderBy) else term
            name: Any = getattr(expression, "name", None)  # of an F
            if isinstance(expression, str):
                name = expression
            if name == "?":
                continue
            if not isinstance(name, str) or not self._ordered_by(path, name.lstrip("-+")):
                self._columns[path] = None

    def _ordered_by(self, path: Path, name: str) -> bool:
        """Whether it could be found out which column, over which relations, this names."""
        *relations, last = name.split("__")
        model = path[-1].model
        for relation in relations:
            following = relation_named(model, relation, query=True)
            if following is None or following.many:
                return False
            path, model = (*path, following), following.model
            self.add_row(path)
        following = relation_named(model, last, query=True)
        if following is not None and following.model._meta.ordering:
            return False  # by that model's own order
        names = {
            name for field in model._meta.concrete_fields for name in (field.name, field.attname)
        }
        if last != "pk" and last not in names:
            return False
        self._column(path, last)
        return True

    def chosen_by_managers(self) -> Iterator[Prefetch[str]]:
        """The related rows that a manager of the project's own lists, as it chooses them."""
        for path in self._loaded:
            manager = path[-1].model._default_manager
            if path[-1].many and type(manager).get_queryset is not Manager.get_queryset:
                lookup = "__".join(relation.accessor for relation in path)
                yield Prefetch(lookup, manager.all())

    def rows(self, queryset: QuerySet[Model]) -> QuerySet[Model]:
        """The queryset with all that is read loaded in as few queries as there are tables."""
        for path in self._loaded:
            if any(relation.many or relation.dangles for relation in path):
                queryset = queryset.prefetch_related(_prefetch(path))
            else:
                queryset = queryset.select_related("__".join(relation.query for relation in path))
        return queryset

    def dependencies(self, names: Sequence[str]) -> Iterator[Depends]:
        """What the product depends on; ``names`` are its parameters of the primary key."""
        tree = Tree(self.model)
        own: Sequence[str] | None = ()
        for path, attnames in self._columns.items():
            node = tree.root
            for relation in path:
                node = tree.relation(node, relation.field, "__".join(one.query for one in path))
            if path:
                tree.count(node, attnames)
            else:
                own = None if attnames is None else tuple(attnames)
        yield Depends.along(tree, dict(zip(names, names, strict=True)), own)
