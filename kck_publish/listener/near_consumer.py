"""The near store's entry among the consumers of the log, and the cluster that its file copies."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg

from .. import stores
from ..exceptions import Forgotten
from ..following.loop import CLOSE_POLL
from ..log import consumers
from ..log.cluster import CLUSTER
from ..log.consumers import Consumer
from ..postgres import Cursor
from ..stores.near import journal
from ..stores.near.format import Owner

if TYPE_CHECKING:
    from ..stores.near.writer import NearFile  # which needs the extra "near"

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


def begin(desk: psycopg.Connection[Any], file: NearFile, stopped: threading.Event) -> Consumer:
    """Begin with an empty file: it is registered, then every unaware writer ends.

    Until then there is no lease, and nothing is held.
    """
    stores.current().look_again()
    file.clear(replace(file.owner, consumer=0, done=""))
    with desk.cursor() as cursor:
        consumer = journal.begin(cursor, name_for(file.owner.token))
        cluster = cluster_of(cursor)
        unaware = journal.writers(cursor)
        while unaware and not stopped.wait(CLOSE_POLL):
            unaware &= journal.writers(cursor)
    file.clear(replace(file.owner, cluster=cluster, consumer=consumer.id, done=consumer.done))
    return consumer


def name_for(token: str) -> str:
    """The consumer's name: of this host, and of the file with this token."""
    return f"near:{socket.gethostname()}:{token}"


def cluster_of(cursor: Cursor) -> str:
    """The identity of the server and of the database."""
    cursor.execute(_CLUSTER)
    return str(cursor.fetchone()[0])
