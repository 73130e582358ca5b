"""The processes of ``kck_prime --workers``: each primes portions of keys on its own connections.

The death of a process breaks its pool. The keys that the pool was priming are primed again, each
alone in a new pool; only a key that ends a process alone is given up, by name. A process ends
with its parent, whatever it computes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a worker imports this module before it has set Django up
    from ..products.product import Product
    from .prime_domains import Pace, Portion

# After so many deaths all keys that are left are given up.
MOST_DEATHS = 10
DIED = "WorkerDied"
_SPAWN = multiprocessing.get_context("spawn")  # a fork would share the connections


class WorkerPool:
    """Processes that prime; a context manager that ends them.

    Args:
        workers: how many.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._deaths = 0
        # Nothing is ever sent: the workers end when its writing end is closed, as by our death.
        self._lifeline, self._held = _SPAWN.Pipe(duplex=False)
        self._pool = self._start()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()
        self._pool.shutdown()
        self._lifeline.close()

    def __call__(self, product: Product, keys: Iterator[str], pace: Pace) -> Iterator[Portion]:
        """Prime these keys in all processes; the portions as they are finished."""
        while lost := (yield from self._side_by_side(product, keys, pace)):
            self._restart()
            for key in lost:
                yield self._alone(product, key)

    def _side_by_side(
        self, product: Product, keys: Iterator[str], pace: Pace
    ) -> Generator[Portion, None, list[str]]:
        """Prime until the keys end or a process dies; the keys that it and the others had."""
        running: dict[Future[Portion], list[str]] = {}
        lost: list[str] = []
        while True:
            while not lost and len(running) < self._workers:
                if not (batch := list(islice(keys, pace.keys))):
                    break
                running[self._submit(product, batch)] = batch
            if not running:
                return lost
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                batch = running.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    lost += batch

    def _alone(self, product: Product, key: str) -> Portion:
        try:
            return self._submit(product, [key]).result()
        except BrokenProcessPool:
            self._restart()
            return _given_up([key])

    def _submit(self, product: Product, keys: list[str]) -> Future[Portion]:
        """The portion to come; it raises BrokenProcessPool where a process dies."""
        future: Future[Portion] = Future()
        if self._deaths >= MOST_DEATHS:
            future.set_result(_given_up(keys))
            return future
        try:
            return self._pool.submit(_prime, product.name, keys)
        except BrokenProcessPool as error:  # a process has died while none was at work
            future.set_exception(error)
            return future

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._workers, _SPAWN, _set_up, (self._lifeline,))

    def _restart(self) -> None:
        self._deaths += 1
        self._pool.shutdown()
        self._pool = self._start()


def _given_up(keys: list[str]) -> Portion:
    from .prime_domains import Portion

    return Portion(len(keys), [(key, DIED) for key in keys], 0.0)


def _set_up(lifeline: Connection) -> None:
    """Prepare a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the parent, who ends us
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    import django

    django.setup()


def _end_with_parent(lifeline: Connection) -> None:
    with suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os._exit(1)


def _prime(name: str, keys: list[str]) -> Portion:
    """Prime these keys of a product, in a worker."""
    from ..products import registry
    from .prime_domains import Portion, prime_keys

    start = time.monotonic()
    try:
        return prime_keys(registry.get(name), keys)
    except Exception as error:  # noqa: BLE001 - the store, or the database
        failed = [(key, type(error).__name__) for key in keys]
        return Portion(len(keys), failed, time.monotonic() - start)
