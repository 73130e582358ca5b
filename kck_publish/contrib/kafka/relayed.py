"""What the database keeps of the relay's topics: counts, errors, and messages that were refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from ... import clock
from ...postgres import Cursor
from ...retry_policy import Retry
from . import headers
from .outgoing import Outgoing

# How refused messages are tried again: for ever, up to an hour apart.
AGAIN = Retry(max_retries=-1, delay=timedelta(seconds=5))

_KNOW = "INSERT INTO kck_publish_kafka_relay (topic) VALUES (%s) ON CONFLICT DO NOTHING"
_ID = "SELECT topic_id FROM kck_publish_kafka_relay WHERE topic = %s"
_IDENTIFY = "UPDATE kck_publish_kafka_relay SET topic_id = %s WHERE topic = %s"
_SENT = """
UPDATE kck_publish_kafka_relay SET sent = sent + %s, suppressed = suppressed + %s,
       sent_at = clock_timestamp() WHERE topic = %s
"""
_FAILED = """
UPDATE kck_publish_kafka_relay SET error = %s, error_at = clock_timestamp(),
       failed = failed + (%s <> '')::int WHERE topic = %s
"""
# The Follower waits for the broker, and is alive.
_ALIVE = "UPDATE kck_publish_consumer SET seen_at = clock_timestamp() WHERE name = ANY (%s)"
_HELD = "SELECT DISTINCT key FROM kck_publish_kafka_unsent WHERE topic = %s"
_KEEP = """
INSERT INTO kck_publish_kafka_unsent (topic, key, value, headers, error, due_at)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_DROP_KEY = "DELETE FROM kck_publish_kafka_unsent WHERE topic = %s AND key = ANY (%s)"
_DUE = """
SELECT id, key, value, headers, attempts FROM kck_publish_kafka_unsent u
 WHERE topic = %s AND (SELECT min(due_at) FROM kck_publish_kafka_unsent
                        WHERE topic = u.topic AND key = u.key) <= %s
 ORDER BY id LIMIT %s
"""
_DONE = "DELETE FROM kck_publish_kafka_unsent WHERE id = ANY (%s)"
_LATER = """
UPDATE kck_publish_kafka_unsent SET attempts = attempts + 1, due_at = %s, error = %s
 WHERE topic = %s AND key = %s
"""


def know(cursor: Cursor, topic: str) -> None:
    """Have a row for a topic."""
    cursor.execute(_KNOW, [topic])


def topic_id(cursor: Cursor, topic: str) -> str:
    """The topic's id as it was last told; "" when it was not."""
    cursor.execute(_ID, [topic])
    row = cursor.fetchone()
    return str(row[0]) if row else ""


def identify(cursor: Cursor, topic: str, id_: str) -> None:
    """The topic has this id from now on."""
    cursor.execute(_IDENTIFY, [id_, topic])


def sent(cursor: Cursor, topic: str, number: int, suppressed: int = 0) -> None:
    """So many messages were acknowledged, and so many changes not told, on purpose."""
    cursor.execute(_SENT, [number, suppressed, topic])


def failed(cursor: Cursor, topic: str, error: str) -> None:
    """The topic cannot be written, for this reason; "" when it can again."""
    cursor.execute(_FAILED, [error, error, topic])


def alive(cursor: Cursor, names: Sequence[str]) -> None:
    """Give a sign of life for Followers that wait for a broker."""
    cursor.execute(_ALIVE, [list(names)])


def held(cursor: Cursor, topic: str) -> set[bytes]:
    """The keys of which a message waits."""
    cursor.execute(_HELD, [topic])
    return {bytes(row[0]) for row in cursor.fetchall()}


def keep(cursor: Cursor, topic: str, refused: Sequence[tuple[Outgoing, str]], newest: bool) -> None:
    """Keep what the broker refuses, to be tried again.

    Args:
        newest: only a key's newest message matters.
    """
    if newest:
        refused = list({message.key: (message, error) for message, error in refused}.values())
        cursor.execute(_DROP_KEY, [topic, [message.key or b"" for message, _ in refused]])
    due = clock.now() + AGAIN.wait(1)
    for message, error in refused:
        packed = headers.pack([*message.headers.items()])
        cursor.execute(_KEEP, [topic, message.key or b"", message.value, packed, error, due])


def due(cursor: Cursor, topic: str, limit: int) -> list[tuple[int, Outgoing, int]]:
    """Messages whose time has come again: id, message, and attempts so far."""
    cursor.execute(_DUE, [topic, clock.now(), limit])
    return [
        (id_, Outgoing(bytes(key) or None, _bytes(value), _headers(packed)), attempts)
        for id_, key, value, packed, attempts in cursor.fetchall()
    ]


def done(cursor: Cursor, ids: Sequence[int]) -> None:
    """These are acknowledged."""
    cursor.execute(_DONE, [list(ids)])


def later(cursor: Cursor, topic: str, message: Outgoing, error: str, attempts: int) -> None:
    """Try this key again later."""
    due_at = clock.now() + AGAIN.wait(attempts + 1)
    cursor.execute(_LATER, [due_at, error, topic, message.key or b""])


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)


def _headers(packed: Any) -> dict[str, bytes]:
    return {name: value or b"" for name, value in headers.unpack(bytes(packed))}
