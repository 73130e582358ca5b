"""Which functions a statement calls, and whether PostgreSQL lets them write.

A function that is not declared volatile may not write, and PostgreSQL holds it to that. So a name
that the text calls is looked up in pg_proc, once a database and process. A name that is no function
at all, in a statement that has succeeded, is a keyword, a type or an alias.

Not noticed: a function declared stable that calls a volatile one, which writes; a function that
becomes volatile after this process has looked it up.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import Cursor
from psycopg.pq import PipelineStatus, TransactionStatus

from . import own_session_writes

_SUSPECT = re.compile(
    r"\b(insert|update|delete|merge|truncate|into|call|execute)\b|;\s*\S|/\*|--", re.IGNORECASE
)
_CALL = re.compile(r"([\w$.\"]+)\s*\(")
# Volatile functions of PostgreSQL's change no row where they are named here; nor does the library's
# own doorbell.
_LOOK_UP = """
SELECT proname, bool_or(provolatile = 'v' AND proname <> 'kck_publish_ring_v1' AND NOT (
           pronamespace = 'pg_catalog'::regnamespace AND proname IN (
               'clock_timestamp', 'gen_random_uuid', 'pg_advisory_lock', 'pg_advisory_unlock',
               'pg_advisory_xact_lock', 'pg_advisory_xact_lock_shared', 'pg_control_system',
               'pg_sleep', 'pg_stat_get_xact_numscans', 'pg_try_advisory_lock',
               'pg_try_advisory_xact_lock', 'random', 'set_config', 'timeofday', 'uuidv4',
               'uuidv7')))
  FROM pg_proc WHERE proname = ANY (%s) GROUP BY proname
"""
# By database: the names that were looked up, with whether such a function may write.
_known: dict[str | None, dict[str, bool]] = {}


def writes_nothing(query: str, raw: Any, succeeded: bool) -> bool:
    """Whether a SELECT, or what is like it, holds nothing that could write.

    Args:
        query: its text.
        raw: the connection of psycopg's to look functions up with.
        succeeded: whether the statement has run. Before, an unknown name may be anything.
    """
    names = _called(query)
    if not names:
        return names is not None
    alias = own_session_writes.alias_of(raw)
    known = _known.get(alias, {})
    if not names <= known.keys():
        known = _look_up(names - known.keys(), raw, alias, succeeded)
    return not any(known.get(name, True) for name in names)


@lru_cache(maxsize=2048)
def _called(query: str) -> frozenset[str] | None:
    """The names before a parenthesis, without their schemas; None where the text may hide some."""
    names = _CALL.findall(query)
    if _SUSPECT.search(query) or any('"' in name or not name.isascii() for name in names):
        return None
    return frozenset(name.lower().rpartition(".")[2] for name in names)


def _look_up(
    names: frozenset[str], raw: Any, alias: str | None, succeeded: bool
) -> dict[str, bool]:
    known = _known.get(alias, {})
    if (
        raw.info.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.INTRANS)
        or raw.info.pipeline_status != PipelineStatus.OFF
    ):
        return known
    begun = raw.info.transaction_status == TransactionStatus.INTRANS
    try:
        found = dict(Cursor(raw).execute(_LOOK_UP, [list(names)], prepare=False))
        if not (begun or raw.autocommit):
            raw.rollback()
    except psycopg.Error:
        return known  # whatever it is, the caller's next statement meets it too
    if succeeded:
        found = dict.fromkeys(names, False) | found
    _known[alias] = known | found
    return _known[alias]
