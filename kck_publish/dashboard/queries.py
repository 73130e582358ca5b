"""The queries of the dashboard. Each stays cheap, whatever is stored: see the comments.

Times are seconds since 1970, so that they can be JSON.
"""

from __future__ import annotations

from ..log.connected_listeners import CONNECTED, OWNED
from ..log.lag import LAGS, UNFOLLOWED
from ..postgres import Statement
from ..refresh.failures import RETRYING_AND_DEAD

# So many unhandled changes are counted; where there are more, it is said that there are.
COUNTED_CHANGES = 10_000
# So many pages of the entries' table are looked at: all of them, or a sample (some 20 ms).
SAMPLED_PAGES = 2_000
# So many failures of a product are listed.
LISTED = 20

_SHARE = f"""
least(1.0, {SAMPLED_PAGES}.0 / greatest(1, pg_relation_size('kck_publish_entry') / 8192))
"""
_WAITING = f"""
SELECT coalesce(max(later.changes + late.changes),
                (SELECT count(*) FROM (SELECT FROM kck_publish_change
                                        LIMIT {COUNTED_CHANGES + 1}) any_)) AS changes,
       (SELECT count(*) FROM kck_publish_backlog) AS parts
  FROM kck_publish_shard s
 CROSS JOIN LATERAL (SELECT count(*) AS changes FROM (
    SELECT FROM kck_publish_change WHERE xid >= pg_snapshot_xmax(s.done)
     ORDER BY xid LIMIT {COUNTED_CHANGES + 1}) looked) later
 CROSS JOIN LATERAL (SELECT count(*) AS changes FROM (
    SELECT FROM kck_publish_change WHERE xid = ANY (kck_publish_running_v1(s.done))
     LIMIT {COUNTED_CHANGES + 1}) looked) late
"""
_SHARDS = f"""
SELECT s.shard, s.forgotten, coalesce(cardinality(s.owed), 0) AS owed,
       {OWNED} AS owned,
       extract(epoch FROM s.seen_at)::float AS seen
  FROM kck_publish_shard s ORDER BY s.shard
"""
_LISTENERS = f"""
SELECT l.name, l.asleep, to_jsonb(l.shards) AS shards, l.audited, l.differing, l.seat_belt,
       extract(epoch FROM l.seen_at)::float AS seen,
       {CONNECTED} AS connected
  FROM kck_publish_listener l WHERE l.kind = 'listener' ORDER BY l.id
"""
_FAILURES = f"""
SELECT product, {RETRYING_AND_DEAD},
       extract(epoch FROM min(first_at))::float AS since, min(error) AS error
  FROM kck_publish_failure GROUP BY product
"""
_PAUSES = """
SELECT p.product, extract(epoch FROM p.since)::float AS since, p.by,
       count(q.op) FILTER (WHERE q.op = 'refresh') AS keys,
       count(q.op) FILTER (WHERE q.op <> 'refresh') > 0 AS whole
  FROM kck_publish_pause p LEFT JOIN kck_publish_postponed q USING (product)
 GROUP BY p.product ORDER BY p.product
"""
_SIZES = f"""
SELECT CASE WHEN pg_relation_size(oid) <= {SAMPLED_PAGES} * 8192
            THEN (SELECT count(*) FROM kck_publish_entry)
            ELSE greatest(reltuples, 0)::bigint END AS entries,
       pg_total_relation_size('kck_publish_entry') AS entry_bytes,
       pg_total_relation_size('kck_publish_change') AS log_bytes
  FROM pg_class WHERE oid = 'kck_publish_entry'::regclass
"""

#: What tells how the library is: the same for each page.
STATE: dict[str, Statement] = {
    "lags": LAGS,
    "unfollowed": UNFOLLOWED,
    "waiting": _WAITING,
    "shards": _SHARDS,
    "listeners": _LISTENERS,
    "failures": _FAILURES,
    "pauses": _PAUSES,
    "sizes": _SIZES,
}

#: The history of a product, or of the batches (product ''), in steps: one range of the primary key.
HISTORY: Statement = """
SELECT extract(epoch FROM point)::bigint AS at, sums.* FROM (
    SELECT date_bin(make_interval(secs => %(step)s), minute, to_timestamp(%(begin)s)) AS point,
           sum(refreshed)::float AS refreshed, sum(augmented)::float AS augmented,
           sum(unchanged)::float AS unchanged, sum(removed)::float AS removed,
           sum(failed)::float AS failed, sum(seconds) AS seconds, max(seconds_max) AS seconds_max,
           sum(bytes)::float AS bytes, sum(lagged)::float AS lagged, sum(waiting) AS waiting,
           max(waiting_max) AS waiting_max, sum(computing) AS computing,
           max(computing_max) AS computing_max, sum(changes)::float AS changes,
           sum(batches)::float AS batches
      FROM kck_publish_history
     WHERE product = %(product)s
       AND minute >= to_timestamp(%(begin)s) AND minute < to_timestamp(%(end)s)
     GROUP BY 1) sums
 ORDER BY 1
"""
#: The sums of all products since ``since``: an hour of 200 products is 12,000 rows of the index.
RECENT: Statement = """
SELECT product, sum(refreshed + augmented + unchanged + removed)::float AS refreshes,
       sum(failed)::float AS failed,
       sum(refreshed + augmented + unchanged + failed)::float AS computes,
       sum(seconds) AS seconds, max(seconds_max) AS seconds_max, sum(bytes)::float AS bytes,
       sum(lagged)::float AS lagged, sum(waiting + computing) AS lag,
       max(waiting_max + computing_max) AS lag_max
  FROM kck_publish_history
 WHERE product <> '' AND minute >= to_timestamp(%(since)s) GROUP BY product
"""
#: What is stored by product: counted, or scaled up from a sample of the table's pages.
STORED: Statement = f"""
SELECT product, round(count(*) / share)::bigint AS keys,
       round(count(*) FILTER (WHERE behind) / share)::bigint AS behind,
       round(sum(octet_length(body)) / share)::bigint AS bytes, share = 1 AS exact
  FROM (SELECT {_SHARE} AS share) of_all,
       kck_publish_entry TABLESAMPLE SYSTEM (100.0 * {_SHARE}) REPEATABLE (1)
 GROUP BY product, share
"""
#: The keys of a product that fail, those that were given up first.
FAILING: Statement = f"""
SELECT key, attempts, error, message, extract(epoch FROM first_at)::float AS since,
       extract(epoch FROM due_at)::float AS due
  FROM kck_publish_failure WHERE product = %(product)s
 ORDER BY due_at IS NOT NULL, first_at LIMIT {LISTED}
"""
