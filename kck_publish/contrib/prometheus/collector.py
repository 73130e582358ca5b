"""The state of the database as metrics: the same in whichever process is asked.

One question takes a few queries of some milliseconds, whatever is stored: what would have to be
counted row by row (the entries, the log) is what PostgreSQL estimates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db import DatabaseError, connections
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ...conf import settings
from ...log.connected_listeners import CONNECTED, OWNED
from ...log.lag import lags
from ...postgres import Cursor
from ...public_names import public_in
from ...refresh import paused_products
from ...refresh.failures import RETRYING_AND_DEAD
from . import kafka_metrics

_SHARDS = f"""
SELECT s.shard, {OWNED}
  FROM kck_publish_shard s ORDER BY s.shard
"""
_LISTENERS = f"""
SELECT count(*) FILTER (WHERE asleep), count(*) FILTER (WHERE NOT asleep),
       coalesce(sum(seat_belt), 0)::bigint, coalesce(sum(audited), 0)::bigint,
       coalesce(sum(differing), 0)::bigint
  FROM kck_publish_listener l
 WHERE kind = 'listener' AND {CONNECTED}
"""
_FAILURES = f"""
SELECT product, {RETRYING_AND_DEAD}
  FROM kck_publish_failure GROUP BY product ORDER BY product
"""
_CONSUMERS = """
SELECT name, kind, extract(epoch FROM clock_timestamp() - seen_at)::float
  FROM kck_publish_consumer WHERE state <> 'forgotten' ORDER BY name, kind
"""
_SIZES = """
SELECT (SELECT count(*) FROM kck_publish_backlog),
       (SELECT greatest(reltuples, 0)::bigint FROM pg_class
         WHERE oid = to_regclass('kck_publish_change')),
       (SELECT greatest(reltuples, 0)::bigint FROM pg_class
         WHERE oid = to_regclass('kck_publish_entry')),
       (SELECT pg_total_relation_size(to_regclass('kck_publish_change'))),
       (SELECT pg_total_relation_size(to_regclass('kck_publish_entry')))
"""


def gauge(name: str, text: str, samples: Iterable[tuple[dict[str, str], float]]) -> Metric:
    """A gauge with its samples, each by its labels."""
    family = GaugeMetricFamily(f"kck_publish_{name}", text)
    for labels, value in samples:
        family.add_sample(f"kck_publish_{name}", labels, value)
    return family


@public_in("kck_publish.contrib.prometheus")
class DatabaseCollector(Collector):
    """What the library's tables say, asked anew with each scrape.

        REGISTRY.register(DatabaseCollector())

    Args:
        alias: the database; the setting DATABASE by default.
    """

    def __init__(self, alias: str | None = None) -> None:
        self._alias = alias

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked when it is registered: the database may not be there yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics; without a database only whether it is up: 0."""
        try:
            with connections[self._alias or settings.DATABASE].cursor() as cursor:
                found = [*self._shards(cursor), *self._listeners(cursor), *self._keys(cursor)]
                found += [*self._followers(cursor), *self._sizes(cursor)]
                found += [gauge(*one) for one in kafka_metrics.gauges(cursor)]
        except DatabaseError:
            yield gauge(
                "up", "Whether the database answers, and the library is migrated.", [({}, 0)]
            )
            return
        yield gauge("up", "Whether the database answers, and the library is migrated.", [({}, 1)])
        yield from found

    def _shards(self, cursor: Cursor) -> Iterator[Metric]:
        behind = lags(cursor)
        cursor.execute(_SHARDS)
        shards = cursor.fetchall()
        yield gauge(
            "lag_seconds",
            "Age of the oldest committed change that is not handled.",
            [({}, behind.longest)],
        )
        yield gauge(
            "shard_lag_seconds",
            "The same of one shard.",
            [({"shard": str(shard)}, behind.of_shard(shard)) for shard, _ in shards],
        )
        yield gauge(
            "shard_owned",
            "Whether a listener owns the shard.",
            [({"shard": str(shard)}, float(owned)) for shard, owned in shards],
        )

    def _listeners(self, cursor: Cursor) -> Iterator[Metric]:
        cursor.execute(_LISTENERS)
        asleep, awake, seat_belt, audited, differing = cursor.fetchone()
        states = [({"state": "asleep"}, asleep), ({"state": "awake"}, awake)]
        yield gauge("listeners", "Listeners that are connected.", states)
        yield gauge(
            "seat_belt_finds",
            "Changes that the running listeners found without a ring; it should stay 0.",
            [({}, seat_belt)],
        )
        yield gauge("audited_keys", "Keys that the running listeners compared.", [({}, audited)])
        yield gauge(
            "differing_keys", "Keys of these that differed; it should stay 0.", [({}, differing)]
        )

    def _keys(self, cursor: Cursor) -> Iterator[Metric]:
        cursor.execute(_FAILURES)
        failures = cursor.fetchall()
        yield gauge(
            "retrying_keys",
            "Keys whose refresh failed, and is tried again.",
            [({"product": product}, retrying) for product, retrying, _ in failures],
        )
        yield gauge(
            "dead_letters",
            "Keys whose refresh failed for good.",
            [({"product": product}, dead) for product, _, dead in failures],
        )
        paused = paused_products.pauses(cursor)
        yield gauge(
            "paused", "Products that are paused.", [({"product": one.product}, 1) for one in paused]
        )
        yield gauge(
            "postponed_keys",
            "Keys that are primed when their product is resumed.",
            [({"product": one.product}, one.keys) for one in paused],
        )

    def _followers(self, cursor: Cursor) -> Iterator[Metric]:
        cursor.execute(_CONSUMERS)
        yield gauge(
            "follower_silent_seconds",
            "Since the last sign of life of one who follows the log beside the shards.",
            [({"name": name, "kind": kind}, silent) for name, kind, silent in cursor.fetchall()],
        )

    def _sizes(self, cursor: Cursor) -> Iterator[Metric]:
        cursor.execute(_SIZES)
        backlog, log, entries, log_bytes, entry_bytes = cursor.fetchone()
        yield gauge("backlog_parts", "Parts of the log that are put aside.", [({}, backlog)])
        yield gauge("log_rows", "Rows of the log, as estimated.", [({}, log)])
        yield gauge("entries", "Stored entries, as estimated.", [({}, entries)])
        yield gauge("log_bytes", "Size of the log's table with its indexes.", [({}, log_bytes)])
        yield gauge("entry_bytes", "Size of the entries' table.", [({}, entry_bytes)])
