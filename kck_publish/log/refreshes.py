"""What is written into the change log by the library itself: refreshed products, requests.

Rows of the same log as the changes of sources, so that cascades and requests cross shards,
survive crashes and coalesce as changes do.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..postgres import Cursor
from .keys import product_of

# The source of these rows is a product's name, ``new`` its key, and ``old`` a batch's token.
REFRESHED, REFRESH = "refreshed", "refresh"

_LOG = """
INSERT INTO kck_publish_change (source, op, old, new, origin)
SELECT source, %s, ARRAY[%s::text], ARRAY[key],
       nullif(current_setting('kck_publish.origin', true), '')
  FROM unnest(%s::text[], %s::text[]) AS row(source, key)
"""


def log(cursor: Cursor, op: str, keys: Iterable[str], token: str | None = None) -> None:
    """Record that these keys were refreshed, or are to be; rings as a writer does.

    Args:
        token: of the batch that has refreshed them (see ``refresh.carry_over``).
    """
    keys = list(dict.fromkeys(keys))
    if keys:
        cursor.execute(_LOG, [op, token, [product_of(key) for key in keys], keys])
        cursor.execute("SELECT kck_publish_ring_v1()")


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
