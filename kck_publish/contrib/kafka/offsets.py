"""How far each group has handled each partition: in PostgreSQL, moved with the rows.

The move names the offset that it starts from. So of two processes that both believe to own a
partition only one commits, and a message is never handled twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...postgres import Cursor

_BEGIN = """
INSERT INTO kck_publish_kafka_offset AS o (consumer, topic, partition, topic_id, next)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (consumer, topic, partition) DO UPDATE
   SET next = CASE WHEN excluded.topic_id NOT IN ('', o.topic_id) AND o.topic_id <> ''
                   THEN 0 ELSE o.next END,
       topic_id = CASE WHEN excluded.topic_id = '' THEN o.topic_id ELSE excluded.topic_id END
RETURNING next
"""
_KNOWN = """
SELECT next, topic_id FROM kck_publish_kafka_offset
 WHERE consumer = %s AND topic = %s AND partition = %s
"""
_MOVE = """
UPDATE kck_publish_kafka_offset
   SET next = %s, handled = handled + %s, message_at = coalesce(%s, message_at),
       seen = greatest(seen, %s), seen_at = clock_timestamp()
 WHERE consumer = %s AND topic = %s AND partition = %s AND next = %s
"""
_SEEN = """
UPDATE kck_publish_kafka_offset SET seen = %s, seen_at = clock_timestamp()
 WHERE consumer = %s AND topic = %s AND partition = %s RETURNING next
"""
_REWIND = """
UPDATE kck_publish_kafka_offset SET next = %s, seen = %s
 WHERE consumer = %s AND topic = %s AND partition = %s
"""

_AGAIN = "UPDATE kck_publish_kafka_offset SET next = 0 WHERE consumer = %s AND topic = %s"


class Moved(Exception):  # noqa: N818 - what has happened, not a mistake
    """Another process has handled these messages: it owns the partition now."""


@dataclass(frozen=True)
class Where:
    """A partition of a topic, as a group reads it."""

    group: str
    topic: str
    partition: int

    @property
    def name(self) -> str:
        """Tells it from others; the topic's name may hold anything but a slash."""
        return f"{self.group}/{self.topic}/{self.partition}"

    @property
    def columns(self) -> list[Any]:
        """As the tables have it."""
        return [self.group, self.topic, self.partition]


def known(cursor: Cursor, where: Where) -> tuple[int, str] | None:
    """The next offset to handle, and the topic's id; None when nothing is known."""
    cursor.execute(_KNOWN, where.columns)
    row = cursor.fetchone()
    return None if row is None else (int(row[0]), str(row[1]))


def begin(cursor: Cursor, where: Where, topic_id: str, first: int) -> int:
    """The next offset to handle: ``first`` where nothing is known; 0 in a topic made anew."""
    cursor.execute(_BEGIN, [*where.columns, topic_id, first])
    return int(cursor.fetchone()[0])


def move(
    cursor: Cursor, where: Where, first: int, after: int, number: int, at: datetime | None
) -> None:
    """Everything before ``after`` is handled, and ``first`` was the next one before.

    Raises:
        Moved: it was not.
    """
    cursor.execute(_MOVE, [after, number, at, after, *where.columns, first])
    if cursor.rowcount == 0:
        raise Moved(where.name)


def seen(cursor: Cursor, where: Where, end: int) -> int | None:
    """The partition's end is known; the next offset to handle, as the database has it."""
    cursor.execute(_SEEN, [end, *where.columns])
    row = cursor.fetchone()
    return None if row is None else int(row[0])


def rewind(cursor: Cursor, where: Where, first: int) -> None:
    """What is next is not there: go on at this offset."""
    cursor.execute(_REWIND, [first, first, *where.columns])


def again(cursor: Cursor, group: str, topic: str) -> None:
    """Go on at the beginning of a topic; who handles it now sees that it is not where it was."""
    cursor.execute(_AGAIN, [group, topic])
