"""Which tables a transaction has read, as PostgreSQL itself says: for the linter of computes."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.backends.base.base import BaseDatabaseWrapper

# Of each table that the transaction has read so far, how often it was scanned. A partition counts
# as its table. (A view is seen by the tables under it; a materialized view is a table that nobody
# captures.)
_READ = """
SELECT coalesce(top.relname, c.relname),
       sum(pg_stat_get_xact_numscans(c.oid) + coalesce((
           SELECT sum(pg_stat_get_xact_numscans(indexrelid)) FROM pg_index
            WHERE indrelid = c.oid), 0))
  FROM (SELECT DISTINCT relation FROM pg_locks
         WHERE pid = pg_backend_pid() AND locktype = 'relation'
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND mode IN ('AccessShareLock', 'RowShareLock')) l
  JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p', 'm', 'f')
  LEFT JOIN pg_class top ON c.relispartition AND top.oid = pg_partition_root(c.oid)
 WHERE c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
   AND NOT starts_with(c.relname, 'kck_publish_') AND c.relname <> 'django_content_type'
 GROUP BY 1
"""

# Scans by table.
Scans = Mapping[str, int]


def scans_of(connection: BaseDatabaseWrapper) -> Scans:
    with connection.cursor() as cursor:
        cursor.execute(_READ)
        return {table: int(scans) for table, scans in cursor.fetchall()}


def difference(after: Scans, before: Scans) -> Scans:
    """The tables read in between, with the number of reads; 0 if the read was only planned."""
    return {
        table: scans - before.get(table, 0)
        for table, scans in after.items()
        if table not in before or scans > before[table]
    }
