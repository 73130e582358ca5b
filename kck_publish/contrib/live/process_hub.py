"""The hub of this process: begun by whoever watches first, ended when nobody does."""

from __future__ import annotations

import atexit
import os
import threading

from .client import Client
from .hub import Hub

_guard = threading.Lock()
_hubs: dict[int, Hub] = {}  # after a fork the thread of the parent is not here


def join(client: Client) -> Hub:
    """Watch, at the hub of this process, which begins to follow if nobody has watched before."""
    with _guard:
        hub = _hubs.get(os.getpid())
        if hub is None:
            hub = Hub(retire)
            hub.start()
            _hubs[os.getpid()] = hub
            atexit.register(hub.end, 1.0)
        hub.join(client)
    return hub


def running() -> Hub | None:
    """The hub of this process, if there is one."""
    return _hubs.get(os.getpid())


def retire(hub: Hub, whoever_watches: bool = False) -> None:
    """No client joins it any more; it ends."""
    with _guard:
        if hub.clients and not whoever_watches:
            return  # one has just joined
        if _hubs.get(os.getpid()) is hub:
            del _hubs[os.getpid()]
    atexit.unregister(hub.end)
    hub.stop()


def close_hub() -> None:
    """End the hub of this process with all its streams, and wait until it has: for tests."""
    hub = running()
    if hub is not None:
        close_streams()
        hub.end()


def close_streams() -> None:
    """End all streams of this process: clients come back, and go on by version."""
    hub = running()
    for client in hub.clients if hub is not None else []:
        client.close()
