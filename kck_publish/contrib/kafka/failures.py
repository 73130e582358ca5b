"""Messages that have failed: attempts, when they are due, dead letters. In a table.

So attempts survive a restart, and a message that is tried later is handled once: whoever handles it
holds its row, and deletes it in the same transaction.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ... import clock
from ...postgres import Cursor
from ...refresh.errors import keep
from ...retry_policy import Retry
from . import headers
from .message import Message
from .offsets import Where

BLOCKING, RETRYING, DEAD = "blocking", "retrying", "dead"
# How what a topic's broker refuses is shown again: for ever, up to an hour apart.
AGAIN = Retry(max_retries=-1, delay=timedelta(seconds=5))

_AT = "consumer = %s AND topic = %s AND partition = %s AND place = %s"
_RECORD = """
INSERT INTO kck_publish_kafka_failure AS f (consumer, topic, partition, place, digest, key, value,
    headers, message_at, state, attempts, due_at, untold, error, message, traceback)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (consumer, topic, partition, place) DO UPDATE SET state = excluded.state,
    attempts = excluded.attempts, due_at = excluded.due_at, untold = excluded.untold,
    tell_at = NULL, tell_attempts = 0, tell_error = '',
    error = excluded.error, message = excluded.message, traceback = excluded.traceback
"""
_ATTEMPTS = f"SELECT attempts, due_at, state FROM kck_publish_kafka_failure WHERE {_AT}"
_FORGET = f"DELETE FROM kck_publish_kafka_failure WHERE {_AT}"
_ANY = """
SELECT EXISTS (SELECT FROM kck_publish_kafka_failure
                WHERE consumer = %s AND topic = %s AND partition = %s AND state <> 'blocking'
                  AND place >= 0 AND NOT superseded)
"""
_SUPERSEDE = """
UPDATE kck_publish_kafka_failure f SET superseded = true
  FROM unnest(%s::uuid[], %s::bigint[]) AS newer (d, place)
 WHERE consumer = %s AND topic = %s AND partition = %s AND state <> 'blocking' AND digest = d
   AND f.place < newer.place AND NOT superseded
"""
_SET_ASIDE = """
UPDATE kck_publish_kafka_failure SET place = -id,
       state = CASE state WHEN 'blocking' THEN 'retrying' ELSE state END
 WHERE consumer = %s AND topic = %s AND partition = %s AND place >= 0
"""
_COLUMNS = "id, topic, partition, place, key, value, headers, message_at, attempts"
_DUE = f"""
SELECT {_COLUMNS}, superseded FROM kck_publish_kafka_failure f
 WHERE consumer = %s AND topic = ANY (%s) AND state = 'retrying' AND due_at <= %s
 ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_UNTOLD = f"""
SELECT {_COLUMNS}, state, due_at, error, traceback, tell_attempts FROM kck_publish_kafka_failure
 WHERE consumer = %s AND untold AND (tell_at IS NULL OR tell_at <= %s)
 ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
"""
_TOLD = """
UPDATE kck_publish_kafka_failure SET untold = false, tell_error = ''
 WHERE id = %s AND attempts = %s
"""
_TELL_LATER = """
UPDATE kck_publish_kafka_failure
   SET tell_at = %s, tell_attempts = tell_attempts + 1, tell_error = %s
 WHERE id = %s
"""
_DONE = "DELETE FROM kck_publish_kafka_failure WHERE id = %s"


@dataclass(frozen=True)
class Tried:
    """How often a message has failed so far, and when it may be tried again."""

    attempts: int
    due_at: datetime | None
    state: str


@dataclass(frozen=True)
class Due:
    """A message whose time has come.

    Attributes:
        id: of its row.
        message: the arguments of ``Message``.
        superseded: a later one of its key was handled.
    """

    id: int
    where: Where
    message: dict[str, Any]
    superseded: bool


def tried(cursor: Cursor, where: Where, offset: int) -> Tried | None:
    """What is known of a message that has failed; None when it has not."""
    clock.aware(cursor).execute(_ATTEMPTS, [*where.columns, offset])
    row = cursor.fetchone()
    return None if row is None else Tried(*row)


def record(
    cursor: Cursor,
    where: Where,
    message: Message,
    error: BaseException,
    attempts: int,
    state: str,
    due_at: datetime | None,
    identity: uuid.UUID | None,
) -> None:
    """Keep that a message has failed for so many times; topics are told, unless it blocks.

    Args:
        identity: what it is about.
    """
    cursor.execute(
        _RECORD,
        [
            *where.columns,
            message.offset,
            identity or message.digest,
            message.raw_key,
            message.raw_value,
            headers.pack(message.headers),
            message.timestamp,
            state,
            attempts,
            due_at,
            state != BLOCKING,
            *keep(error),
        ],
    )


def forget(cursor: Cursor, where: Where, offset: int) -> None:
    """A message is handled after all."""
    cursor.execute(_FORGET, [*where.columns, offset])


def supersede(
    cursor: Cursor,
    where: Where,
    messages: Sequence[Message],
    identity: Callable[[Message], uuid.UUID | None],
) -> int:
    """Later messages are handled: how many earlier ones of the same are left out for it.

    Args:
        identity: tells what a message is about. One that could not be read is kept by its key.
    """
    cursor.execute(_ANY, where.columns)
    if not cursor.fetchone()[0]:
        return 0
    newest: dict[uuid.UUID, int] = {}
    for message in messages:
        if message.raw_key is not None:  # those without a key have nothing to do with each other
            newest[message.digest] = message.offset
        if (told := identity(message)) is not None:
            newest[told] = message.offset
    cursor.execute(_SUPERSEDE, [list(newest), list(newest.values()), *where.columns])
    return int(cursor.rowcount)


def set_aside(cursor: Cursor, where: Where) -> None:
    """The topic was made anew: those of the former one are none of its messages.

    They are tried again, and shown, as before, under places that no message has.
    """
    cursor.execute(_SET_ASIDE, where.columns)


def due(cursor: Cursor, group: str, topics: Sequence[str]) -> Due | None:
    """The next message whose time has come, held by this transaction."""
    cursor.execute(_DUE, [group, list(topics), clock.now()])
    row = cursor.fetchone()
    if row is None:
        return None
    return Due(row[0], Where(group, row[1], row[2]), fields(row), row[-1])


def done(cursor: Cursor, id_: int) -> None:
    """A message is handled after all."""
    cursor.execute(_DONE, [id_])


def untold(cursor: Cursor, group: str, limit: int) -> list[tuple[Any, ...]]:
    """Those that topics are still to be told of: the columns of a message, and of its state."""
    clock.aware(cursor).execute(_UNTOLD, [group, clock.now(), limit])
    return cursor.fetchall()


def told(cursor: Cursor, id_: int, attempts: int) -> None:
    """The topic is told of this attempt."""
    cursor.execute(_TOLD, [id_, attempts])


def tell_later(cursor: Cursor, id_: int, attempts: int, error: str) -> None:
    """The topic's broker refuses it: it is shown later, if the broker takes it then."""
    cursor.execute(_TELL_LATER, [clock.now() + AGAIN.wait(attempts + 1), error, id_])


def fields(row: Sequence[Any]) -> dict[str, Any]:
    """The arguments of ``Message`` that a row tells."""
    _, topic, partition, place, key, value, packed, at, attempts = row[:9]
    return {
        "topic": topic,
        "partition": partition,
        "offset": place,
        "raw_key": None if key is None else bytes(key),
        "raw_value": None if value is None else bytes(value),
        "headers": headers.unpack(bytes(packed)),
        "timestamp": at,
        "attempts": attempts,
    }
