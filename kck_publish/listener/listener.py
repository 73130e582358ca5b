"""The listener: the long-running process that follows the log. ``manage.py kck_listen``.

It connects, takes shards and catches up; then the loop of all followers has it drain (see
``following.loop``), and ``worker`` does that.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from django.db import connections
from django.dispatch import Signal

from .. import signals
from ..capture.hidden_rows import see_all_rows
from ..conf import settings
from ..direct_connection import going_direct
from ..exceptions import ConfigurationError, ShardOccupied, StoreMissing, StoreUnreachable
from ..following.capture import CaptureWatch
from ..following.doorbell import Doorbell, listener_name
from ..following.loop import Loop
from ..following.process import Following
from ..postgres import autocommitting, connect, is_passing, is_read_only, unlimited
from ..products import registry
from ..refresh.lost_connections import Losses
from ..refresh.outcome import Outcome
from .heartbeat import Heartbeat
from .round import prove
from .session import Tell
from .shard import OwnedShard
from .shard_loop import ShardLoop
from .worker import Worker

logger = logging.getLogger("kck_publish")

# Before it says ready: the first handles all that was there, each further one a cascade's level.
CATCH_UP_ROUNDS = 10
# Seconds between two looks at the shards of others, where all is to be drained.
OTHERS_POLL = 0.05


class Listener(Following):
    """Follows the log until told to stop.

    Args:
        alias: the database.
        poll: never LISTEN, only look.
        most: how many shards to own at the most; None for all that are free.
        say: prints a line for the operator.
        stored: is told of the entries that were just changed.
        refuse: raises, once the database is reached for the first time, if it must not be followed.

    Attributes:
        owned: the shards that it owns.
        announced: whether it has said that it is ready.
        heartbeat: whether it lives and is ready, for those who look from outside.
    """

    def __init__(
        self,
        alias: str,
        poll: bool = False,
        most: int | None = None,
        say: Callable[[str], None] = print,
        stored: Tell = lambda keys, written: None,
        refuse: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self.alias = alias
        self.owned: dict[int, OwnedShard] = {}
        self.announced = False
        self.heartbeat = Heartbeat()
        self._poll = poll
        self._most = most
        self._say = say
        self._stored = stored
        self._refuse = refuse
        self._losses = Losses()
        self._has_started = False

    def once(self) -> Outcome:
        """Drain and return: what is committed now is handled.

        A shard of another listener is waited for: until that has handled it, or lets it go.

        Raises:
            ConfigurationError: inside a transaction, where nothing can be read but its own state.
            ShardOccupied: another listener owns a shard, and does not come on with it.
        """
        registry.graph()  # what is declared wrongly is named first
        if connections[self.alias].in_atomic_block:
            raise ConfigurationError(
                "A listener cannot work inside a transaction. In a test that is one, call "
                "kck_publish.testing.drain()."
            )
        with self.working() as worker:
            goal, deadline = worker.now(), time.monotonic() + settings.SILENCE
            total = worker.take_shards()
            total.add(worker.drain())
            while (others := worker.unhandled(goal)) and not self.stopping:
                if time.monotonic() > deadline:
                    raise ShardOccupied(others)
                self._stopped.wait(OTHERS_POLL)
                total.add(worker.take_shards())
                total.add(worker.drain())
            return total

    @contextmanager
    def working(self) -> Iterator[Worker]:
        """A worker with its own connection, which holds the locks of the shards that it takes."""
        registry.graph()  # a cycle, or a dependency on nothing, is refused here
        if not self._has_started:
            self._has_started = True
            self._tell(signals.listener_starts)
        with ExitStack() as stack:
            stack.callback(self._leave)
            desk = connect(self.alias)
            stack.callback(desk.close)  # and with it the shards' locks
            stack.enter_context(going_direct(self.alias))
            stack.enter_context(autocommitting(self.alias))
            unlimited(connections[self.alias].connection)
            for table in ("kck_publish_change", "kck_publish_entry"):
                if desk.execute("SELECT to_regclass(%s)", [table]).fetchone() == (None,):
                    raise StoreMissing(table, self.alias)
            if not self.announced:
                self._refuse()
            see_all_rows(self.alias, registry.sources())
            watch = CaptureWatch(self.alias)
            watch.look()
            worker = Worker(
                desk,
                self.owned,
                self._most,
                self._stopped,
                self.moments,
                self._stored,
                watch,
                self._losses,
                self.heartbeat,
            )
            stack.callback(worker.maintenance.close)
            yield worker

    @contextmanager
    def connected(self) -> Iterator[Loop]:
        """Connect, take shards and catch up."""
        with self.working() as worker, ExitStack() as stack:
            bell = worker.bell = Doorbell(
                lambda: connect(self.alias),
                worker.desk,
                listener_name(),
                listen=not self._poll,
            )
            stack.callback(bell.close)
            prove(bell)
            worker.take_shards()
            worker.drain(rounds=CATCH_UP_ROUNDS)
            self.heartbeat.follows(sorted(self.owned))
            if not self.announced:
                self.announced = True
                self._tell(signals.listener_ready, shards=sorted(self.owned))
                self._say(f"kck_listen ready: {bell.name}, shards {sorted(self.owned)}")
            yield ShardLoop(worker, bell, self._stopped, self.moments)

    def passes(self, error: Exception) -> bool:
        """Whether the database, or the store's own server, is away.

        A batch that was not written is repeated.
        """
        self.heartbeat.beat()
        return isinstance(error, StoreUnreachable) or is_passing(error)

    def lost(self, error: Exception) -> None:
        """Tell of it."""
        reason = "standby" if is_read_only(error) else "database"
        reason = "store" if isinstance(error, StoreUnreachable) else reason
        self._tell(signals.connection_lost, error=error, reason=reason)

    def found(self, seconds: float) -> None:
        """Tell of it."""
        self._tell(signals.connection_found, seconds=seconds)

    def _leave(self) -> None:
        """What is owned is nobody's from now on."""
        left = sorted(self.owned)
        self.heartbeat.stops()
        self.owned.clear()
        for shard in left:
            reason = "it ends" if self.stopping else "its connection is closed"
            self._tell(signals.shard_left, shard=shard, reason=reason)

    def _tell(self, signal: Signal, **more: object) -> None:
        signal.send_robust(None, using=self.alias, name=listener_name(), **more)
