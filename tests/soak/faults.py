"""What goes wrong, when, and how it is put right again: chosen by the soak's random numbers.

A fault may leave something to be undone later (a process to be continued, a listener to be started
again); `mend` undoes all of it at a quiet point.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import psycopg

from tests.soak.crew import Crew
from tests.soak.near import Near

TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT %s
"""
# Seconds from one fault to the next.
PACE = (0.1, 1.5)
# How long a process is stopped, in seconds: a listener's shards are taken from it after SILENCE.
STOPPED = (0.2, 10.0)
KINDS = {
    "listener killed": 6,
    "listener stopped": 5,
    "listener replaced": 3,
    "writer killed": 4,
    "writer stopped": 4,
    "reader killed": 2,
    "backend terminated": 8,
    "server restarted": 2,
    "server crashed": 3,
    "connection cut": 12,
    "store emptied": 1,
    "primer broken": 2,
    "audited meanwhile": 1,
}
# What may become of a near store, beside all that.
NEAR_KINDS = {
    "follower killed": 5,
    "follower stopped": 5,
    "reader stopped": 3,
    "near reader held": 5,
    "near file deleted": 2,
    "near file replaced": 2,
    "near file cut short": 1,
    "near file damaged": 1,
    "near door gone": 3,
}
_EVERY = KINDS | NEAR_KINDS


@dataclass
class Faults:
    """Makes faults while `tick` is called."""

    crew: Crew
    random: random.Random
    kinds: list[str]
    counts: Counter[str] = field(default_factory=Counter)
    told: deque[str] = field(default_factory=lambda: deque(maxlen=60))
    emptied: bool = False
    _next: float = 0.0
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def tick(self) -> None:
        """Undo what is due, and make the next fault if its time has come."""
        now = time.monotonic()
        for one in [one for one in self._later if one[0] <= now]:
            self._later.remove(one)
            one[1]()
        if now < self._next:
            return
        kind = self.random.choices(self.kinds, [_EVERY[one] for one in self.kinds])[0]
        if getattr(self, "_" + kind.replace(" ", "_"))() is not False:
            self.counts[kind] += 1
            self.told.append(f"  {datetime.now().time().isoformat('milliseconds')} {kind}")
        self._next = time.monotonic() + self.random.uniform(*PACE)

    def mend(self) -> None:
        """Put everything right."""
        for _, undo in self._later:
            undo()
        self._later.clear()
        self.crew.broken.unlink(missing_ok=True)

    def _after(self, least: float, most: float, undo: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + self.random.uniform(least, most), undo))

    def _listener_killed(self) -> None:
        self._end("listener", signal.SIGKILL, most=3)

    def _listener_replaced(self) -> None:
        self._end("listener", signal.SIGTERM, most=1)

    def _writer_killed(self) -> None:
        self._end("writer", signal.SIGKILL, most=1)

    def _reader_killed(self) -> None:
        self._end("reader", signal.SIGKILL, most=1)

    def _listener_stopped(self) -> bool:
        return self._stop("listener")

    def _writer_stopped(self) -> bool:
        return self._stop("writer")

    def _reader_stopped(self) -> bool:
        return self._stop("reader")

    def _follower_killed(self) -> bool:
        name = self.crew.follower()
        return name is not None and self._end_one(name, signal.SIGKILL, most=3)

    def _follower_stopped(self) -> bool:
        name = self.crew.follower()
        return name is not None and self._stop_one(name)

    def _near_reader_held(self) -> bool:
        if "holder-1" in self.crew.children and "holder-1" not in self.crew.ended:
            return False
        self.crew.start("holder-1")
        self._after(1, 8, self._let_go)
        return True

    def _let_go(self) -> None:
        self.crew.end("holder-1", signal.SIGKILL)

    def _near_file_deleted(self) -> None:
        self._near.delete()

    def _near_file_replaced(self) -> None:
        self._near.replace(self.random)

    def _near_file_cut_short(self) -> None:
        self._near.cut_short()

    def _near_file_damaged(self) -> None:
        self._near.damage()

    def _near_door_gone(self) -> None:
        self._near.close_door()

    @property
    def _near(self) -> Near:
        assert self.crew.near is not None
        return self.crew.near

    def _end(self, role: str, number: signal.Signals, most: float) -> None:
        self._end_one(self.random.choice(self.crew.names(role)), number, most)

    def _end_one(self, name: str, number: signal.Signals, most: float) -> bool:
        if not self.crew.end(name, number):
            return False
        self._after(0, most, lambda: self.crew.start(name))
        return True

    def _stop(self, role: str) -> bool:
        return self._stop_one(self.random.choice(self.crew.names(role)))

    def _stop_one(self, name: str) -> bool:
        child = self.crew.children.get(name)
        if child is None or child.stopped or not child.alive:
            return False
        child.send(signal.SIGSTOP)
        self._after(*STOPPED, lambda: child.send(signal.SIGCONT) if child.alive else None)
        return True

    def _backend_terminated(self) -> None:
        with closing(psycopg.connect(self.crew.dsn, autocommit=True)) as connection:
            connection.execute(TERMINATE, [self.random.randint(1, 3)])

    def _server_restarted(self) -> None:
        self._restart("fast")

    def _server_crashed(self) -> None:
        self._restart("immediate")

    def _restart(self, mode: Literal["fast", "immediate"]) -> None:
        self.crew.server.restart(mode)
        deadline = time.monotonic() + 30  # after a crash it recovers first
        while time.monotonic() < deadline:
            try:
                psycopg.connect(self.crew.dsn).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.02)

    def _connection_cut(self) -> None:
        self.crew.proxy.cut(self.random.randint(1, 3))

    def _store_emptied(self) -> None:
        self.emptied = True
        if self.crew.redis is not None:
            self.crew.redis.flush()
            return
        with closing(psycopg.connect(self.crew.dsn, autocommit=True)) as connection:
            while True:
                try:
                    connection.execute("DELETE FROM kck_publish_entry")
                except psycopg.errors.DeadlockDetected:  # with a listener that writes them
                    continue
                return

    def _audited_meanwhile(self) -> bool:
        return self.crew.audit()

    def _primer_broken(self) -> None:
        self.crew.broken.touch()
        self._after(0.5, 4, lambda: self.crew.broken.unlink(missing_ok=True))
