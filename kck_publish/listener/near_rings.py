"""The processes of this host that follow the near store's file, and are told when to look."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from contextlib import suppress

from ..stores.near.format import ring_at
from ..stores.near.hold_requests import RING


class Rings:
    """The sockets at which to ring. A ring may be lost: who follows also looks now and then."""

    def __init__(self) -> None:
        self._paths: dict[str, None] = {}

    def heard(self, path: str, requests: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Of what came to the door, the entries to be held; the sockets are kept in mind.

        Args:
            path: of the near store's file.
        """
        holds = []
        for key, fingerprint in requests:
            if fingerprint != RING:
                holds.append((key, fingerprint))
            elif key.startswith(ring_at(path, "")):
                self._paths[key] = None
        return holds

    def ring(self) -> None:
        """Something was copied. A socket that nobody reads any more is taken away."""
        if not self._paths:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as ours:
            for path in list(self._paths):
                try:
                    ours.sendto(b"!", path)
                except BlockingIOError:
                    pass  # it has not yet looked since the last ring
                except OSError:
                    del self._paths[path]
                    with suppress(OSError):
                        os.unlink(path)
