"""Changes of a query's first table, with what its joins lead to: they amend a kept value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..log.change import Change
from ..log.image import Image
from ..products.paths import Node
from ..products.touched_keys import SHOWN, Touch


def told(
    node: Node, changes: Sequence[Change], touches: Sequence[Touch], joined: bool
) -> Iterator[Touch]:
    """The touches, each with a change that tells what its row is joined to.

    A version of the row that cannot be among the query's is left out of it. Where it is not known
    for certain what a version was joined to, its keys are primed.

    Args:
        node: of the rows that have changed.
        joined: whether it matters what they are joined to.
    """
    ends: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for touch in touches:
        ends[id(touch.image)].append(touch.ends)
    exact: dict[int, Change] = {}
    for change in changes:
        images = [
            None if image is None or not node.matters(image) else (image, ends[id(image)])
            for image in (change.old, change.new)
        ]
        if not joined or all(image is None or len(image[1]) == 1 for image in images):
            old, new = (image and _with_ends(image[0], image[1][:1]) for image in images)
            exact[id(change)] = replace(change, old=old, new=new)
    seen: set[tuple[int, frozenset[tuple[str, Any]]]] = set()
    for touch in touches:
        place = (id(touch.change), frozenset(touch.target.items()))
        if None in touch.target.values() or place in seen:  # NULL equals nothing
            continue
        seen.add(place)
        known = exact.get(id(touch.change))
        yield touch if known is None else touch._replace(change=known, exact=True)


def _with_ends(image: Mapping[str, Any], ends: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    more = {name.removeprefix(SHOWN): value for each in ends for name, value in each.items()}
    known = image.unreadable if isinstance(image, Image) else {}
    return Image({**image, **more}, known)
