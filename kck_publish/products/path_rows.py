"""Way: a dependency on the rows that lie on the way of a path, so that one that moves counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..log.change import Change
from .depends import All, Depends, Touch
from .join_walk import OldRows
from .looked_up_dependency import Looked
from .paths import Node, Tree
from .touched_keys import SHOWN, follow


class Way(Looked):
    """A dependency on the rows of one table that a path leads through.

    Args:
        tree: the tables of the dependency that has the path.
        node: this table.
    """

    def __init__(self, tree: Tree, node: Node) -> None:
        columns = None if node.columns is None else list(node.links | node.columns)
        super().__init__(node.model, columns=columns)
        self.mapping = {
            name: attname for name, attname in node.params.items() if not name.startswith(SHOWN)
        }
        self.way = tree
        self.node = node

    @property
    def how(self) -> str:
        return f"on the way of {self.node.label}"

    @property
    def nodes(self) -> Sequence[Node]:
        return self.way.nodes

    @property
    def spanning(self) -> bool:
        return self.way.spanning

    def wanted(self, model: type[Any]) -> tuple[str, ...]:
        if model is not self.node.model:
            return ()
        return tuple(self.node.links | (self.node.columns or {}))

    @property
    def models(self) -> tuple[type[Any], ...]:
        return (self.node.model,)  # a parent's table is a node of its own

    def counts(self, change: Change) -> bool:
        """An insert does not where rows that point to it must come after, and tell of it.

        A delete does: the rows that pointed to it are gone in the same batch, perhaps, and their
        changes no longer find what it led to.
        """
        if change.op == "insert" and self.node.sure:
            return False
        return super().counts(change)

    def targets_of(self, changes: Sequence[Change], old: OldRows) -> list[Touch] | All:
        return follow(self.way, {self.node.model: self.node}, changes, old)


def with_ways(dependencies: Sequence[Depends]) -> list[Depends]:
    """The dependencies, and one for each table that their paths lead through."""
    known = {one.node for one in dependencies if isinstance(one, Way)}
    ways = [
        Way(one.tree, node)
        for one in dependencies
        if one.tree is not None
        for node in one.tree.nodes
        if not (node.own or node.plain or node in known)
    ]
    return [*dependencies, *ways]
