"""The tables of a product's queries, and how they are joined: made into trees of dependencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Model

from ..products.paths import Condition, Node, Tree


@dataclass(eq=False)
class Scope:
    """One SELECT: the query, or one inside it.

    Attributes:
        parent: the SELECT that it is in.
        needed: whether a row of the parent is found only when this one finds something.
    """

    parent: Scope | None = None
    needed: bool = False

    @property
    def widest(self) -> Scope:
        """The outermost SELECT whose rows all need what this one asks of its own."""
        return self.parent.widest if self.needed and self.parent is not None else self

    def inside(self, other: Scope) -> bool:
        """Whether it is another one, or in it."""
        return self is other or (self.parent is not None and self.parent.inside(other))


@dataclass(eq=False)
class Table:
    """A table of a SELECT.

    Attributes:
        outer: whether rows are also found without it.
        columns: the attnames that are read; None for all.
        params: by parameter, the attname that is equal to it.
        where: conditions that all rows fulfil.
    """

    model: type[Model]
    scope: Scope
    label: str
    outer: bool = False
    columns: dict[str, None] | None = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    where: list[Condition] = field(default_factory=list)

    def read(self, attname: str) -> None:
        """A column is read."""
        if self.columns is not None:
            self.columns[attname] = None


@dataclass(frozen=True)
class Join:
    """Two tables that are joined where columns are equal.

    Attributes:
        sure: whether each row of the first has just one of the second, by a constraint.
    """

    first: Table
    second: Table
    pairs: tuple[tuple[str, str], ...]
    sure: bool = False


def trees(tables: Sequence[Table], joins: Sequence[Join]) -> list[tuple[Tree, dict[Table, Node]]]:
    """A tree for all tables that are joined, one for each group of them."""
    near: dict[Table, list[tuple[Table, tuple[tuple[str, str], ...], bool]]] = {}
    for join in joins:
        back = tuple((theirs, mine) for mine, theirs in join.pairs)
        near.setdefault(join.first, []).append((join.second, join.pairs, join.sure))
        near.setdefault(join.second, []).append((join.first, back, False))
    found: list[tuple[Tree, dict[Table, Node]]] = []
    seen: set[Table] = set()
    for table in tables:
        if table in seen:
            continue
        tree = Tree(table.model)
        nodes = {table: tree.root}
        todo = [table]
        while todo:
            one = todo.pop(0)
            for other, pairs, sure in near.get(one, ()):
                if other not in nodes:
                    node = Node(other.model, nodes[one], pairs, sure)
                    nodes[one].children.append(node)
                    nodes[other] = node
                    todo.append(other)
        seen |= nodes.keys()
        _tell(nodes)
        found.append((tree, nodes))
    return found


def _tell(nodes: dict[Table, Node]) -> None:
    """Give the nodes what is known of their tables."""
    for table, node in nodes.items():
        node.label, node.own = table.label, False
        node.columns = table.columns
        node.where = list(table.where)
        node.params = dict(table.params)
        widest = table.scope.widest
        inside = frozenset(node for other, node in nodes.items() if other.scope.inside(widest))
        if len(inside) < len(nodes):
            node.of = dict.fromkeys(table.params, inside)


def opaque(tree: Tree) -> None:
    """Have any change of a tree's tables touch all keys: something in it cannot be seen through."""
    for node in tree.nodes:
        node.columns, node.params, node.where = None, {}, []
