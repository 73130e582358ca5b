"""Paused products: their changes are kept, and nothing of them is computed until they are resumed.

A batch handles the changes of a paused product by noting what it would have done: which keys it
would have primed, that it would have primed all that is stored, or compared the domain. What is
stored is marked as behind, so that ``when_behind`` decides what readers get, and so that it is
primed, never augmented, when its turn comes. ``resume`` asks for all of it through the log: so each
shard's owner does its part, in a batch like any other, and a crash loses nothing.

A batch may have begun before a resume, and write after it. So it writes its notes under a lock of
the pause's row: either the resume waits, and finds the notes; or the pause is gone, and the batch
asks through the log itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connections, transaction

from .. import clock
from ..conf import settings
from ..log import refreshes
from ..postgres import Cursor
from ..products import registry
from ..products.product import Product

PAUSED = "SELECT product FROM kck_publish_pause"
# The domain of a product is a product of its own (see ``products.domain``), and paused with it.
DOMAIN = "[]"
# Of a query on failures or plans: those of paused products are not due.
UNPAUSED = """
product NOT IN (SELECT unnest(ARRAY[product, product || '[]']) FROM kck_publish_pause)
"""

_PAUSE = """
INSERT INTO kck_publish_pause (product, by) VALUES (%s, %s) ON CONFLICT DO NOTHING
"""
_RESUME = "DELETE FROM kck_publish_pause WHERE product = %s"
# In a statement of its own after the other: it sees what a batch has noted that this waited for.
_ASK = """
WITH postponed AS (DELETE FROM kck_publish_postponed WHERE product = %s RETURNING op, product, key)
INSERT INTO kck_publish_change (source, op, old, new)
SELECT product, op, ARRAY[NULL::text], ARRAY[key] FROM postponed
"""
_NOTE = """
WITH paused AS MATERIALIZED (
    SELECT product FROM kck_publish_pause WHERE product = ANY (%(paused)s) FOR KEY SHARE
), note AS (
    SELECT * FROM unnest(%(products)s::text[], %(ops)s::text[], %(keys)s::text[])
               AS note (product, op, key)
), kept AS (
    INSERT INTO kck_publish_postponed (product, op, key)
    SELECT product, op, key FROM note WHERE product IN (SELECT product FROM paused)
    ON CONFLICT DO NOTHING
)
INSERT INTO kck_publish_change (source, op, old, new)
SELECT product, op, ARRAY[NULL::text], ARRAY[key] FROM note
 WHERE product NOT IN (SELECT product FROM paused)
"""
_ALL_BEHIND = """
UPDATE kck_publish_entry SET behind = true
 WHERE product = %s AND fingerprint = %s AND bucket %% %s = %s AND NOT behind
"""
_PAUSES = """
SELECT p.product, p.since, p.by, count(q.op) FILTER (WHERE q.op = 'refresh'),
       count(q.op) FILTER (WHERE q.op <> 'refresh')
  FROM kck_publish_pause p LEFT JOIN kck_publish_postponed q USING (product)
 GROUP BY p.product ORDER BY p.product
"""


@dataclass
class Postponing:
    """What one batch does not do, since the product is paused.

    Attributes:
        paused: the products and their domains, as the batch has found them.
        notes: product, op and key of what is to be done when they are resumed.
        whole: of which all that is stored is behind, with its fingerprint.
    """

    paused: frozenset[str] = frozenset()
    notes: dict[tuple[str, str, str], None] = field(default_factory=dict)
    whole: dict[str, str] = field(default_factory=dict)

    def key(self, product: Product, key: str) -> None:
        """A key is to be primed."""
        self.notes[product.name.removesuffix(DOMAIN), refreshes.REFRESH, key] = None

    def all_of(self, product: Product) -> None:
        """All that is stored is to be primed, and the domain to be compared."""
        if product.name.endswith(DOMAIN):
            self.key(product, product.key_of({}))
            return
        self.notes[product.name, refreshes.WHOLE, ""] = None
        self.whole[product.name] = product.fingerprint

    def domain(self, product: Product) -> None:
        """The domain is to be compared with what is stored."""
        if product.name.endswith(DOMAIN):
            self.key(product, product.key_of({}))
            return
        self.notes[product.name, refreshes.DOMAIN, ""] = None

    def write(self, cursor: Cursor, shard: int, shards: int) -> None:
        """Keep the notes, in the batch's write transaction, which may fail, and be tried again."""
        if not self.notes:
            return
        products, ops, keys = (list(column) for column in zip(*self.notes, strict=True))
        names = sorted(set(products))
        cursor.execute(_NOTE, {"paused": names, "products": products, "ops": ops, "keys": keys})
        cursor.execute(refreshes.RING)
        for name, fingerprint in self.whole.items():
            cursor.execute(_ALL_BEHIND, [name, fingerprint, shards, shard])

    def written(self) -> None:
        """The write transaction is committed: the notes so far are kept."""
        self.notes.clear()
        self.whole.clear()


@dataclass(frozen=True)
class Paused:
    """One paused product.

    Attributes:
        since: when it was paused.
        by: who has, as far as that was said.
        keys: how many are to be primed when it is resumed.
        whole: whether all that is stored is, or the domain is to be compared.
    """

    product: str
    since: datetime
    by: str
    keys: int
    whole: bool


def pause(names: Sequence[str], by: str = "") -> list[str]:
    """Compute nothing of these products until they are resumed; what a batch has begun, it ends.

    Args:
        names: of products.
        by: who pauses, for those who look later.

    Returns:
        the products that were not paused before.

    Raises:
        UnknownProduct: nobody computes it.
    """
    _known(names)
    with transaction.atomic(using=settings.DATABASE), _cursor() as cursor:
        return [name for name in names if _counts(cursor, _PAUSE, [name, by])]


def resume(names: Sequence[str]) -> list[str]:
    """Have all done that was postponed, and what is to come.

    A name that no code declares any more may be resumed, too.

    Returns:
        the products that were paused.
    """
    resumed = []
    for name in dict.fromkeys(names):
        with transaction.atomic(using=settings.DATABASE), _cursor() as cursor:
            if _counts(cursor, _RESUME, [name]):
                resumed.append(name)
            cursor.execute(_ASK, [name])
            cursor.execute(refreshes.RING)
    return resumed


def pauses(cursor: Cursor) -> list[Paused]:
    """The paused products, by name."""
    clock.aware(cursor).execute(_PAUSES)
    return [
        Paused(product, since, by, keys, whole > 0)
        for product, since, by, keys, whole in cursor.fetchall()
    ]


def paused(cursor: Cursor) -> frozenset[str]:
    """The names of the paused products and of their domains."""
    cursor.execute(PAUSED)
    return names_of(name for (name,) in cursor.fetchall())


def names_of(names: Iterable[str]) -> frozenset[str]:
    """What ``PAUSED`` has found, with the domains."""
    return frozenset(each for name in names for each in (name, name + DOMAIN))


def all_paused() -> list[str]:
    """The names of the paused products, in order."""
    with _cursor() as cursor:
        return [each.product for each in pauses(cursor)]


def _known(names: Iterable[str]) -> None:
    for name in names:
        registry.get(name)


def _counts(cursor: Cursor, query: str, parameters: Sequence[Any]) -> bool:
    cursor.execute(query, parameters)
    return bool(cursor.rowcount)


def _cursor() -> Any:
    return connections[settings.DATABASE].cursor()
