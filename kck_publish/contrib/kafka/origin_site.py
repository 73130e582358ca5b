"""Which database this is: messages say where they come from, and a consumer knows its own."""

from __future__ import annotations

from functools import lru_cache

from django.db import connections

from ...conf import settings

_SITE = """
SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || current_database()
       || '/' || (SELECT relnamespace::regnamespace::text FROM pg_class
                   WHERE oid = 'kck_publish_change'::regclass)
"""


def site() -> str:
    """The cluster, the database and the schema of the log."""
    settings_dict = connections[settings.DATABASE].settings_dict
    return _site(settings.DATABASE, str(settings_dict["NAME"]), str(settings_dict.get("PORT")))


@lru_cache(maxsize=16)
def _site(alias: str, name: str, port: str) -> str:
    with connections[alias].cursor() as cursor:
        cursor.execute(_SITE)
        return str(cursor.fetchone()[0])
