"""``kck_consume``: the consumers of one process, each in a thread that is begun anew if it ends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import psycopg
from django.db import DatabaseError, connections

from ...conf import settings
from ...following.process import close_thread
from ...postgres import describe
from . import config, registry
from .consumer import TopicConsumer, see_apart
from .failed_topics import Telling
from .worker import Worker

logger = logging.getLogger("kck_publish")

# Seconds between two rounds; between two tries of a consumer that ended, at first and at the most.
ROUND, FIRST_PAUSE, LONGEST_PAUSE = 0.2, 0.2, 5.0


class Consume:
    """Runs consumers until it is stopped.

    Args:
        declared: which.
    """

    def __init__(self, declared: Sequence[type[TopicConsumer]]) -> None:
        self._stopped = threading.Event()
        self.workers = [Worker(one, self._stopped) for one in declared]
        self.say: Callable[[str], object] = lambda line: None

    def stop(self) -> None:
        """Finish the batches, and return from ``run``; a signal handler may call it."""
        self._stopped.set()

    def run(self) -> None:
        """Consume until ``stop``."""
        config.client("consumer")  # raises where there is nothing to connect to
        config.module()
        see_apart(registry.consumers.values())
        names = [worker.declared.__qualname__ for worker in self.workers]
        threads = [
            threading.Thread(target=self._run, args=(worker,), name=name)
            for worker, name in zip(self.workers, names, strict=True)
        ]
        for thread in threads:
            thread.start()
        self.say(f"kck_consume ready: {', '.join(names)}")
        telling, groups = Telling(), sorted({worker.group for worker in self.workers})
        lost = False
        while not self._stopped.wait(ROUND):
            try:
                for group in groups:
                    telling.tell(group)
                lost = False
            except (DatabaseError, psycopg.Error) as error:
                if not lost:
                    logger.warning("Dead letters cannot be read (%s).", describe(error))
                lost = True
                connections[settings.DATABASE].close()
        for thread in threads:
            thread.join()
        telling.close()
        connections[settings.DATABASE].close()

    def _run(self, worker: Worker) -> None:
        pause, said = FIRST_PAUSE, ""
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                worker.run()
            except Exception as error:  # noqa: BLE001 - a consumer never ends but when told to
                if time.monotonic() - began > LONGEST_PAUSE:
                    pause, said = FIRST_PAUSE, ""
                if (reason := f"{type(error).__name__}: {describe(error)}") != said:
                    said = reason
                    logger.error(
                        "Consumer %s begins anew (%s).", worker.declared.__qualname__, reason
                    )
                self._stopped.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            finally:
                close_thread()
