"""Telling retry topics and dead letter topics of messages that have failed.

The table is the truth, and the messages are tried again from there; the topics let others see them.
A topic that cannot be written is told later, and nothing waits for it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import connections, transaction

from ...conf import settings
from ...postgres import Cursor
from . import config, failures
from .failures import DEAD
from .headers import pairs
from .under_way import REFUSED, note

logger = logging.getLogger("kck_publish")

# How many at once, and how long they may take, in seconds.
LIMIT, PATIENCE = 500, 5.0


def retry_topic(group: str, topic: str, attempt: int) -> str:
    """Where a message is shown that waits for its retry."""
    return _named(f"{group}.{topic}.retry.{attempt}")


def dead_letter_topic(group: str, topic: str) -> str:
    """Where a message is shown that has failed for good."""
    return _named(f"{group}.{topic}.dlt")


def shown_in(group: str, names: Sequence[str]) -> set[str]:
    """Those of these topics that show a group's failures on others of them.

    A group that consumes all topics of a pattern is not to consume what it has written itself.
    """
    shown = {dead_letter_topic(group, name) for name in names}
    waiting = {_named(f"{group}.{name}.retry") for name in names}
    return {
        name
        for name in names
        if name in shown or (name.rpartition(".")[0] in waiting and name[-1].isdigit())
    }


def _named(name: str) -> str:
    """A topic's name has fewer characters than a group's; the headers tell both as they are."""
    return re.sub(r"[^a-zA-Z0-9._-]", "_", name)


class Telling:
    """Tells the topics of one process's groups; its client is made when there is something."""

    def __init__(self) -> None:
        self._producer: Any = None
        self._failing = False

    def tell(self, group: str) -> int:
        """Tell of what a group has still to tell of; how many were acknowledged."""
        alias = settings.DATABASE
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            return self._tell(cursor, group)

    def close(self) -> None:
        """Let go of the client."""
        self._producer = None

    def _tell(self, cursor: Cursor, group: str) -> int:
        """The rows are held meanwhile, so that another process does not tell of them too."""
        rows = failures.untold(cursor, group, LIMIT)
        if not rows:
            return 0
        results: list[str | None] = [None] * len(rows)
        kafka = config.module()
        for index, row in enumerate(rows):
            try:
                self._send(group, row, partial(note, results, index))
            except BufferError:
                break  # the next time
            except kafka.KafkaException as error:
                note(results, index, error.args[0], None)
        if self._producer is not None:
            self._producer.flush(PATIENCE)
        for row, result in zip(rows, results, strict=True):
            if result == "":
                failures.told(cursor, row[0], row[8])
            elif result in REFUSED:
                logger.error(
                    "A failed message of group %s, topic %s, cannot be shown (%s): it is kept.",
                    group,
                    row[1],
                    result,
                )
                failures.tell_later(cursor, row[0], row[13], str(result))
        errors = {result or "_TIMED_OUT" for result in results if result not in ("", *REFUSED)}
        if errors and not self._failing:
            logger.error("Dead letters cannot be written (%s): they are kept.", min(errors))
        self._failing = bool(errors)
        return results.count("")

    def _send(self, group: str, row: tuple[Any, ...], answer: Any) -> None:
        fields = failures.fields(row)
        state, due_at, error, traceback = row[9:13]
        topic, attempts = fields["topic"], fields["attempts"]
        dead = state == DEAD
        name = dead_letter_topic(group, topic) if dead else retry_topic(group, topic, attempts)
        more = pairs(
            from_topic=topic,
            from_partition=fields["partition"],
            from_offset=fields["offset"],
            group=group,
            attempts=attempts,
            due=None if due_at is None else due_at.isoformat(),
            error=error,
            traceback=traceback if dead else None,
        )
        if self._producer is None:
            given = config.client("producer", config.PRODUCER)
            given.pop("transactional.id", None)
            named = config.named_once(f"Retry and dead letter topics of {group}")
            self._producer = config.module().Producer({**given, "error_cb": named})
        self._producer.produce(
            name,
            value=fields["raw_value"],
            key=fields["raw_key"],
            headers=[*fields["headers"], *more],
            on_delivery=answer,
        )
