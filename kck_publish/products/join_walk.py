"""From changed rows along the joins of a tree to the parameters that they touch.

One query a join, for all changed rows of a batch. Rows are looked up in the batch's snapshot and,
where several tables together tell a key, among the old images of the batch's own changes too: what
a changed row was joined to may itself have changed or gone since. So what is found is what the
rows touch, or more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from django.db.models import Model, QuerySet

from ..chunks import chunks
from ..conf import settings
from .paths import Node, Tree

Image: TypeAlias = Mapping[str, Any]
Values: TypeAlias = tuple[Any, ...]
# Parameters by name, as far as they are known, in the order in which they were found.
Bound: TypeAlias = tuple[tuple[str, Any], ...]


class Parts(dict[tuple[Values, Bound], set[int]]):
    """By the values of a row's links, and what is bound so far: which starts lead there."""


# So many values are asked for by one query.
MANY = 10_000


class OldRows:
    """The old images of a batch's changes, of the models that some tree leads through."""

    def __init__(self) -> None:
        self._images: dict[type[Model], list[Image]] = defaultdict(list)
        self._found: dict[tuple[Any, ...], dict[Values, list[Image]]] = {}

    def add(self, model: type[Model], image: Image) -> None:
        """One that a change has made old."""
        self._images[model].append(image)
        self._found.clear()

    def by(self, model: type[Model], names: tuple[str, ...]) -> Mapping[Values, list[Image]]:
        """Those of a model by the values of these columns. Raises KeyError, UnreadableValue."""
        if (model, names) not in self._found:
            found = self._found[model, names] = defaultdict(list)
            for image in self._images.get(model, ()):
                found[tuple(image[name] for name in names)].append(image)
        return self._found[model, names]


class Walk:
    """Follows the joins of one tree.

    Args:
        tree: the tables.
        old: what rows were, where that matters besides what they are.
    """

    def __init__(self, tree: Tree, old: OldRows | None = None) -> None:
        self._tree = tree
        self._old = old if tree.spanning else None

    def run(self, node: Node, starts: Sequence[Image]) -> Iterator[tuple[int, dict[str, Any]]]:
        """The parameters that rows of a node touch, each with the place of its row in ``starts``.

        Raises:
            KeyError: a row lacks a column.
            UnreadableValue: Python cannot hold what it has there.
        """
        self._start, self._wanted = node, len(self._tree.root.bound(node))
        names, parts = _names(node), Parts()
        for place, image in enumerate(starts):
            values = tuple(image[name] for name in names)
            parts.setdefault((values, ()), set()).add(place)
        for (_, bound), places in self._gather(node, parts, None).items():
            for place in sorted(places):
                yield place, dict(bound)

    def _gather(self, node: Node, parts: Parts, came_from: Node | None) -> Parts:
        """All that is bound by the node and those around it, but for the one that it came from."""
        parts = self._bind(node, parts)
        for child in node.children:
            if child is not came_from and child.bound(self._start):
                parts = self._down(node, child, parts)
        if node.parent is None:
            return parts
        if len(node.bound(self._start)) == self._wanted:
            return parts if node.sure else Parts(parts | self._absent(node, parts))
        return self._gather(node.parent, self._up(node, parts), node)

    def _down(self, node: Node, child: Node, parts: Parts) -> Parts:
        """The parts with what is bound by a child and what is joined to it."""
        place = _places(node, (theirs for theirs, _ in child.pairs))
        links = {tuple(values[n] for n in place) for values, _ in parts}
        below = self._below(child, links)
        found = Parts()
        nothing = [tuple((name, None) for name in child.bound(self._start))]
        for (values, bound), origins in parts.items():
            for more in below.get(tuple(values[n] for n in place), nothing):
                found.setdefault((values, bound + more), set()).update(origins)
        return found

    def _below(self, node: Node, links: Iterable[Values]) -> dict[Values, list[Bound]]:
        """By the values that rows of a node are joined by: what they and theirs bind."""
        mine = _places(node, (own for _, own in node.pairs))
        parts = self._bind(node, Parts({(row, ()): set() for row in self._rows(node, links)}))
        for child in node.children:
            if child.bound(self._start):
                parts = self._down(node, child, parts)
        found: dict[Values, list[Bound]] = defaultdict(list)
        for values, bound in parts:
            found[tuple(values[n] for n in mine)].append(bound)
        return found

    def _up(self, node: Node, parts: Parts) -> Parts:
        """The parts of the rows that a node's rows are joined to."""
        assert node.parent is not None
        mine = _places(node, (own for _, own in node.pairs))
        by_link: dict[Values, list[tuple[Bound, set[int]]]] = defaultdict(list)
        absent = Parts() if node.sure else self._absent(node, parts)
        for (values, bound), origins in (*parts.items(), *absent.items()):
            by_link[tuple(values[n] for n in mine)].append((bound, origins))
        names = tuple(theirs for theirs, _ in node.pairs)
        place = _places(node.parent, names)
        found = Parts()
        for values in self._rows(node.parent, by_link, names):
            for bound, origins in by_link.get(tuple(values[n] for n in place), ()):
                found.setdefault((values, bound), set()).update(origins)
        return found

    def _bind(self, node: Node, parts: Parts) -> Parts:
        """The parts with the parameters that the node's own rows tell."""
        told = node.tells(self._start)
        if not told:
            return parts
        places = list(zip(told, _places(node, told.values()), strict=True))
        found = Parts()
        for (values, bound), origins in parts.items():
            more = tuple((name, values[place]) for name, place in places)
            found.setdefault((values, bound + more), set()).update(origins)
        return found

    def _absent(self, node: Node, parts: Parts) -> Parts:
        """What rows that a node is joined to bind without it: its row may be, or was, the only."""
        nothing = tuple((name, None) for name in node.bound(self._start))
        found = Parts()
        for (values, _), origins in parts.items() if nothing else ():
            found.setdefault((values, nothing), set()).update(origins)
        return found

    def _rows(
        self, node: Node, links: Iterable[Values], by: tuple[str, ...] | None = None
    ) -> set[Values]:
        """What is in the links of the rows that have these values, as they are and as they were.

        Args:
            node: whose rows.
            links: the values.
            by: of which columns; those that join it to its parent.
        """
        names = _names(node)
        by = by or tuple(own for _, own in node.pairs)
        wanted = [link for link in links if None not in link]
        found: set[Values] = set()
        for some in chunks(wanted, MANY):
            rows: Any = QuerySet(node.model, using=settings.DATABASE).order_by()
            for n, name in enumerate(by):
                rows = rows.filter(**{f"{name}__in": list({link[n] for link in some})})
            found.update(rows.values_list(*names).distinct())
        if self._old is not None:
            old = self._old.by(node.model, by)
            for link in wanted:
                found.update(tuple(image[name] for name in names) for image in old.get(link, ()))
        return found


def _names(node: Node) -> list[str]:
    return list(node.links)


def _places(node: Node, names: Iterable[str]) -> list[int]:
    all_ = _names(node)
    return [all_.index(name) for name in names]
