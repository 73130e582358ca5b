"""What one consumer does in one process: own partitions, fetch, handle, wait for retries.

Partitions are assigned by ``shared_work``, not by a group of Kafka's: so nobody stops while others
come and go, and the offsets are the database's alone.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import Any

from django.db import connections, transaction

from ... import clock
from ...conf import settings
from ...postgres import connect
from . import config, failures, offsets
from .cluster import Cluster
from .consumer import TopicConsumer
from .exactly_once import Handling
from .failed_topics import shown_in
from .message import Message, read
from .offsets import Moved, Where
from .shared_work import Sharing

logger = logging.getLogger("kck_publish")

# Seconds: between two rounds; between two questions to the brokers; a fetch waits.
ROUND, ASK, WAIT = 0.5, 2.0, 0.2


class Worker:
    """Handles the topic of one consumer, as far as this process owns its partitions.

    Args:
        declared: the consumer.
        stopped: set when it is to end.
    """

    def __init__(self, declared: type[TopicConsumer], stopped: threading.Event) -> None:
        self.declared = declared
        self.group = declared.group_name()
        self.owned = 0
        self._stopped = stopped
        self._named = self._naming()
        self._consumer = declared()
        self._handling = Handling(self._consumer)
        self._cluster = Cluster()
        self._client: Any = None
        self._next: dict[Where, int] = {}
        self._blocked: dict[Where, datetime] = {}
        self._ids: dict[str, str] = {}
        self._missed: set[str] = set()  # topics that were said not to be there
        self._asked = -ASK
        self._topics: dict[str, list[int]] = {}

    def run(self) -> None:
        """Handle messages until told to stop.

        Raises:
            django.db.DatabaseError, psycopg.Error, confluent_kafka.KafkaException: begin anew.
        """
        self._named = self._naming()
        given = config.client("consumer", config.CONSUMER, **self.declared.config)
        given |= {**config.CONSUMER, "group.id": self.group, "error_cb": self._named}
        self._client = config.module().Consumer(given)
        try:
            with closing(connect(settings.DATABASE)) as desk:
                scope = f"{self.group}:{self.declared.topic}"
                sharing = Sharing(desk, scope, self._release)
                last = -ROUND
                while not self._stopped.is_set():
                    if time.monotonic() - last >= ROUND:
                        last = time.monotonic()
                        self._round(sharing)
                    self._fetch(sharing)
        finally:
            self._client.close()
            self._next.clear()
            self._blocked.clear()
            self.owned = 0

    def _naming(self) -> Callable[[Any], None]:
        return config.named_once(f"Consumer {self.declared.__qualname__}")

    def _round(self, sharing: Sharing) -> None:
        if time.monotonic() - self._asked >= ASK:
            self._asked = time.monotonic()
            self._ask()
        places = {
            (place := Where(self.group, topic, number)).name: place
            for topic, numbers in sorted(self._topics.items())
            for number in numbers
        }
        for name in sorted(sharing.balance(places)):
            self._assign(places[name])
        self.owned = len(sharing.owned)
        self._say_ends()

    def _ask(self) -> None:
        """Which partitions there are, and whether a topic is another one than it was."""
        pattern = self.declared.topic
        names = self._cluster.names() if pattern.startswith("^") else [pattern]
        wanted = [name for name in names if name == pattern or _matches(pattern, name)]
        if len(wanted) > 1:
            wanted = sorted(set(wanted) - shown_in(self.group, wanted))
        self._topics = self._cluster.partitions(wanted)
        for topic in set(wanted) - set(self._topics) - self._missed:
            self._missed.add(topic)
            logger.warning("Topic %s is not there: waiting for it.", topic)
        for topic in self._topics:
            id_ = self._cluster.id_of(topic)
            if not id_ or self._ids.setdefault(topic, id_) == id_:
                continue
            self._ids[topic] = id_
            logger.warning("Topic %s was made anew: it is read from its beginning.", topic)
            for where in [one for one in self._next if one.topic == topic]:
                self._unassign(where)
                self._assign(where)

    def _assign(self, where: Where) -> None:
        id_ = self._ids.get(where.topic, "")
        alias = settings.DATABASE
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            known = offsets.known(cursor, where)
            if known is not None and id_ and known[1] not in ("", id_):
                failures.set_aside(cursor, where)
            first = 0 if known or self.declared.start == "earliest" else self._ends(where)[1]
            position = offsets.begin(cursor, where, id_, first)
            tried = failures.tried(cursor, where, position)
        self._next[where] = position
        if tried is not None and tried.due_at is not None and tried.due_at > clock.now():
            self._blocked[where] = tried.due_at
        else:
            self._read_from(where, position)

    def _read_from(self, where: Where, position: int) -> None:
        kafka = config.module()
        self._client.incremental_assign(
            [kafka.TopicPartition(where.topic, where.partition, position)]
        )

    def _unassign(self, where: Where) -> None:
        if self._next.pop(where, None) is not None and self._blocked.pop(where, None) is None:
            kafka = config.module()
            partition = kafka.TopicPartition(where.topic, where.partition)
            self._client.incremental_unassign([partition])

    def _release(self, name: str) -> None:
        for where in [one for one in self._next if one.name == name]:
            self._unassign(where)

    def _ends(self, where: Where, cached: bool = False) -> tuple[int, int]:
        kafka = config.module()
        partition = kafka.TopicPartition(where.topic, where.partition)
        low, high = self._client.get_watermark_offsets(partition, timeout=5.0, cached=cached)
        return low, high

    def _say_ends(self) -> None:
        elsewhere = []
        with connections[settings.DATABASE].cursor() as cursor:
            for where, position in self._next.items():
                end = max(position, self._ends(where, cached=True)[1])
                if offsets.seen(cursor, where, end) != position:
                    elsewhere.append(where)
        for where in elsewhere:  # it was told to begin again, or another process has been there
            self._unassign(where)
            self._assign(where)

    def _fetch(self, sharing: Sharing) -> None:
        now = clock.now()
        for where, due_at in list(self._blocked.items()):
            if due_at <= now:
                del self._blocked[where]
                self._read_from(where, self._next[where])
        while not self._stopped.is_set() and self._handling.retry_one(
            self.group, sorted(self._topics)
        ):
            pass
        first = self._client.poll(WAIT)
        if first is None:
            return
        fetched = [first, *self._client.consume(self.declared.batch - 1, 0)]
        batches: dict[Where, list[Message]] = defaultdict(list)
        for message in fetched:
            if message.error() is not None:
                continue
            where = Where(self.group, message.topic(), message.partition())
            batches[where].append(read(message, self._consumer.key_from, self._consumer.value_from))
        for where, messages in batches.items():
            if where in self._next and where not in self._blocked:
                self._handle(sharing, where, messages)
        for message in fetched:  # after those before it: it may have the partition read anew
            if message.error() is not None:
                self._failed(message)

    def _handle(self, sharing: Sharing, where: Where, messages: list[Message]) -> None:
        try:
            handled = self._handling.handle(where, self._next[where], messages)
        except Moved:
            logger.warning("Another process handles %s.", where.name)
            sharing.release(where.name)
            return
        if handled.blocked_until is not None:
            self._unassign(where)
            self._blocked[where] = handled.blocked_until
        self._next[where] = handled.next

    def _failed(self, message: Any) -> None:
        kafka = config.module()
        error = message.error()
        if error.fatal():
            raise kafka.KafkaException(error)
        where = Where(self.group, message.topic(), message.partition())
        if error.code() != kafka.KafkaError._AUTO_OFFSET_RESET:
            self._named(error)  # not authorized, say: nothing else would tell
            return
        if where not in self._next:
            return
        low, high = self._ends(where)
        anew = self._next[where] > high
        why = "was made anew" if anew else "has lost what was not handled"
        logger.error("%s %s: it is read from %d on.", where.name, why, low)
        alias = settings.DATABASE
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            offsets.rewind(cursor, where, low)
            if anew:
                failures.set_aside(cursor, where)
        self._unassign(where)
        self._assign(where)


def _matches(pattern: str, name: str) -> bool:
    return pattern.startswith("^") and re.match(pattern, name) is not None
