"""``kck_relay``: fills the declared topics; several processes share them.

Each topic has a thread with a Follower of its own, so that one that cannot be written stops no
other. Which topics a process fills, it agrees on with the others by ``shared_work``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import psycopg
from django.db import DatabaseError, connections

from ...conf import settings
from ...exceptions import KckPublishError
from ...following.process import Stopping, close_thread
from ...log import consumers
from ...postgres import connect, describe, is_passing
from . import config, relayed
from .cluster import Cluster
from .relay_follower import TopicFollower
from .shared_work import Sharing
from .topics import ProductTopic, Topic

logger = logging.getLogger("kck_publish")

# Seconds between two rounds; between two looks at whether a topic was made anew; before a topic
# that ended by an error is begun again.
ROUND, LOOK, AGAIN = 0.5, 2.0, 5.0


@dataclass
class _Running:
    """A topic that this process fills."""

    follower: TopicFollower
    thread: threading.Thread
    looked: float = field(default_factory=time.monotonic)
    again: threading.Thread | None = None  # sends what was refused; a broker may have it wait


class Relay:
    """Fills topics until it is stopped.

    Args:
        topics: which; more than its part of them are filled by other processes.
    """

    def __init__(self, topics: Sequence[type[Topic]]) -> None:
        self._topics = {declared.topic: declared for declared in topics}
        self._running: dict[str, _Running] = {}
        self._ended: dict[str, float] = {}
        self._stopped = threading.Event()
        self._cluster = Cluster()
        self.poll = False
        self.say: Callable[[str], object] = lambda line: None

    def stop(self) -> None:
        """Finish, and return from ``run``; a signal handler may call it."""
        self._stopped.set()

    def run(self) -> None:
        """Fill the topics until ``stop``."""
        config.client("producer")  # raises where there is nothing to connect to
        config.module()
        said = lost = False
        while not self._stopped.is_set():
            try:
                with closing(connect(settings.DATABASE)) as desk:
                    sharing = Sharing(desk, "kafka-relay", self._release)
                    while not self._stopped.is_set():
                        self._round(sharing)
                        lost = False
                        if not said:
                            said = True
                            self.say(f"kck_relay ready: {', '.join(self._topics)}")
                        self._stopped.wait(ROUND)
            except (DatabaseError, psycopg.Error) as error:
                if not is_passing(error):
                    raise
                if not lost:
                    logger.warning("The relay has lost the database (%s).", describe(error))
                lost = True
                connections[settings.DATABASE].close()
                self._stopped.wait(ROUND)
            finally:
                for running in self._running.values():
                    running.follower.stop()
                for topic in list(self._running):
                    self._release(topic)
                connections[settings.DATABASE].close()

    def _round(self, sharing: Sharing) -> None:
        sharing.balance(self._topics)
        for topic in sorted(sharing.owned):
            if self._stopped.is_set():
                return
            running = self._running.get(topic)
            if running is not None and not running.thread.is_alive():
                self._release(topic)
                self._ended[topic] = time.monotonic()
                running = None
            if running is None:
                if time.monotonic() - self._ended.get(topic, -AGAIN) >= AGAIN:
                    self._begin(topic)
            else:
                self._look_after(topic, running)
        with connections[settings.DATABASE].cursor() as cursor:
            relayed.alive(cursor, [one.follower.name for one in self._running.values()])

    def _begin(self, topic: str) -> None:
        with connections[settings.DATABASE].cursor() as cursor:
            relayed.know(cursor, topic)
        self._see_to_topic(topic)
        follower = self._topics[topic].follower()
        follower.process.poll = self.poll
        thread = threading.Thread(target=self._follow, args=(follower,), name=follower.name)
        self._running[topic] = _Running(follower, thread)
        thread.start()

    def _follow(self, follower: TopicFollower) -> None:
        try:
            follower.run()
        except Exception as error:
            logger.exception("Topic %s is not filled.", follower.declared.topic)
            name = str(error) if isinstance(error, KckPublishError) else type(error).__name__
            with connections[settings.DATABASE].cursor() as cursor:
                relayed.failed(cursor, follower.declared.topic, name)
        finally:
            follower.sender.close()
            close_thread()

    def _look_after(self, topic: str, running: _Running) -> None:
        if time.monotonic() - running.looked < LOOK:
            return
        running.looked = time.monotonic()
        if running.follower.may_hold and not (running.again and running.again.is_alive()):
            running.again = threading.Thread(target=self._send_again, args=(running.follower,))
            running.again.start()
        if self._see_to_topic(topic):
            self._release(topic)

    def _send_again(self, follower: TopicFollower) -> None:
        """In a thread of its own: while a broker is away, the other topics are looked after."""
        try:
            follower.send_refused()
        except Stopping:
            pass
        except (DatabaseError, psycopg.Error) as error:
            logger.warning("What was refused waits for the database (%s).", describe(error))
        finally:
            close_thread()

    def _see_to_topic(self, topic: str) -> bool:
        """Make the topic where it is missing; whether it is another one than it was.

        A topic that was made anew is empty: a product topic is filled once more.
        """
        declared, kafka = self._topics[topic], config.module()
        try:
            if declared.partitions is not None and not self._cluster.partitions([topic]):
                self._cluster.make(
                    topic, declared.partitions, declared.replication, declared.config
                )
            id_ = self._cluster.id_of(topic)
        except kafka.KafkaException:
            return False  # who writes to it says so
        with connections[settings.DATABASE].cursor() as cursor:
            known = relayed.topic_id(cursor, topic)
            if not id_ or id_ == known:
                return False
            relayed.identify(cursor, topic, id_)
            if not known:
                return False
            if not issubclass(declared, ProductTopic):
                logger.error("Topic %s was made anew: what was sent to it is gone.", topic)
                relayed.failed(cursor, topic, "The topic was made anew: what was sent is gone.")
                return False
            logger.warning("Topic %s was made anew: it is filled once more.", topic)
            consumers.forget(cursor, declared.follower.name)
        return True

    def _release(self, topic: str) -> None:
        running = self._running.pop(topic, None)
        if running is not None:
            running.follower.stop()
            running.thread.join()
            if running.again is not None:
                running.again.join()
