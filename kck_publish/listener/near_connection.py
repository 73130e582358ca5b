"""What the near store's follower has open: the file, its door, and its connections."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from .. import search_path
from ..conf import settings
from ..exceptions import StoreMissing
from ..following.doorbell import Doorbell, listener_name
from ..following.process import OccupiedError
from ..postgres import connect
from ..stores.near.format import door_of
from . import near_lmdb
from .near_socket import opened

if TYPE_CHECKING:
    from ..stores.near.writer import NearFile  # which needs the extra "near"


@dataclass(frozen=True)
class NearConnection:
    """All that is open.

    Attributes:
        door: where readers ask for entries.
        desk: the connection for queries.
        bell: rings for what is written, and for the door too.
    """

    file: NearFile
    door: socket.socket
    desk: psycopg.Connection[Any]
    bell: Doorbell


def path_of(alias: str) -> str:
    """The path of the file, with the schema."""
    with closing(connect(alias)) as connection:
        row = connection.execute(search_path.SCHEMA).fetchone()
    if row is None:
        raise StoreMissing("kck_publish_entry", alias)
    assert settings.NEAR is not None
    return search_path.named(settings.NEAR, row[0])


@contextmanager
def connected(alias: str, path: str, listen: bool) -> Iterator[NearConnection]:
    """Open all of it, for as long as no other process has the file.

    Raises:
        OccupiedError: another process of this host follows.
    """
    try:
        file = near_lmdb.file_class()(path, settings.NEAR_SIZE)
    except BlockingIOError:
        raise OccupiedError from None
    with closing(file), opened(door_of(path)) as door, closing(connect(alias)) as desk:
        name = f"near:{listener_name()}"
        bell = Doorbell(lambda: connect(alias), desk, name, listen=listen, kind="near")
        with closing(bell):
            bell.hear(door)
            bell.prove()
            yield NearConnection(file, door, desk, bell)
