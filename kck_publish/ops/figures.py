"""What is known of each product, in numbers: what is stored, what it costs, what it waits for.

One statement for all products, in some ten milliseconds whatever is stored: of a product with many
entries PostgreSQL's statistics tell how many there are, and the first entries how large they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .. import clock
from ..postgres import Cursor
from ..refresh.failures import RETRYING_AND_DEAD
from ..refresh.paused_products import DOMAIN

# So many entries of a product are looked at; of more, statistics tell.
COUNTED = 100
# Products that no code declares: values set by hand may be under any number of names.
LISTED = 1000
# What PostgreSQL knows of the entries by product, from its last ANALYZE.
_STATISTICS = """
total AS (
    SELECT greatest(reltuples, 0)::float AS entries FROM pg_class
     WHERE oid = to_regclass('kck_publish_entry')
), statistics AS (
    SELECT most_common_vals::text::text[] AS names, most_common_freqs AS shares,
           coalesce(array_length(most_common_freqs, 1), 0) AS known,
           CASE WHEN n_distinct < 0 THEN -n_distinct * total.entries ELSE n_distinct END AS products
      FROM pg_stats JOIN pg_class c ON c.oid = to_regclass('kck_publish_entry'), total
     WHERE tablename = c.relname AND schemaname = c.relnamespace::regnamespace::text
       AND attname = 'product' AND NOT inherited
), common AS (
    SELECT name, share FROM statistics, unnest(names, shares) AS u (name, share)
), rare AS (
    SELECT greatest(0, 1 - coalesce((SELECT sum(share) FROM common), 0))
           / greatest(1, products - known) AS share FROM statistics
)
"""
# From one product to the next in the index, as far as there are some.
_STORED = f"""
RECURSIVE step AS (
    (SELECT product FROM kck_publish_entry ORDER BY product LIMIT 1)
    UNION ALL
    SELECT (SELECT e.product FROM kck_publish_entry e WHERE e.product > step.product
             ORDER BY e.product LIMIT 1)
      FROM step WHERE step.product IS NOT NULL
), stored AS (
    SELECT product FROM step WHERE product IS NOT NULL LIMIT {LISTED}
)
"""
_FIGURES = f"""
WITH {_STORED}, {_STATISTICS}, history AS (
    SELECT product, sum(refreshed + augmented + unchanged + removed)::bigint AS refreshed,
           sum(failed)::bigint AS failed, sum(seconds) AS seconds, max(seconds_max) AS longest,
           sum(waiting + computing) / nullif(sum(lagged), 0) AS lag,
           max(waiting_max + computing_max) AS latest
      FROM kck_publish_history WHERE minute >= %(since)s GROUP BY product
), failures AS (
    SELECT product, {RETRYING_AND_DEAD}
      FROM kck_publish_failure GROUP BY product
), postponed AS (
    SELECT product, count(*) AS postponed FROM kck_publish_postponed GROUP BY product
), named AS (
    SELECT unnest(%(names)s::text[]) AS product UNION SELECT product FROM stored
     UNION SELECT product FROM failures UNION SELECT product FROM kck_publish_pause
)
SELECT n.product, few.entries, few.bytes::bigint,
       coalesce(common.share, (SELECT share FROM rare), 0) * total.entries,
       h.refreshed, h.failed, h.seconds, h.longest, h.lag, h.latest, f.retrying, f.dead,
       p.since, p.by, q.postponed
  FROM named n CROSS JOIN total
 CROSS JOIN LATERAL (
    SELECT count(*) AS entries, coalesce(sum(size), 0) AS bytes
      FROM (SELECT e.product, octet_length(e.body) AS size FROM kck_publish_entry e
             WHERE e.product >= n.product ORDER BY e.product LIMIT {COUNTED}) first
     WHERE first.product = n.product) few
  LEFT JOIN common ON common.name = n.product
  LEFT JOIN history h ON h.product = n.product
  LEFT JOIN failures f ON f.product = n.product
  LEFT JOIN kck_publish_pause p ON p.product = n.product
  LEFT JOIN postponed q ON q.product = n.product
 ORDER BY n.product
"""
_ESTIMATE = f"""
WITH {_STATISTICS}
SELECT total.entries,
       coalesce((SELECT share FROM common WHERE name = %s), (SELECT share FROM rare), 0)
       * total.entries
  FROM total
"""


@dataclass(frozen=True)
class Figures:
    """The figures of one product.

    Attributes:
        product: its name.
        keys: the number of stored entries; about, unless ``exact``.
        bytes: of their values, where these are in the table; about, likewise.
        refreshed, failed: keys since the time that was asked for.
        mean, longest: seconds of a compute since then; None where nothing was computed.
        lag, latest: seconds from a change to the write of its key since then: the mean, and a bound
            of the longest; None where nothing was refreshed.
        retrying, dead: keys whose refresh failed: tried again, and dead letters.
        paused_since, paused_by: None and "" unless it is paused.
        postponed: what is done when it is resumed.
    """

    product: str
    keys: int
    exact: bool
    bytes: int
    refreshed: int
    failed: int
    mean: float | None
    longest: float | None
    lag: float | None
    latest: float | None
    retrying: int
    dead: int
    paused_since: datetime | None
    paused_by: str
    postponed: int

    @property
    def behind(self) -> int:
        """The keys that are known not to be what they should be."""
        return self.retrying + self.dead + self.postponed


def figures(cursor: Cursor, names: Iterable[str], over: timedelta) -> list[Figures]:
    """The figures of products, by name; of those too that are stored, and declared no more.

    Args:
        names: of the declared products.
        over: how far the history is looked at.
    """
    parameters: dict[str, Any] = {"names": list(names), "since": clock.now() - over}
    clock.aware(cursor).execute(_FIGURES, parameters)
    rows = cursor.fetchall()
    return [_figures(row) for row in rows if not row[0].endswith(DOMAIN)]


def _figures(row: Sequence[Any]) -> Figures:
    product, found, size, share, refreshed, failed, seconds, longest, lag, latest = row[:10]
    retrying, dead, since, by, postponed = row[10:]
    exact = found < COUNTED
    keys = found if exact else max(found, round(share))
    computed = (refreshed or 0) + (failed or 0)
    return Figures(
        product,
        keys,
        exact,
        size if exact else size * keys // found,
        refreshed or 0,
        failed or 0,
        seconds / computed if computed else None,
        longest if computed else None,
        lag,
        latest if lag is not None else None,
        retrying or 0,
        dead or 0,
        since,
        by or "",
        postponed or 0,
    )


def estimate(cursor: Cursor, product: str = "") -> int:
    """About how many entries are stored, of a product or of all, from the last ANALYZE."""
    cursor.execute(_ESTIMATE, [product])
    total, of_product = cursor.fetchone()
    return int(of_product if product else total)
