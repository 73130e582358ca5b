"""One open stream: its mailbox, and how it is woken from the hub's thread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress

from .mailbox import Mailbox


class Client(Mailbox):
    """A mailbox that a coroutine waits at; made in its loop.

    Attributes:
        ready: set when there may be something to do.
        closed: it is to end, whatever waits.
        recheck: it is to ask at once who may see what it shows.
        touched: a value of ``products``, of which it wants to know any, was stored or removed.
        session_ended: whoever has opened it has logged out.
        user: the primary key of the user, and the session that says so; None of others.
        session: the key of the session.
    """

    products: frozenset[str] = frozenset()

    def __init__(
        self,
        keys: Iterable[str],
        known: Mapping[str, int] | None = None,
        since: int | None = None,
        intervals: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(keys, known, since, intervals)
        self.loop = asyncio.get_running_loop()
        self.ready = asyncio.Event()
        self.closed = False
        self.recheck = False
        self.session_ended = False
        self.touched = False
        self.user: object = None
        self.session: str | None = None

    def close(self) -> None:
        """End the stream; any thread may say so."""
        self.closed = True
        wake([self])


def wake(clients: Iterable[Mailbox]) -> None:
    """Wake these, with one call for each of their loops."""
    loops: dict[asyncio.AbstractEventLoop, list[Client]] = {}
    for client in clients:
        if isinstance(client, Client):
            loops.setdefault(client.loop, []).append(client)
    for loop, waiting in loops.items():
        with suppress(RuntimeError):  # the loop has ended, and all who waited in it
            loop.call_soon_threadsafe(_set, waiting)


def _set(clients: Iterable[Client]) -> None:
    for client in clients:
        client.ready.set()
