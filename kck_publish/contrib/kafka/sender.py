"""Writing messages to one topic, until the broker has acknowledged them.

In order, and none past one that failed: what is not acknowledged is sent again from there on, with
a new client where the old one's state is of no use any more. So a key's last message is the newest,
whatever was repeated before it. What the broker refuses for good is given back to the caller.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any

from ...following.process import Stopping
from . import config
from .outgoing import Outgoing

logger = logging.getLogger("kck_publish")

# Refused as they are, however often they are sent.
WAITS = "AFTER_A_REFUSED_ONE"
_REFUSED = ("MSG_SIZE_TOO_LARGE", "INVALID_RECORD", "INVALID_MSG", "INVALID_MSG_SIZE", WAITS)
# Seconds between two looks at what was acknowledged, and between two tries.
POLL, FIRST_PAUSE, LONGEST_PAUSE = 0.1, 0.2, 10.0


class Refused(Exception):  # noqa: N818 - what the broker said of one message
    """The broker refuses a message as it is; its name says why."""


class Sender:
    """Writes to one topic.

    Args:
        topic: its name.
        stopping: whether to give up; asked while it waits.
        wait: waits so many seconds, or until told to stop.
        failed: is told the name of each new error; "" when all is well again.
    """

    def __init__(
        self,
        topic: str,
        stopping: Callable[[], bool],
        wait: Callable[[float], object],
        failed: Callable[[str], object],
    ) -> None:
        self._topic = topic
        self._stopping = stopping
        self._wait = wait
        self._failed = failed
        self._producer: Any = None
        self._transactional = False
        self._error = ""

    def send(
        self, messages: Sequence[Outgoing], held: Collection[bytes] = ()
    ) -> list[tuple[Outgoing, str]]:
        """Return once each message is acknowledged, or refused.

        Args:
            held: keys of which nothing is sent: an earlier message of theirs was refused.

        Returns:
            those that the broker refuses, with the name of the error, and those after them of the
            same key, in order.

        Raises:
            Stopping: it was told to stop, and what is not acknowledged may be there or not.
        """
        refused: list[tuple[Outgoing, str]] = []
        left, pause, held = list(messages), FIRST_PAUSE, set(held)
        while left:
            left, error = self._try(left, refused, held)
            if not left:
                break
            if error != self._error:
                self._error = error
                self._failed(error)
            self.close()
            self._wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            if self._stopping():
                raise Stopping
        if self._error:
            self._error = ""
            self._failed("")
        return refused

    def close(self) -> None:
        """Let go of the client, and of what it still has to send."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.poll(0)
            self._producer = None

    def _try(
        self, messages: list[Outgoing], refused: list[tuple[Outgoing, str]], held: set[bytes]
    ) -> tuple[list[Outgoing], str]:
        """Send these; those from the first on that must be sent again, and why."""
        kafka = config.module()
        results: list[str | None] = [None] * len(messages)

        def delivered(index: int) -> Callable[[Any, Any], None]:
            def note(error: Any, message: Any) -> None:
                results[index] = "" if error is None else error.name()

            return note

        try:
            producer = self._open()
            if self._transactional:
                producer.begin_transaction()
            for index, message in enumerate(messages):
                if message.key is not None and message.key in held:
                    results[index] = WAITS
                else:
                    self._produce(producer, message, delivered(index))
                    if message.key is not None and results[index] in _REFUSED:
                        held.add(message.key)
            while producer.flush(POLL):
                if self._stopping():
                    raise Stopping
            if self._transactional:
                producer.commit_transaction()
        except kafka.KafkaException as error:
            return self._rest(messages, results, refused, error.args[0].name())
        return self._rest(messages, results, refused, "")

    def _rest(
        self,
        messages: list[Outgoing],
        results: list[str | None],
        refused: list[tuple[Outgoing, str]],
        error: str,
    ) -> tuple[list[Outgoing], str]:
        """What must be sent again: all from the first on that is not acknowledged."""
        again: list[Outgoing] = []
        why = ""
        for message, result in zip(messages, results, strict=True):
            if result in _REFUSED:
                refused.append((message, str(result)))
            elif again or result != "" or (error and self._transactional):
                again.append(message)
                why = why or result or error or "UNKNOWN"
        return again, why

    def _produce(self, producer: Any, message: Outgoing, note: Callable[[Any, Any], None]) -> None:
        kafka = config.module()
        while True:
            try:
                producer.produce(
                    self._topic,
                    value=message.value,
                    key=message.key,
                    headers=list(message.headers),
                    on_delivery=note,
                )
                return
            except BufferError:
                producer.poll(POLL)
            except kafka.KafkaException as error:
                if error.args[0].name() not in _REFUSED:
                    raise
                note(error.args[0], None)
                return
            if self._stopping():
                raise Stopping

    def _open(self) -> Any:
        if self._producer is None:
            named = config.named_once(f"Topic {self._topic}")
            given = config.client("producer", config.PRODUCER)
            self._transactional = bool(given.get("transactional.id"))
            if self._transactional:  # of this topic alone: another process is fenced by it
                given["transactional.id"] = f"{given['transactional.id']}.{self._topic}"
            self._producer = config.module().Producer({**given, "error_cb": named})
            if self._transactional:
                self._producer.init_transactions()
        return self._producer
