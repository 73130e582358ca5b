"""Messages of one partition, handled each once: the rows and the offset in one transaction.

First all of a batch at once. Where that fails, one by one, so that the one that fails is found, and
is kept with its error in the transaction that moves past it, or stays where it is and blocks.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connections, transaction
from psycopg import errors

from ... import clock
from ...capture.suppress import origin
from ...conf import settings
from ...refresh.errors import describe
from . import failures, offsets
from .consumer import TopicConsumer
from .failures import BLOCKING, DEAD, RETRYING, Tried
from .message import Message
from .offsets import Moved, Where

logger = logging.getLogger("kck_publish")


@dataclass(frozen=True)
class Handled:
    """How far messages of a partition were handled.

    Attributes:
        next: the next offset to handle.
        blocked_until: when the one there may be tried again; None when nothing blocks.
    """

    next: int
    blocked_until: datetime | None = None


class Handling:
    """Handles messages with one consumer.

    Args:
        consumer: what to do with them.
    """

    def __init__(self, consumer: TopicConsumer) -> None:
        self._consumer = consumer

    def handle(self, where: Where, first: int, messages: Sequence[Message]) -> Handled:
        """Handle messages that follow each other.

        Args:
            first: the next offset, as the database has it; messages before it are left out.

        Raises:
            Moved: another process has handled them.
            django.db.DatabaseError: the database is away; nothing is lost.
        """
        messages = [message for message in messages if message.offset >= first]
        if not messages:
            return Handled(first)
        try:
            self._commit(where, first, messages)
            return Handled(messages[-1].offset + 1)
        except Moved:
            raise
        except Exception as error:
            if _is_away():
                raise
            if len(messages) == 1:
                return self._one(where, first, messages[0], error)
        for message in messages:
            # A copy, whose value is read anew: what has failed may have taken parts of it out.
            handled = self._one(where, first, replace(message))
            if handled.blocked_until is not None:
                return handled
            first = handled.next
        return Handled(first)

    def retry_one(self, group: str, topics: Sequence[str]) -> bool:
        """Try a message again whose time has come; whether there was one."""
        alias = settings.DATABASE
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            due = failures.due(cursor, group, topics)
            if due is None:
                return False
            message = self._message(due.message)
            if due.superseded:
                failures.done(cursor, due.id)
                return True
            try:
                with transaction.atomic(using=alias), origin(f"kafka:{message.topic}"):
                    if self._consumer.supersedes:  # an earlier one may be due later than this one
                        failures.supersede(cursor, due.where, [message], self._consumer.identity)
                    self._consumer.consume_many([message])
            except Exception as error:
                if _is_away() or _is_contended(error):
                    raise
                self._record(due.where, message, error, message.attempts + 1, blocking=False)
            else:
                failures.done(cursor, due.id)
        return True

    def _one(
        self, where: Where, first: int, message: Message, error: Exception | None = None
    ) -> Handled:
        alias = settings.DATABASE
        with connections[alias].cursor() as cursor:
            tried = failures.tried(cursor, where, message.offset)
        if tried is not None and tried.due_at is not None and tried.due_at > clock.now():
            return Handled(first, tried.due_at)
        if error is None:
            try:
                self._commit(where, first, [message], tried)
                return Handled(message.offset + 1)
            except Moved:
                raise
            except Exception as found:
                if _is_away():
                    raise
                error = found
        if _is_contended(error):
            raise error
        attempts = (tried.attempts if tried else 0) + 1
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            due_at = self._record(where, message, error, attempts, self._consumer.blocking)
            if due_at is not None and self._consumer.blocking:
                # Raises Moved where it was handled after all, such as before a hook of the commit.
                offsets.move(cursor, where, first, message.offset, 0, message.timestamp)
                return Handled(message.offset, due_at)
            offsets.move(cursor, where, first, message.offset + 1, 0, message.timestamp)
        return Handled(message.offset + 1)

    def _commit(
        self, where: Where, first: int, messages: Sequence[Message], tried: Tried | None = None
    ) -> None:
        alias, last = settings.DATABASE, messages[-1]
        wanted = [message for message in messages if not self._consumer.passes_over(message)]
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            number = len(wanted)
            offsets.move(cursor, where, first, last.offset + 1, number, last.timestamp)
            if self._consumer.supersedes and wanted:
                failures.supersede(cursor, where, wanted, self._consumer.identity)
            if wanted:
                with origin(f"kafka:{where.topic}"):
                    self._consumer.consume_many(wanted)
            if tried is not None or self._consumer.blocking:
                failures.forget(cursor, where, messages[0].offset)

    def _record(
        self, where: Where, message: Message, error: Exception, attempts: int, blocking: bool
    ) -> datetime | None:
        policy = self._consumer.policy()
        again = policy.allows(error, attempts)
        due_at = clock.now() + policy.wait(attempts) if again else None
        state = DEAD if due_at is None else BLOCKING if blocking else RETRYING
        logger.warning(
            "Message %s of group %s has failed, attempt %d, and %s: %s",
            message,
            where.group,
            attempts,
            "is a dead letter" if due_at is None else "is tried again",
            describe(error),
        )
        with connections[settings.DATABASE].cursor() as cursor:
            identity = self._consumer.identity(message)
            failures.record(cursor, where, message, error, attempts, state, due_at, identity)
        return due_at

    def _message(self, given: dict[str, object]) -> Message:
        consumer = self._consumer
        made = {**given, "key_from": consumer.key_from, "value_from": consumer.value_from}
        return Message(**made)


def _is_contended(error: BaseException) -> bool:
    """Whether other sessions were in the way: the same message may be handled a moment later."""
    contended = (errors.DeadlockDetected, errors.SerializationFailure, errors.LockNotAvailable)
    return isinstance(error, contended) or isinstance(error.__cause__, contended)


def _is_away() -> bool:
    """Whether the connection is lost: what failed was not the message."""
    connection = connections[settings.DATABASE]
    raw = connection.connection
    if raw is None or raw.closed or raw.broken:
        connection.close()
        return True
    return False
