"""The rows that a dependency names: tables, columns, and the joins of its paths. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.db.models import Field, Model

from .columns import attname, fields_of, has_column
from .paths import Node, Tree, add_parents
from .touched_keys import SHOWN


class DependedRows:
    """The rows of a dependency; none, where it is on a product.

    Attributes:
        on: the model, or the name of the product.
        mapping: the parameters of the product that depends, each with a column, or a path to one.
        columns: those that count; None for any.
        shows: paths whose ends are shown to augment besides, in the images of a change.
    """

    on: type[Model] | str
    mapping: dict[str, str]
    columns: tuple[str, ...] | None
    shows: Sequence[str] = ()
    _given: Tree | None = None

    @cached_property
    def tree(self) -> Tree | None:
        """The tables that its paths lead through; None where there are none.

        Raises:
            InvalidPrimer: a path leads nowhere.
        """
        if isinstance(self.on, str):
            return None
        if self._given is None and not self.has_paths:
            return None
        tree = self._given or Tree(self.on)
        if self.has_paths:
            add_parents(tree)
        for parameter, path in (self.mapping | self._ends).items():
            tree.map(parameter, path)
        return tree

    @property
    def _ends(self) -> dict[str, str]:
        """What is shown to augment besides, under names that no parameter has."""
        return {f"{SHOWN}{path}": path for path in self.shows}

    @cached_property
    def has_paths(self) -> bool:
        """Whether the keys that a changed row touches have to be looked up: by paths."""
        on = self.on
        if isinstance(on, str):
            return False
        return not all(has_column(on, name) for name in (*self.mapping.values(), *self.shows))

    @property
    def nodes(self) -> Sequence[Node]:
        """The tables that its paths lead through."""
        return () if self.tree is None else self.tree.nodes

    @property
    def spanning(self) -> bool:
        """Whether what is touched depends on what other changed rows were, too."""
        return self.tree is not None and self.tree.spanning

    @property
    def models(self) -> tuple[type[Model], ...]:
        """The models whose tables hold the row: several for multi-table inheritance."""
        if isinstance(self.on, str):
            return ()
        return (self.on, *(parent for parent in self.on._meta.all_parents if _has_table(parent)))

    @property
    def found_by(self) -> tuple[Field[Any, Any], ...]:
        """The columns by which keys are found: those that are mapped, and those that join rows."""
        if isinstance(self.on, str):
            return ()
        names = [] if self.has_paths else list(self.mapping.values())
        fields = [field for name in names for field in fields_of(self.on, name)]
        for node in self.tree.nodes if self.tree else ():
            fields += [field for name in node.links for field in fields_of(node.model, name)]
        return tuple(fields)

    def fields_of(self, parameter: str) -> tuple[Field[Any, Any], ...]:
        """The column that a parameter is mapped from, if it is one."""
        if isinstance(self.on, str) or parameter not in self.mapping:
            return ()
        if self.has_paths and self.tree is not None:
            return (self.tree.resolve(self.mapping[parameter])[1],)
        fields = fields_of(self.on, self.mapping[parameter])
        return fields if len(fields) == 1 else ()

    def wanted(self, model: type[Model]) -> tuple[str, ...]:
        """The attnames of this table that the dependency names (mapped ones and columns)."""
        return self._wanted.get(model, ())

    def names_shown(self, model: type[Model]) -> set[str] | None:
        """The names in an image of this table that ``shown`` leaves in it; None for all."""
        if self.columns is None:
            return None
        names = {"pk", *self.wanted(model)}
        if self.has_paths:
            names.update(self.mapping.values(), self.shows)
        names.update(field.attname for field in model._meta.pk_fields)
        return names

    @cached_property
    def _wanted(self) -> dict[type[Model], tuple[str, ...]]:
        if isinstance(self.on, str):
            return {}
        names = [*(() if self.has_paths else self.mapping.values()), *(self.columns or ())]
        by_model: dict[type[Model], dict[str, None]] = defaultdict(dict)
        for name in names:
            for field in fields_of(self.on, name):
                by_model[field.model][field.attname] = None
        for node in self.tree.nodes if self.tree else ():
            if node.own:
                by_model[node.model].update(node.links)
        return {model: tuple(attnames) for model, attnames in by_model.items()}

    @cached_property
    def _columns_of(self) -> dict[str, str]:
        """Each mapped parameter's place in an image: an attname, or the product's parameter."""
        if isinstance(self.on, str):
            return self.mapping
        columns = {name: attname(self.on, column) for name, column in self.mapping.items()}
        if self.on._meta.parents:  # each table of the row has the key, under a name of its own
            key = self.on._meta.pk.attname
            columns = {name: "pk" if place == key else place for name, place in columns.items()}
        return columns


def _has_table(model: type[Model]) -> bool:
    return not model._meta.abstract and not model._meta.proxy
