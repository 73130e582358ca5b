"""Paths: the tables that a lookup path, "author__country", leads through, as a tree. Pure.

The root is the model of a dependency; each further node is joined to its parent by columns that
are equal. ``join_walk`` follows the rows, ``path_rows`` makes each node a dependency of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from django.core.exceptions import FieldError
from django.db.models import Field, ForeignObject, Model
from django.db.models.fields.reverse_related import ForeignObjectRel
from django.db.models.sql import Query

from ..exceptions import InvalidPrimer
from .columns import concrete

# Whether a row may fulfil it; in doubt, yes.
Condition: TypeAlias = Callable[[Mapping[str, Any]], bool]


@dataclass(eq=False)
class Node:
    """A table on the way.

    Attributes:
        model: of its rows.
        parent: the node that it is joined to; None for the root.
        pairs: the equal columns: the parent's attname, and its own.
        sure: whether each row of the parent has just one here, as a constraint says, or none for
            a NULL. Then what comes or goes here does so with its parent.
        own: whether its row is a part of the root's, by multi-table inheritance.
        params: by parameter, the attname here that it equals.
        columns: the attnames that count beside those that rows are found by; None for all.
    """

    model: type[Model]
    parent: Node | None = None
    pairs: tuple[tuple[str, str], ...] = ()
    sure: bool = False
    own: bool = False
    label: str = ""
    params: dict[str, str] = field(default_factory=dict)
    columns: dict[str, None] | None = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    # By parameter, the only nodes whose rows it tells keys of; where it is missing, all.
    of: dict[str, frozenset[Node]] = field(default_factory=dict)
    # Conditions without which a row touches nothing.
    where: list[Condition] = field(default_factory=list)

    def matters(self, image: Mapping[str, Any]) -> bool:
        """Whether a row may touch a key, as far as it fulfils what is asked of all rows here."""
        return all(condition(image) for condition in self.where)

    def tells(self, start: Node) -> dict[str, str]:
        """The parameters that the node tells of what rows of another node touch."""
        return {
            name: attname
            for name, attname in self.params.items()
            if name not in self.of or start in self.of[name]
        }

    def bound(self, start: Node) -> list[str]:
        """The parameters that are found from here on, when rows of a node are followed."""
        return list(dict.fromkeys(name for node in self.subtree for name in node.tells(start)))

    def count(self, names: Iterable[str] | None) -> None:
        """Have changes of these attnames count; None: of all."""
        if names is None:
            self.columns = None
        elif self.columns is not None:
            self.columns.update(dict.fromkeys(names))

    @property
    def links(self) -> dict[str, None]:
        """The attnames here that rows are found by, and those that parameters equal."""
        names = {mine: None for _, mine in self.pairs}
        for child in self.children:
            names.update({theirs: None for theirs, _ in child.pairs})
        return names | dict.fromkeys(self.params.values())

    @property
    def plain(self) -> bool:
        """Whether no change here counts but one that a row joined to it goes through as well."""
        return (
            self.sure
            and not self.columns
            and self.columns is not None
            and (set(self.links) == {mine for _, mine in self.pairs})
        )

    @property
    def subtree(self) -> Iterator[Node]:
        """This node, and all that are joined to it."""
        yield self
        for child in self.children:
            yield from child.subtree


class Tree:
    """The tables that the paths of a dependency lead through.

    Args:
        model: of the rows that the dependency is on.
    """

    def __init__(self, model: type[Model]) -> None:
        self.root = Node(concrete(model), own=True)

    @property
    def nodes(self) -> list[Node]:
        """All tables; a table that is reached in several ways is there as often."""
        return list(self.root.subtree)

    @cached_property
    def spanning(self) -> bool:
        """Whether several tables together tell a key, so that old rows matter of all of them.

        Where one table tells it, each changed row is followed towards that table. The one that is
        nearest to it finds the old key by rows that have not changed.
        """
        return sum(bool(node.params) for node in self.nodes) > 1

    @property
    def forward(self) -> bool:
        """Whether each row of the root leads to one row of each table, or to none for a NULL."""
        return all(node.sure for node in self.nodes if node.parent is not None)

    def map(self, parameter: str, path: str) -> None:
        """Have a parameter equal what is at the end of a lookup path.

        Raises:
            InvalidPrimer: it leads nowhere, or to what is no column.
        """
        node, found = self.resolve(path)
        node.params[parameter] = found.attname

    def resolve(self, path: str) -> tuple[Node, Field[Any, Any]]:
        """The table, and the column there, that a lookup path leads to. Raises InvalidPrimer."""
        model = self.root.model
        try:
            infos, _, targets, rest = Query(model).names_to_path(
                path.split("__"), model._meta, fail_on_missing=True
            )
        except FieldError as error:
            raise InvalidPrimer(f"{model._meta.label}, {path!r}: {error}") from None
        if rest or len(targets) != 1 or not hasattr(targets[0], "attname"):
            raise InvalidPrimer(f"{model._meta.label}, {path!r}: it leads to no single column.")
        (target,) = targets
        while infos and infos[-1].direct:  # the column is in the row before, too
            same = {theirs.attname: mine for mine, theirs in _joining(infos[-1])}
            if target.attname not in same:
                break
            target, infos = same[target.attname], infos[:-1]
        return self.follow(self.root, infos, path), target

    def count(self, node: Node, names: Iterable[str] | None) -> None:
        """Have changes of these columns of a node's rows count; None: of all."""
        meta = node.model._meta
        wanted = None if names is None else set(names)
        for model in (node.model, *filter(_has_table, meta.all_parents)):
            local = [one.attname for one in model._meta.local_concrete_fields]
            mine = None if wanted is None else [name for name in local if name in wanted]
            if mine != []:
                self.parent(node, model).count(mine)

    def relation(self, node: Node, relation: Any, label: str) -> Node:
        """The table that a relation (a field, or its other side) leads to from a node."""
        return self.follow(self.parent(node, relation.model), relation.path_infos, label)

    def parent(self, node: Node, model: type[Model]) -> Node:
        """The table of a parent of a node's model, that of the node where it is none."""
        if concrete(model) is node.model:
            return node
        return self.follow(node, node.model._meta.get_path_to_parent(model), model._meta.label)

    def follow(self, node: Node, infos: Sequence[Any], label: str) -> Node:
        """The table that Django's ``path_infos`` lead to from one, with those on the way."""
        for info in infos:
            side = getattr(info.join_field, "field", info.join_field)
            if type(side).get_extra_restriction is not ForeignObject.get_extra_restriction:
                raise InvalidPrimer(
                    f"{self.root.model._meta.label}, {label!r}: {side} is a generic relation, "
                    "which no path can follow. Say by keys= which keys a changed row touches."
                )
            pairs = tuple((mine.attname, theirs.attname) for mine, theirs in _joining(info))
            sure = info.direct and bool(getattr(side, "db_constraint", False))
            node = self.join(node, concrete(info.to_opts.model), pairs, sure, label, info)
        return node

    def join(
        self,
        node: Node,
        model: type[Model],
        pairs: tuple[tuple[str, str], ...],
        sure: bool = False,
        label: str = "",
        info: Any = None,
    ) -> Node:
        """The node of a model that is joined to another one by these columns."""
        for child in node.children:
            if child.model is model and child.pairs == pairs:
                return child
        parents = node.model._meta.all_parents
        own = node.own and sure and info is not None and model in parents
        own = own and bool(getattr(info.join_field.remote_field, "parent_link", False))
        child = Node(model, node, pairs, sure, own, label)
        node.children.append(child)
        return child


def _joining(info: Any) -> Sequence[tuple[Field[Any, Any], Field[Any, Any]]]:
    """The fields that a step joins by: those of the row that it leaves, and of the next one."""
    join: ForeignObject[Any, Any] | ForeignObjectRel = info.join_field
    return [(mine, theirs) for mine, theirs in join.get_joining_fields()]


def add_parents(tree: Tree) -> None:
    """Have a node for each table of the root's row."""
    for model in filter(_has_table, tree.root.model._meta.all_parents):
        tree.parent(tree.root, model)


def _has_table(model: type[Model]) -> bool:
    return not model._meta.abstract and not model._meta.proxy
