"""Row level security that hides rows of a source from whoever computes values of it."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings as django_settings
from django.db import connections

from ..exceptions import ConfigurationError
from . import row_sql
from .source import Source

_HIDING = """
SELECT source, current_user::text FROM unnest(%s::text[], %s::text[]) AS t (source, relation)
JOIN pg_class ON pg_class.oid = to_regclass(relation)
WHERE relrowsecurity AND row_security_active(pg_class.oid)
"""
_CHECK = "kck_publish.E038"


def see_all_rows(alias: str, sources: Iterable[Source]) -> None:
    """See that no policy hides rows from the session that refreshes values.

    Raises:
        ConfigurationError: one may.
    """
    tables = [source.table for source in sources]
    with connections[alias].cursor() as cursor:
        cursor.execute(_HIDING, [tables, [row_sql.quoted(table) for table in tables]])
        found = cursor.fetchall()
    if found and _CHECK not in django_settings.SILENCED_SYSTEM_CHECKS:
        role = found[0][1]
        raise ConfigurationError(
            f"({_CHECK}) {', '.join(sorted(table for table, _ in found))}: under row level "
            f"security, whose policies hold for the listener's role {role}. It would take the "
            "rows that they hide from it for deleted. As a superuser: ALTER ROLE "
            f'"{role}" BYPASSRLS. If each compute says which tenant it is for, name {_CHECK} in '
            "SILENCED_SYSTEM_CHECKS."
        )
