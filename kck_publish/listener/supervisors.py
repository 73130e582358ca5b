"""Tells the listener's heartbeat to those who watch it without HTTP: a file, and systemd."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..exceptions import ConfigurationError
from .heartbeat import Heartbeat


@contextmanager
def heartbeat_file(heartbeat: Heartbeat, path: Path | None) -> Iterator[None]:
    """Within the block the file is touched with each beat; it is removed at the end.

    Raises:
        ConfigurationError: it cannot be written.
    """
    if path is None:
        yield
        return
    try:
        path.touch()
    except OSError as error:
        raise ConfigurationError(f"--heartbeat {path}: it cannot be written ({error}).") from error

    def touch() -> None:
        with suppress(OSError):  # who watches the file sees it grow old; the work goes on
            path.touch()

    heartbeat.on_beat.append(touch)
    try:
        yield
    finally:
        heartbeat.on_beat.remove(touch)
        with suppress(OSError):
            path.unlink()


@contextmanager
def systemd(heartbeat: Heartbeat) -> Iterator[None]:
    """Within the block systemd is told, if it asks (``Type=notify``, ``WatchdogSec=``)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        yield
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
        where = "\0" + address[1:] if address.startswith("@") else address

        def tell(*lines: str) -> None:
            with suppress(OSError):  # a manager that is away restarts nothing
                door.sendto("\n".join(lines).encode(), where)

        def beats() -> None:
            tell("WATCHDOG=1", f"STATUS=Following, shards {heartbeat.shards}.")

        heartbeat.on_ready.append(lambda: tell("READY=1", "STATUS=Following the log."))
        watched = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        if os.environ.get("WATCHDOG_USEC") and watched:
            heartbeat.on_beat.append(beats)
        try:
            yield
        finally:
            tell("STOPPING=1", "STATUS=Finishing the batch.")
