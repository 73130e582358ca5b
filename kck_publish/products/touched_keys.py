"""Which keys changed rows touch, where that has to be looked up along the joins of a tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from django.db.models import Model

from ..exceptions import UnreadableValue
from ..log.change import Change
from ..log.image import Image
from .join_walk import OldRows, Walk
from .paths import Node, Tree

# What the names begin with under which paths are followed that no parameter equals.
SHOWN = "."


class All:
    """Every stored key of the product."""

    def __repr__(self) -> str:
        return "ALL"


ALL: All = All()


class Touch(NamedTuple):
    """A key that a change touches.

    Attributes:
        change: as it is shown to ``augment``.
        target: the key's parameters, perhaps only some of them.
        image: which of the row's versions touches it; None for both.
        exact: whether the key can be augmented by the change: else it has to be primed.
        ends: what other paths lead to, by names that no parameter has.
    """

    change: Change
    target: Mapping[str, Any]
    image: Mapping[str, Any] | None = None
    exact: bool = False
    ends: Mapping[str, Any] = MappingProxyType({})


def follow(
    tree: Tree, nodes: Mapping[type[Model], Node], changes: Sequence[Change], old: OldRows
) -> list[Touch] | All:
    """The parameters that changes of rows of some nodes touch, by one query a join."""
    if any(change.op == "truncate" for change in changes):
        return ALL
    starts: dict[Node, list[tuple[Change, Mapping[str, Any]]]] = defaultdict(list)
    for change in changes:
        assert not isinstance(change.source, str)
        node = nodes[change.source]
        starts[node] += [(change, image) for image in change.images if node.matters(image)]
    walk, touches = Walk(tree, old), list[Touch]()
    try:
        for node, images in starts.items():
            for place, target in walk.run(node, [image for _, image in images]):
                change, image = images[place]
                ends = {name: target.pop(name) for name in [*target] if name.startswith(SHOWN)}
                touches.append(Touch(change, target, image, ends=ends))
    except (KeyError, UnreadableValue):
        return ALL  # an image lacks a column (older triggers), or holds what Python cannot
    return touches


def told(
    changes: Sequence[Change],
    touches: Sequence[Touch],
    mapping: Mapping[str, str],
    ends: Mapping[str, str],
) -> Iterator[Touch]:
    """The touches with changes that tell what the paths lead to, where that is one row.

    Args:
        changes, touches: of one dependency.
        mapping: its parameters, each with a path.
        ends: other names under which the touches tell what a path leads to.
    """
    found: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for touch in touches:
        found[id(touch.image)].append({**touch.target, **touch.ends})
    told: dict[int, Change | None] = {}
    for change in changes:
        images = [
            None if image is None else _with_ends(image, found[id(image)], {**mapping, **ends})
            for image in (change.old, change.new)
        ]
        if all(len(found[id(image)]) == 1 for image in change.images):
            told[id(change)] = replace(change, old=images[0], new=images[1])
    seen: set[tuple[int, frozenset[tuple[str, Any]]]] = set()
    for touch in touches:
        known = told.get(id(touch.change))
        place = (id(touch.change), frozenset(touch.target.items()))
        if place not in seen:  # both versions of a row may touch one key
            seen.add(place)
            yield touch if known is None else touch._replace(change=known, exact=True)


def _with_ends(
    image: Mapping[str, Any], ends: Sequence[Mapping[str, Any]], mapping: Mapping[str, str]
) -> Mapping[str, Any]:
    (end, *_) = ends or ({},)
    more = {path: end.get(parameter) for parameter, path in mapping.items()}
    known = image.unreadable if isinstance(image, Image) else {}
    return Image({**image, **more}, known)
