"""The processes of ``kck_prime --workers``: each primes portions of keys on its own connections.

A worker that dies takes nothing with it: the keys that it was given are handed out again one by
one, and only one that ends its worker alone is given up, by name. A worker whose parent is gone
ends after its portion.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:  # a worker imports this before it has set Django up
    from ..products.product import Product
    from .prime_domains import Pace, Portion

# After so many deaths, what a dying worker was given is given up, and it is not replaced.
MOST_DEATHS = 10
DIED = "WorkerDied"


class Crew:
    """Processes that prime; a context manager that ends them.

    Args:
        workers: how many.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._idle: list[_Worker] = []
        self._deaths = 0

    def __enter__(self) -> Crew:
        self._idle = [_Worker() for _ in range(self._workers)]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._idle:
            worker.end()

    def __call__(self, product: Product, keys: Iterator[str], pace: Pace) -> Iterator[Portion]:
        """Prime these keys in all processes; the portions as they are finished."""
        again: deque[list[str]] = deque()
        busy: dict[Connection, tuple[_Worker, list[str]]] = {}
        try:
            while True:
                while self._idle and (some := _next(again, keys, pace)):
                    worker = self._idle.pop()
                    worker.ask(product.name, some)
                    busy[worker.pipe] = worker, some
                if not busy:
                    break
                for pipe in wait(list(busy)):
                    assert isinstance(pipe, Connection)
                    worker, some = busy.pop(pipe)
                    portion = worker.answer()
                    if portion is None:
                        portion = self._bury(worker, some, again)
                    else:
                        self._idle.append(worker)
                    if portion is not None:
                        yield portion
        finally:
            self._idle += [worker for worker, _ in busy.values()]
        while some := _next(again, keys, pace):  # nobody is left to do it
            yield _given_up(some)

    def _bury(self, worker: _Worker, some: list[str], again: deque[list[str]]) -> Portion | None:
        worker.end()
        self._deaths += 1
        if self._deaths >= MOST_DEATHS:
            return _given_up(some)
        self._idle.append(_Worker())
        if len(some) == 1:
            return _given_up(some)
        again.extend([key] for key in some)
        return None


class _Worker:
    """One process, and the pipe to it."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would share the connections
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, product: str, keys: list[str]) -> None:
        """Have these primed. (A process that is gone is found out by its answer.)"""
        with suppress(OSError):
            self.pipe.send_bytes(orjson.dumps([product, keys]))

    def answer(self) -> Portion | None:
        """What came of it; None when the process has died."""
        from .prime_domains import Portion

        try:
            keys, failed, seconds = orjson.loads(self.pipe.recv_bytes())
        except (EOFError, OSError):
            return None
        return Portion(keys, [(key, why) for key, why in failed], seconds)

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.pipe.close()
        self._process.terminate()
        self._process.join()
        self._process.close()


def _next(again: deque[list[str]], keys: Iterator[str], pace: Pace) -> list[str]:
    return again.popleft() if again else list(islice(keys, pace.keys))


def _given_up(keys: list[str]) -> Portion:
    from .prime_domains import Portion

    return Portion(len(keys), [(key, DIED) for key in keys], 0.0)


def _serve(pipe: Connection) -> None:
    """A worker's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the parent, who ends us
    import django

    django.setup()
    from ..products import registry
    from .prime_domains import prime_keys

    while True:
        try:
            name, keys = orjson.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        start = time.monotonic()
        try:
            done = prime_keys(registry.get(name), keys)
            failed, seconds = list(done.failed), done.seconds
        except Exception as error:  # noqa: BLE001 - the store, or the database
            failed = [(key, type(error).__name__) for key in keys]
            seconds = time.monotonic() - start
        try:
            pipe.send_bytes(orjson.dumps([len(keys), failed, seconds]))
        except OSError:
            return
