"""Writing messages to one topic, until the broker has acknowledged them.

In order, and none past one that failed: what is not acknowledged is sent again from there on, with
a new client where the old one's state is of no use any more. So a key's last message is the newest,
whatever was repeated before it. What the broker refuses for good is given back to the caller.

Several batches may be under way: while the broker has one, the next one is read and given to the
client. For a failure they are one sequence.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from ...following.process import Stopping
from . import config
from .outgoing import Outgoing
from .under_way import REFUSED, WAITS, Batch, note

logger = logging.getLogger("kck_publish")

# Seconds between two looks at whether to stop, and between two tries.
POLL, FIRST_PAUSE, LONGEST_PAUSE = 0.1, 0.2, 10.0


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
        self._under_way: list[Batch] = []

    def begin(self, messages: Sequence[Outgoing], held: Collection[bytes] = ()) -> Batch:
        """Give messages to the client; ``finish`` waits for the broker.

        Args:
            held: keys of which nothing is sent: an earlier message of theirs was refused.

        Raises:
            Stopping: it was told to stop.
        """
        before = [one.held for one in self._under_way]
        batch = Batch(messages, set(held).union(*before))
        self._under_way.append(batch)
        self._give(batch)
        return batch

    def finish(self, batch: Batch) -> list[tuple[Outgoing, str]]:
        """Return once each message is acknowledged, or refused.

        Returns:
            those that the broker refuses, with the name of the error, and those after them of the
            same key, in order.

        Raises:
            Stopping: it was told to stop, and what is not acknowledged may be there or not.
        """
        pause = FIRST_PAUSE
        while batch in self._under_way and (error := self._wait_for(batch)):
            if error != self._error:
                self._error = error
                self._failed(error)
            self._let_go()
            self._wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            if self._stopping():
                raise Stopping
            for one in self._under_way:
                self._give(one)
        del self._under_way[: self._number(batch)]
        if self._error:
            self._error = ""
            self._failed("")
        return batch.refused

    def close(self) -> None:
        """Forget what is under way: let go of the client, and of what it still has to send."""
        self._under_way.clear()
        self._let_go()

    def _let_go(self) -> None:
        if self._producer is not None:
            self._producer.purge()
            self._producer.poll(0)
            self._producer = None

    def _wait_for(self, batch: Batch) -> str:
        """Why something must be sent again, once the broker has answered; "" when all is well."""
        number = self._number(batch)
        awaited, later = self._under_way[:number], self._under_way[number:]
        if self._transactional:
            for one in awaited:
                if not self._commit(one):
                    break
        else:
            while any(None in one.results for one in awaited):
                # A flush does not linger, and waits for what is later, too.
                self._ask(self._producer.poll if later else self._producer.flush, awaited)
        why = ""
        for one in awaited:
            why = one.settle(why)
        if why:
            for one in later:
                one.settle(why)
        return why

    def _number(self, batch: Batch) -> int:
        """How many are under way up to this one; 0 when it is there already."""
        return self._under_way.index(batch) + 1 if batch in self._under_way else 0

    def _ask(self, ask: Callable[[float], int], awaited: Sequence[Batch]) -> int:
        """Have the client tell what the broker has answered.

        Raises:
            Stopping: it was told to stop, and some of it is not answered.
        """
        left = ask(POLL)
        if self._stopping() and any(None in one.results for one in awaited):
            raise Stopping
        return left

    def _give(self, batch: Batch) -> None:
        """Give what is left of a batch to the client."""
        # A list of its own: of an earlier client a late answer may still come.
        batch.results = [None] * len(batch.left)
        with self._noted(batch):
            self._open()
            if not self._transactional:
                self._produce(batch)

    def _commit(self, batch: Batch) -> bool:
        """Send a batch as a transaction of Kafka's; whether the next one may follow."""
        if None in batch.results:
            with self._noted(batch):
                self._producer.begin_transaction()
                self._produce(batch)
                while self._ask(self._producer.flush, [batch]):
                    pass
                self._producer.commit_transaction()
        return all(result in ("", *REFUSED) for result in batch.results)

    @contextmanager
    def _noted(self, batch: Batch) -> Iterator[None]:
        """An error is that of each message without an answer; of a transaction, of all of them."""
        kafka = config.module()
        try:
            yield
        except kafka.KafkaException as error:
            unanswered = ("", None) if self._transactional else (None,)
            name = error.args[0].name()
            batch.results = [name if one in unanswered else one for one in batch.results]

    def _produce(self, batch: Batch) -> None:
        """Give each message to the client, in order, but those whose key is held."""
        kafka, held, results = config.module(), batch.held, batch.results
        produce, topic = self._producer.produce, self._topic
        for index, message in enumerate(batch.left):
            key = message.key
            if key is not None and key in held:
                results[index] = WAITS
                continue
            answer = partial(note, results, index)
            while results[index] is None:
                try:
                    produce(topic, message.value, key, on_delivery=answer, headers=message.headers)
                    break
                except BufferError:
                    self._ask(self._producer.poll, [batch])
                except kafka.KafkaException as error:
                    if error.args[0].name() not in REFUSED:
                        raise
                    results[index] = error.args[0].name()
                    if key is not None:
                        held.add(key)

    def _open(self) -> None:
        if self._producer is None:
            named = config.named_once(f"Topic {self._topic}")
            given = config.client("producer", config.PRODUCER)
            self._transactional = bool(given.get("transactional.id"))
            if self._transactional:  # of this topic alone: another process is fenced by it
                given["transactional.id"] = f"{given['transactional.id']}.{self._topic}"
            producer = config.module().Producer({**given, "error_cb": named})
            if self._transactional:
                producer.init_transactions()
            self._producer = producer
