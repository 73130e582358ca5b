"""The near store's entry among the consumers of the log, and the cluster that its file copies."""

from __future__ import annotations

import socket
from contextlib import suppress

from ..exceptions import Forgotten
from ..log import consumers
from ..log.cluster import CLUSTER
from ..log.consumers import Consumer
from ..postgres import Cursor
from ..stores.near import journal
from ..stores.near.format import Owner

_CLUSTER = f"SELECT {CLUSTER} || '/' || current_database()"


def resume(cursor: Cursor, owner: Owner) -> Consumer | None:
    """Go on with a file as it is; None when it may have missed something."""
    if owner.cluster != cluster_of(cursor):
        return None
    if not journal.is_unbroken(cursor, owner.consumer):
        return None
    with suppress(Forgotten):
        return consumers.resume(cursor, name_for(owner.token), owner.consumer)
    return None


def name_for(token: str) -> str:
    """The consumer's name: of this host, and of the file with this token."""
    return f"near:{socket.gethostname()}:{token}"


def cluster_of(cursor: Cursor) -> str:
    """The identity of the server and of the database."""
    cursor.execute(_CLUSTER)
    return str(cursor.fetchone()[0])
