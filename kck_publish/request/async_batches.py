"""The known values of a fetcher in one request, and the batches of its asynchronous reads.

``fetcher`` has the fetcher itself; here is what it keeps, and when it loads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..exceptions import FetcherError

Key = Hashable


@dataclass
class Loaded:
    """The result of loading some keys: a value or an error for each."""

    values: dict[Key, Any] = field(default_factory=dict)
    errors: dict[Key, Exception] = field(default_factory=dict)


class Fetcher(Protocol):
    """The part of a fetcher that a batch needs."""

    async def aload(self, keys: Sequence[Key]) -> Loaded:
        """Load these."""

    def values(self) -> Values:
        """The known values."""


class Values:
    """The known values of one fetcher class in one request."""

    def __init__(self) -> None:
        self.ticket: int | None = 0
        self.primed: dict[Key, Any] = {}
        self.loaded: dict[Key, Any] = {}
        self.queue: dict[Key, None] = {}
        self.flights: list[Flight] = []

    def has(self, key: Key) -> bool:
        return key in self.primed or key in self.loaded

    def get(self, key: Key) -> Any:
        return self.primed[key] if key in self.primed else self.loaded[key]

    def follow(self, ticket: int | None) -> None:
        """Forget what was loaded under another ticket."""
        if ticket != self.ticket or ticket is None:
            self.ticket, self.loaded = ticket, {}

    def keep(self, ticket: int | None, values: Mapping[Key, Any]) -> None:
        if ticket is not None and ticket == self.ticket:
            self.loaded.update(values)

    def join(self, fetcher: Fetcher, key: Key) -> asyncio.Future[Any]:
        """A place in the batch of this turn, or in one that is under way with the key."""
        loop = asyncio.get_running_loop()
        mine = [
            flight
            for flight in self.flights
            if flight.loop is loop and flight.ticket == self.ticket
        ]
        flight = next(
            (other for other in mine if key in other.waiting and self.ticket is not None), None
        )
        if flight is None:
            flight = next((other for other in mine if not other.departed), None)
        if flight is None:
            flight = Flight(fetcher, self, self.ticket, loop)
        future: asyncio.Future[Any] = loop.create_future()
        flight.waiting.setdefault(key, []).append(future)
        return future


class Flight:
    """One batch of asynchronous reads: boards until the loop's turn ends, then loads."""

    def __init__(
        self,
        fetcher: Fetcher,
        values: Values,
        ticket: int | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.ticket = ticket
        self.loop = loop
        self.departed = False
        self.waiting: dict[Key, list[asyncio.Future[Any]]] = {}
        self._fetcher = fetcher
        self._values = values
        self._task: asyncio.Task[None] | None = None
        values.flights.append(self)
        loop.call_soon(self._depart)

    def _depart(self) -> None:
        self.departed = True
        for key in self._values.queue:  # nobody awaits it here: it is known afterwards
            if not self._values.has(key):
                self.waiting.setdefault(key, [])
        self._values.queue.clear()
        self._task = self.loop.create_task(self._fly())

    async def _fly(self) -> None:
        try:
            loaded = await self._fetcher.aload(list(self.waiting))
        except BaseException as error:
            self._values.flights.remove(self)
            self._land(Loaded(errors=dict.fromkeys(self.waiting, _as_error(error))))
            if not isinstance(error, Exception):
                raise
            return
        self._values.flights.remove(self)
        if self._fetcher.values() is self._values:
            self._values.keep(self.ticket, loaded.values)
        self._land(loaded)

    def _land(self, loaded: Loaded) -> None:
        for key, futures in self.waiting.items():
            for future in futures:
                if future.done():  # its reader was cancelled
                    continue
                if key in loaded.errors:
                    future.set_exception(loaded.errors[key])
                else:
                    future.set_result(loaded.values[key])


def _as_error(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else FetcherError("The batch was cancelled.")
