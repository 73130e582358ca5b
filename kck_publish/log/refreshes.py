"""The rows that the library itself writes into the change log: refreshed products, requests.

Rows of the same log as the changes of sources, so that cascades and requests cross shards,
survive crashes and coalesce as changes do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..postgres import Cursor
from .keys import product_of

# The source of these rows is a product's name, ``new`` its key, and ``old`` a batch's token.
REFRESHED, REFRESH = "refreshed", "refresh"
# The same without a key, asked by an operator, or when a product is resumed: all that is
# stored is to be primed; the domain is to be compared with what is stored.
WHOLE, DOMAIN = "whole", "domain"

_LOG = """
INSERT INTO kck_publish_change (source, op, old, new, origin)
SELECT source, %s, ARRAY[%s::text], ARRAY[key],
       nullif(current_setting('kck_publish.origin', true), '')
  FROM unnest(%s::text[], %s::text[]) AS row(source, key)
"""
RING = "SELECT kck_publish_ring_v1()"


def log(cursor: Cursor, op: str, keys: Iterable[str], token: str | None = None) -> None:
    """Record that these keys were refreshed, or are to be; rings as a writer does.

    Args:
        token: of the batch that has refreshed them (see ``refresh.carry_over``).
    """
    keys = list(dict.fromkeys(keys))
    if keys:
        cursor.execute(_LOG, [op, token, [product_of(key) for key in keys], keys])
        cursor.execute(RING)


_LOG_WHOLE = """
INSERT INTO kck_publish_change (source, op, old, new)
SELECT unnest(%s::text[]), %s, ARRAY[NULL::text], ARRAY['']
"""


def log_whole(cursor: Cursor, products: Sequence[str]) -> None:
    """Record that all that is stored of these products is to be primed, and their domains."""
    cursor.execute(_LOG_WHOLE, [list(products), WHOLE])
    cursor.execute(RING)


_PENDING = """
SELECT EXISTS (
    SELECT FROM kck_publish_change c
     WHERE c.op = 'refresh' AND c.source = %s AND c.new = ARRAY[%s]
       AND c.seq > coalesce(nullif(current_setting('kck_publish.drained', true), ''), '0')::bigint
       AND NOT EXISTS (
           SELECT FROM kck_publish_shard s
            WHERE s.shard = %s %% s.shards AND pg_visible_in_snapshot(c.xid, s.done)
              AND NOT EXISTS (
                  SELECT FROM kck_publish_backlog b
                   WHERE b.shard = s.shard AND b.name = c.source
                     AND pg_visible_in_snapshot(c.xid, b.until)
                     AND NOT pg_visible_in_snapshot(c.xid, b.since))))
"""


def pending(cursor: Cursor, key: str, bucket: int) -> bool:
    """Whether a refresh has been asked for that the listener has not yet done."""
    cursor.execute(_PENDING, [product_of(key), key, bucket])
    return bool(cursor.fetchone()[0])
