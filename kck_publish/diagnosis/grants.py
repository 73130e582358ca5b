"""What the roles of web processes and listeners may do with the library's tables.

The owner's rights, with which the triggers' functions run, are enough for whoever only writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.db import connections

from ..conf import settings
from ..direct_connection import direct_settings
from .registry import Asks, Problem, diagnosis

#: What each process that reads products needs: it primes what is missing, and asks for refreshes.
WEB: Mapping[str, str] = {
    "kck_publish_backlog": "SELECT",
    "kck_publish_change": "SELECT, INSERT",
    "kck_publish_consumer": "SELECT",
    "kck_publish_copy": "SELECT, INSERT",
    "kck_publish_edge": "SELECT, INSERT",
    "kck_publish_entry": "SELECT, INSERT, UPDATE, DELETE",
    "kck_publish_failure": "SELECT",
    "kck_publish_fetch": "SELECT, INSERT, UPDATE",
    "kck_publish_generation": "SELECT",
    "kck_publish_history": "SELECT",
    "kck_publish_kafka_failure": "SELECT",
    "kck_publish_kafka_offset": "SELECT",
    "kck_publish_kafka_relay": "SELECT",
    "kck_publish_kafka_unsent": "SELECT",
    "kck_publish_listener": "SELECT",
    "kck_publish_pause": "SELECT",
    "kck_publish_postponed": "SELECT",
    "kck_publish_schedule": "SELECT",
    "kck_publish_shard": "SELECT",
}
#: What both need to store anything.
SEQUENCE = "kck_publish_version"
#: What each listener needs, and who operates it.
LISTENER: Mapping[str, str] = {
    "kck_publish_backlog": "SELECT, INSERT, UPDATE, DELETE",
    "kck_publish_change": "SELECT, INSERT, DELETE",
    "kck_publish_consumer": "SELECT, INSERT, UPDATE, DELETE",
    "kck_publish_copy": "SELECT, INSERT, DELETE",
    "kck_publish_edge": "SELECT, INSERT, DELETE",
    "kck_publish_entry": "SELECT, INSERT, UPDATE, DELETE",
    "kck_publish_failure": "SELECT, INSERT, UPDATE, DELETE",
    "kck_publish_fetch": "SELECT, INSERT, UPDATE, DELETE",
    "kck_publish_generation": "SELECT, INSERT, UPDATE",
    "kck_publish_history": "SELECT, INSERT, UPDATE, DELETE",
    "kck_publish_kafka_failure": "SELECT, UPDATE, DELETE",
    "kck_publish_kafka_offset": "SELECT",
    "kck_publish_kafka_relay": "SELECT",
    "kck_publish_kafka_unsent": "SELECT",
    "kck_publish_layout": "SELECT, INSERT, UPDATE",
    "kck_publish_listener": "SELECT, INSERT, UPDATE, DELETE",
    "kck_publish_pause": "SELECT, INSERT, UPDATE, DELETE",
    "kck_publish_postponed": "SELECT, INSERT, DELETE",
    "kck_publish_schedule": "SELECT, INSERT, UPDATE, DELETE",
    "kck_publish_shard": "SELECT, INSERT, UPDATE, DELETE",
}
_MISSING = """
SELECT name, privilege FROM unnest(%(names)s::text[], %(privileges)s::text[]) AS t (name, privilege)
 WHERE NOT CASE privilege
     WHEN 'USAGE' THEN has_sequence_privilege(%(role)s, to_regclass(name)::oid, privilege)
     ELSE has_table_privilege(%(role)s, to_regclass(name)::oid, privilege) END
"""
_ASKED = """
SELECT current_user::text,
       has_table_privilege(to_regclass('kck_publish_listener')::oid, 'SELECT')
"""
_LISTENERS = """
SELECT DISTINCT a.usename::text
  FROM kck_publish_listener l JOIN pg_stat_activity a ON a.pid = l.backend
 WHERE l.kind = 'listener' AND a.datname = current_database() AND a.usename IS NOT NULL
"""


@diagnosis("grants", Asks.DATABASE)
def missing_grants(alias: str) -> Iterator[Problem]:
    """A role that may not do what its processes have to."""
    with connections[alias].cursor() as cursor:
        cursor.execute(_ASKED)
        user, may_ask = cursor.fetchone()
        if may_ask is None:
            return  # there are no tables yet
        listeners = set()
        if may_ask:
            cursor.execute(_LISTENERS)
            listeners = {name for (name,) in cursor.fetchall()}
    if settings.DIRECT is not None:
        listeners.add(_listener(alias))
    yield from _problems(alias, user, WEB, "web processes")
    for name in sorted(listeners):
        yield from _problems(alias, name, LISTENER, "listeners")


def missing_for_a_listener(alias: str) -> list[Problem]:
    """What a listener of this process's settings would lack."""
    return list(_problems(alias, _listener(alias), LISTENER, "listeners"))


def _listener(alias: str) -> str:
    """Whom a listener of this process's settings connects as."""
    return str(direct_settings(alias)["USER"])


def _problems(
    alias: str, role: str, grants: Mapping[str, str], processes: str
) -> Iterator[Problem]:
    lacking: dict[str, list[str]] = {}
    for name, right in _lacking(alias, role, grants):
        lacking.setdefault(name, []).append(right)
    if lacking:
        rights = [f"{', '.join(rights)} on {name}" for name, rights in lacking.items()]
        yield Problem(
            "E035",
            f"The role {role} lacks {'; '.join(rights)}, which {processes} need.",
            "As the owner: "
            + " ".join(
                f'GRANT {", ".join(rights)} ON {_kind(name)} TO "{role}";'
                for name, rights in lacking.items()
            ),
        )


def _kind(name: str) -> str:
    return f"SEQUENCE {name}" if name == SEQUENCE else name


def _lacking(alias: str, role: str, grants: Mapping[str, str]) -> list[tuple[str, str]]:
    pairs = [(table, right) for table, rights in grants.items() for right in rights.split(", ")]
    names, privileges = zip(*pairs, (SEQUENCE, "USAGE"), strict=True)
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone() is None:
            return []
        cursor.execute(
            _MISSING, {"names": list(names), "privileges": list(privileges), "role": role}
        )
        return list(cursor.fetchall())
