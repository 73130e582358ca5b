"""Django's ``flush``, which ends each test that commits, in a millisecond instead of half a second.

Django truncates the tables of all models, and PostgreSQL makes new files for each of them and each
of their indexes. This command deletes from the tables that have ever been written to, as a replica
does: no trigger fires, so the next test finds an empty change log, and no foreign key is checked.
Content types, permissions and the layouts of captured tables stay, so that they need not be written
again. Where the role may not act as a replica (with ``DATABASE_URL``), Django's own command runs.
"""

from __future__ import annotations

from typing import Any

from django.core.management.commands import flush
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from tests.testbed import captures

KEPT = {"django_content_type", "auth_permission", "kck_publish_layout"}
WRITTEN = """
SELECT name FROM unnest(%s::text[]) AS name
 WHERE pg_relation_size(to_regclass(quote_ident(name))) > 0
"""


class Command(flush.Command):
    """Empty the tables that have rows."""

    def handle(self, **options: Any) -> None:
        """Delete, and repair the captures that the test has taken away."""
        connection = connections[options["database"]]
        if not _may_be_replica(connection):
            super().handle(**options)
            return
        captures.repair(connection)
        _delete(connection, _written(connection))


def _may_be_replica(connection: BaseDatabaseWrapper) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('is_superuser')")
        return bool(cursor.fetchone() == ("on",))


def _written(connection: BaseDatabaseWrapper) -> list[str]:
    """The models' tables that are not of size 0: rows of any transaction make them larger."""
    names = set(connection.introspection.django_table_names()) - KEPT
    with connection.cursor() as cursor:
        cursor.execute(WRITTEN, [list(names)])
        return [name for (name,) in cursor.fetchall()]


def _delete(connection: BaseDatabaseWrapper, tables: list[str]) -> None:
    deletes = [sql.SQL("DELETE FROM {}").format(sql.Identifier(table)) for table in tables]
    replica = sql.SQL("SET LOCAL session_replication_role = replica")
    with transaction.atomic(connection.alias), connection.cursor() as cursor:
        cursor.execute(sql.SQL("; ").join([replica, *deletes]))
