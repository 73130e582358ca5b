"""Rings that are found only when they are run: a value that is computed from itself.

What is declared to depend on each other is refused at start (``registry``), and a compute within a
compute of the same key where it begins (``compute``). Here are those rings of which a part is
stored: a compute reads a stored value that was itself computed, through any number of others, from
the key being computed. Its refresh would bring on its own refresh, without end.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence

from django.db import connections

from ..conf import settings
from ..exceptions import DependencyCycle
from ..stores import Address, Read
from ..stores.arrays import digests
from . import registry

# From what was read along the edges of what is stored: each key, and the one that has read it.
_WALK = """
WITH RECURSIVE walk (digest, key, by) AS (
    SELECT r.digest, r.key, ''::text FROM unnest(%s::uuid[], %s::text[]) r (digest, key)
     UNION
    SELECT g.read, g.read_key, g.key FROM walk w JOIN kck_publish_edge g ON g.digest = w.digest
)
SELECT key, by FROM walk
"""


def refuse(
    product: str, keys: Iterable[str], reads: Mapping[str, Read], over: Iterable[str]
) -> None:
    """Raise DependencyCycle when a key that was computed stands on itself.

    Args:
        product: of which keys were computed.
        keys: the keys that were.
        reads: what they were computed from without declaring it, by key.
        over: the products of these, and of what their values stand on.
    """
    graph = registry.graph()
    for other in sorted(over):
        if other != product and (path := graph.path(other, product)):
            raise DependencyCycle([product, *path])
    if product in over:
        read_by = _walk([read.address for read in reads.values()])
        for key in keys:
            if key in read_by:
                raise DependencyCycle(_ring(read_by, key))


def _walk(addresses: Sequence[Address]) -> dict[str, str]:
    """Each key that these stand on, with one that has read it; these themselves with none."""
    with connections[settings.DATABASE].cursor() as cursor:
        cursor.execute(_WALK, [digests(addresses), [address.key for address in addresses]])
        rows = cursor.fetchall()
    reads: dict[str, list[str]] = defaultdict(list)
    for key, by in rows:
        reads[by].append(key)
    read_by, todo = (
        {address.key: "" for address in addresses},
        deque(address.key for address in addresses),
    )
    while todo:
        by = todo.popleft()
        new = [key for key in reads[by] if key not in read_by]
        read_by.update(dict.fromkeys(new, by))
        todo += new
    return read_by


def _ring(read_by: Mapping[str, str], key: str) -> list[str]:
    ring = [key]
    while by := read_by[ring[-1]]:
        ring.append(by)
    return [key, *reversed(ring)]
