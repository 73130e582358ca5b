"""Notices what is written: every statement on every PostgreSQL connection of Django's.

The server answers each statement with a command tag. Only a few tags stand for statements that
change no row; any other makes the request's memo forget, and marks the session (see
``session_writes``). A SELECT may write too, by a function or a WITH: it is trusted only when it
holds nothing that could (no such keyword, no function that is not known), which is a condition that
a writing one cannot meet, not a guess at which do write.

What is not noticed: a view, operator, cast or policy whose definition calls a function that
writes; and what is sent past psycopg's cursors. ``clear_request_caches()`` is for these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from psycopg.errors import InvalidTransactionTermination
from psycopg.pq import TransactionStatus

from . import local_settings, request_writes, session_writes

_READING = (
    "SHOW",
    "FETCH",
    "DECLARE CURSOR",
    "CLOSE CURSOR",
    "SAVEPOINT",
    "RELEASE",
    "SET",
    "BEGIN",
)
_SUSPECT = re.compile(
    r"\b(insert|update|delete|merge|truncate|into|call|execute)\b|;\s*\S|/\*|--", re.IGNORECASE
)
_CALL = re.compile(r"([\w$.\"]+)\s*\(")
# ``f(x) name (columns)``: what stands between two such parentheses names columns, calls nothing.
_ALIAS = re.compile(r"\)\s*(?:as\s+)?\w+\s*\(", re.IGNORECASE)
# Words that a parenthesis may follow, and functions that change nothing: what Django's own
# expressions make, and what the library itself asks.
_WORDS = """
    all and any array array_agg as asc between bit_and bit_or bool_and bool_or by case cast coalesce
    count cross cume_dist date_part date_trunc dense_rank desc distinct else except exists extract
    filter first_value from greatest group having in inner intersect is join json_agg jsonb_agg
    json_build_object jsonb_build_object jsonb_array_length lag last_value lateral lead least left
    like ilike limit max min not nth_value ntile null nullif offset on or order outer over partition
    percent_rank rank recursive right row row_number select set some stddev_pop stddev_samp
    string_agg sum then union unnest using values var_pop var_samp when where with within avg

    abs acos array_length asin atan cardinality ceil ceiling char_length character_length chr
    clock_timestamp concat concat_ws cos cot degrees div exp floor length ln log lower lpad ltrim
    make_date md5 mod now octet_length pi position power radians regexp_replace repeat replace
    reverse round rpad rtrim sha224 sha256 sha384 sha512 sign sin split_part sqrt
    statement_timestamp strpos substr substring tan to_char trim trunc upper
    phraseto_tsquery plainto_tsquery setweight similarity to_tsquery to_tsvector ts_headline
    ts_rank ts_rank_cd unaccent websearch_to_tsquery word_similarity

    bigint char character decimal int integer interval numeric text time timestamp varchar

    current_database current_setting kck_publish_age_v1 kck_publish_ring_v1 kck_publish_running_v1
    kck_publish_unseen_v1 pg_advisory_xact_lock_shared pg_backend_pid
    pg_control_system pg_current_snapshot pg_current_xact_id pg_current_xact_id_if_assigned
    pg_partition_root pg_snapshot_xip pg_snapshot_xmax pg_snapshot_xmin pg_stat_get_xact_numscans
    pg_try_advisory_xact_lock pg_visible_in_snapshot set_config starts_with
"""
_HARMLESS = frozenset(_WORDS.split())
# A reader that adds what it has just computed: no answer that was given changes by it.
_ADD = re.compile(
    r"\s*INSERT INTO kck_publish_(edge\b|change \(source, op, new\)|entry \(.*\bON CONFLICT "
    r"(DO NOTHING\b|\(digest, fingerprint\) DO UPDATE SET by = 'reader'))",
    re.DOTALL,
)


#: Called with psycopg's connection after each statement that may have written.
subscribers: list[Callable[[Any], None]] = []


def may_write(tag: str | None, query: Any) -> bool:
    """Whether a statement that the server answered so may have changed a row.

    Args:
        tag: the server's command tag, with or without counts; None when there was none.
        query: the SQL; anything but a str is not looked into.
    """
    if tag is None or not isinstance(query, str):
        return True
    if tag.startswith("SELECT"):
        return _unsure(query)
    if tag.startswith("INSERT"):
        return _ADD.match(query) is None
    return tag.rstrip(" 0123456789") not in _READING or _unsure(query)


@lru_cache(maxsize=2048)
def _unsure(query: str) -> bool:
    return _SUSPECT.search(query) is not None or any(
        name.lower() not in _HARMLESS for name in _CALL.findall(_ALIAS.sub(")(", query))
    )


class _Watched:
    """Laid over psycopg's cursor class: looks at each statement, before and after it.

    Not a wrapper of Django's (execute_wrapper): that sees neither COPY, nor ``stream``, nor what is
    sent on psycopg's connection itself.
    """

    connection: Any
    statusmessage: str | None

    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        raw, tag = self.connection, None
        try:
            if local_settings.concerns(raw) and local_settings.may_fire(query):
                result = self._execute_within(query, *args, **options)
            else:
                result = super().execute(query, *args, **options)  # type: ignore[misc]
            tag = self.statusmessage
        finally:
            if may_write(tag, query):
                _note(raw)
        return result

    def _execute_within(self, query: Any, *args: Any, **options: Any) -> Any:
        """As ``execute``, with the settings of this context."""
        try:
            with self._settings(query):
                return super().execute(query, *args, **options)  # type: ignore[misc]
        except InvalidTransactionTermination:
            if self.connection.info.transaction_status != TransactionStatus.IDLE:
                raise
            # A procedure that commits: no transaction can hold settings for it.
            return super().execute(query, *args, **options)  # type: ignore[misc]

    def executemany(self, query: Any, *args: Any, **options: Any) -> Any:
        with self._writing(query):
            return super().executemany(query, *args, **options)  # type: ignore[misc]

    def stream(self, query: Any, *args: Any, **options: Any) -> Iterator[Any]:
        with self._writing(query):
            yield from super().stream(query, *args, **options)  # type: ignore[misc]

    @contextmanager
    def copy(self, statement: Any, *args: Any, **options: Any) -> Iterator[Any]:
        with (
            self._writing(statement),
            super().copy(statement, *args, **options) as copy,  # type: ignore[misc]
        ):
            yield copy

    @contextmanager
    def _writing(self, query: Any) -> Iterator[None]:
        try:
            with self._settings(query):
                yield
        finally:
            _note(self.connection)

    @contextmanager
    def _settings(self, query: Any) -> Iterator[None]:
        raw = self.connection
        if not (local_settings.concerns(raw) and local_settings.may_fire(query)):
            yield
            return
        with local_settings.own_transaction(raw):
            local_settings.put(raw)
            yield


def _note(raw: Any) -> None:
    mine = request_writes.current()
    if mine is not None:
        mine.note(raw)
    session_writes.note(raw)
    for told in subscribers:
        told(raw)


@lru_cache(maxsize=32)
def _watched(factory: Any) -> type[Any]:
    return type(factory.__name__, (_Watched, factory), {"__module__": factory.__module__})


def _connected(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if connection.vendor != "postgresql":
        return
    raw = connection.connection
    if isinstance(raw.cursor_factory, type):
        if not issubclass(raw.cursor_factory, _Watched):
            factory: Any = raw.cursor_factory
            raw.cursor_factory = _watched(factory)
        session_writes.watch(raw, connection.alias)


def connect() -> None:
    """Watch every connection that Django makes from now on."""
    connection_created.connect(_connected, dispatch_uid="kck_publish.watching")
