"""The race of a reader's prime with the listener, from the reader's side.

The listener claims before it looks which keys are stored. So either it sees the reader's key, or
the reader sees the claim and asks for a refresh.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from ..log import refreshes
from ..log.keys import shard_of
from ..log.snapshot import Snapshot
from ..stores import Address, Query, Stored

# Asked once the entries can be seen by the listener.
CLAIMED: Query = ("SELECT shard, shards, claimed::text FROM kck_publish_shard", [])


def refresh_missed(
    entries: Sequence[Stored],
    stamp: str,
    connection: BaseDatabaseWrapper,
    claims: Sequence[Any] | None = None,
) -> None:
    """Ask for a refresh of entries that the listener may have missed: it claimed more than we saw.

    Args:
        entries: just stored by this reader.
        stamp: the snapshot that they were computed in.
        claims: what ``CLAIMED`` has given since they are stored, if it was asked.
    """
    seen = Snapshot.parse(stamp)
    if claims is None:
        with connection.cursor() as cursor:
            cursor.execute(*CLAIMED)
            claims = cursor.fetchall()
    missed = {
        entry.address.key
        for shard, shards, claimed in claims
        for entry in entries
        if any(shard_of(address.key, shards) == shard for address in _under(entry))
        and not seen.includes(Snapshot.parse(claimed))
    }
    if missed:
        with connection.cursor() as cursor:
            refreshes.log(cursor, refreshes.REFRESH, sorted(missed))


def _under(entry: Stored) -> Iterable[Address]:
    """The addresses by which the listener may have missed it: its own, and those of its reads."""
    return (entry.address, *(read.address for read in entry.reads))
