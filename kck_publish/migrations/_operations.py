"""The operations of the migrations. Frozen: a migration that has been published imports them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db import migrations

SQL = Path(__file__).parents[1] / "sql"


def read_sql(migration: str, *names: str) -> str:
    """The text of these files of ``kck_publish/sql/<migration>``, in this order."""
    return "\n".join((SQL / migration / f"{name}.sql").read_text() for name in names)


class PostgresSQL(migrations.RunSQL):
    """SQL that is run on PostgreSQL only, so that a project's other databases stay untouched."""

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, *states)

    def database_backwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            super().database_backwards(app_label, schema_editor, *states)
