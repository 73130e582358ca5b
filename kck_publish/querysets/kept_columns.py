"""The columns that a kept value is made of, and where a change's images have them.

Those of the changed row itself are there under their attnames. What its foreign keys lead to is
looked up for all changes of a batch, and put beside them under names that no column has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Field
from django.db.models.expressions import Col

from ..aggregates.columns import OTHER, Column
from ..products.equality import inexact
from ..products.paths import Node
from ..products.touched_keys import SHOWN
from .joined import Table
from .notes import Main


class Primed(Exception):  # noqa: N818 - it says what becomes of a product, and is no error
    """The product is primed, and why."""


class Place(Column):
    """A column of one of a query's tables.

    Attributes:
        attname: where images have it.
        col: the column as the query has it.
    """

    def __init__(self, node: Node, field: Field[Any, Any], name: str, col: Any) -> None:
        super().__init__(node.model, field.attname)
        self.attname = name
        self.col = col


class Places:
    """Finds the columns of a query whose rows are those of its first table.

    Args:
        main: the query.
        nodes: by table, its node in the tree of joins.
        root: the node of the first table.
    """

    def __init__(self, main: Main, nodes: Mapping[Table, Node], root: Node) -> None:
        self.main = main
        self.root = root
        self.nodes = nodes
        self._numbers = {node: number for number, node in enumerate(root.subtree)}
        self._aliases = {id(table): alias for alias, table in main.aliases.items()}
        # What is to be looked up: by the name in a walk, the node and the attname.
        self.ends: dict[str, tuple[Node, str]] = {}

    def of(self, part: Any) -> Place:
        """The column that an expression is. Raises Primed."""
        found = self.main.find(part)
        if found is None or found[0] not in self.nodes:
            raise Primed(f"{type(part).__name__} is more than a column")
        return self.at(*found)

    def at(self, table: Table, field: Field[Any, Any]) -> Place:
        """A column of a table, whose values Python sees as the database does. Raises Primed."""
        node = self.nodes[table]
        name = str(field.attname)
        if node is not self.root:
            name = f"{self._numbers[node]}.{field.attname}"
            self.ends[f"{SHOWN}{name}"] = (node, str(field.attname))
        place = Place(node, field, name, Col(self._aliases[id(table)], field))
        if place.kind == OTHER or inexact(field) is not None:
            raise Primed(f"the values of {place.label} may look otherwise to Python")
        return place

    def local(self, table: Table, attname: str) -> Place:
        """A column by its attname. Raises Primed."""
        fields = table.model._meta.local_concrete_fields
        return self.at(table, next(field for field in fields if field.attname == attname))
