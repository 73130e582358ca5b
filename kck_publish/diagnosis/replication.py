"""Subscriptions of this database: what logical replication writes here.

Sources that it writes are captured by row triggers; the subject "triggers" says where they lack.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import connections

from ..capture.row_sql import quoted
from ..conf import settings
from ..products import registry
from .registry import Asks, Problem, diagnosis

# Names of subscriptions, with the tables that they write, of those given.
_SUBSCRIBED = """
WITH RECURSIVE tree (source, relid) AS (
    SELECT source, to_regclass(relation)::oid
    FROM unnest(%s::text[], %s::text[]) AS wanted (source, relation)
    WHERE to_regclass(relation) IS NOT NULL
    UNION
    SELECT source, inhrelid FROM tree
    JOIN pg_inherits ON inhparent = relid AND NOT inhdetachpending
)
SELECT subname::text, subtwophasestate <> 'd', array_agg(DISTINCT source ORDER BY source)
  FROM tree JOIN pg_subscription_rel ON srrelid = relid
  JOIN pg_subscription ON pg_subscription.oid = srsubid
 GROUP BY 1, 2 ORDER BY 1
"""


@diagnosis("replication", Asks.DATABASE)
def wrong_subscriptions(alias: str) -> Iterator[Problem]:
    """Subscriptions that write the library's own tables, or prepare transactions."""
    ours = [model._meta.db_table for model in apps.get_app_config("kck_publish").get_models()]
    for name, _, tables in _subscriptions(alias, ours):
        yield Problem(
            "E032",
            f"The subscription {name} writes {', '.join(tables)}: the state of another "
            "database's listeners and values is mixed into this one's.",
            f"Name the tables in the publication, without the library's own (no FOR ALL TABLES); "
            f"ALTER SUBSCRIPTION {name} REFRESH PUBLICATION; then TRUNCATE these here.",
        )
    for name, prepares, tables in _subscriptions(alias, [s.table for s in registry.sources()]):
        if prepares and settings.RING:
            yield Problem(
                "W031",
                f"The subscription {name} prepares transactions (two_phase) that write "
                f"{', '.join(tables)}: it stops at the first that commits while the listener "
                "sleeps, as PREPARE TRANSACTION takes no NOTIFY.",
                "Set KCK_PUBLISH['RING'] to False: listeners then poll. Or make the subscription "
                "WITH (two_phase = false).",
            )


def _subscriptions(alias: str, tables: list[str]) -> list[tuple[str, bool, list[str]]]:
    with connections[alias].cursor() as cursor:
        cursor.execute(_SUBSCRIBED, [tables, [quoted(table) for table in tables]])
        return list(cursor.fetchall())
