"""Products of a topic, written into the store; what is older than the store's is left out.

Written in the transaction that moves the offset, whose row it holds; a store outside is written
before the commit, as the listener does, and the same again where the commit fails.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import orjson
from django.db import connections

from ... import clock, stores
from ...log import refreshes
from ...log.snapshot import take
from ...postgres import Cursor
from ...products import registry
from ...products.product import Product
from ...stores import HAND, Address, Outgoing, Stored, edges
from . import headers
from .message import Message
from .versions import KEEP, KNOWN

_FORGET = """
DELETE FROM kck_publish_kafka_version WHERE consumer = %s AND topic = %s AND digest = ANY (%s)
"""
_NAME = """
SELECT version FROM kck_publish_kafka_version WHERE consumer = %s AND topic = %s AND digest = %s
"""
_FIRST = """
INSERT INTO kck_publish_kafka_version (consumer, topic, digest, version) VALUES (%s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""
_NO_KEY = Message("", 0, 0, None, None).digest  # which no product has


def first_name(cursor: Cursor, group: str, topic: str, name: str) -> str:
    """The name that a group has seen first in a topic: this one, if there was none before."""
    cursor.execute(_NAME, [group, topic, _NO_KEY])
    if (row := cursor.fetchone()) is not None:
        return str(orjson.loads(row[0]))
    cursor.execute(_FIRST, [group, topic, _NO_KEY, orjson.dumps(name).decode()])
    return name if cursor.rowcount else first_name(cursor, group, topic, name)


def write(product: Product, group: str, entries: Sequence[tuple[str, Message]]) -> None:
    """Store, or remove, the values of these keys as their messages say."""
    if not entries:
        return
    store = stores.current()
    topic = entries[0][1].topic
    with connections[store.alias].cursor() as cursor:
        newer = _newer(cursor, group, topic, entries)
        stamp = take(cursor)
        writes, removals = [], []
        for key, message in newer:
            address = Address(key, product.fingerprint)
            if message.raw_value is None:
                removals.append(address)
            else:
                writes.append(_entry(address, message, stamp))
        if not newer:
            return
        store.announce(cursor, writes)
        store.write(cursor, writes)
        store.send(cursor, Outgoing(stamp, writes=writes, removals=removals))
        if removals:
            store.remove(cursor, removals, stamp)
        keys = [key for key, _ in newer]
        if registry.graph().by_product.get(product.name):
            refreshes.log(cursor, refreshes.REFRESHED, keys)
        else:
            edges.log_refreshes(cursor, keys)


def _entry(address: Address, message: Message, stamp: str) -> Stored:
    shape = message.header(headers.SHAPE)
    return Stored(
        address,
        message.raw_value,
        None if shape is None else shape.encode(),
        stamp,
        HAND,
        stores.new_version(),
        clock.now(),
    )


def _newer(
    cursor: Cursor, group: str, topic: str, entries: Sequence[tuple[str, Message]]
) -> list[tuple[str, Message]]:
    """The newest of each key, if no later read of it was stored: of one database, by its snapshots.

    A relay that was paused, and has lost its topic to another, may still send what it had in hand.
    """
    digests = [message.digest for _, message in entries]
    cursor.execute(KNOWN, [group, topic, digests])
    known = {digest: orjson.loads(text) for digest, text in cursor.fetchall()}
    newest: dict[str, Message] = {}
    for key, message in entries:
        read_at, site = message.header(headers.READ_AT), message.header(headers.SITE)
        last = known.pop(message.digest, None)
        if read_at is not None:
            known[message.digest] = [site, _moment(read_at)]
            if last is not None and last[0] == site and last[1] > _moment(read_at):
                known[message.digest] = last
                continue
        newest[key] = message
    written = {message.digest for message in newest.values()}
    kept = {
        digest: orjson.dumps(version).decode()
        for digest, version in known.items()
        if digest in written
    }
    _keep(cursor, group, topic, kept)
    if gone := list(written - set(kept)):
        cursor.execute(_FORGET, [group, topic, gone])
    return list(newest.items())


def _keep(cursor: Cursor, group: str, topic: str, kept: dict[uuid.UUID, str]) -> None:
    if kept:
        cursor.execute(KEEP, [group, topic, list(kept), list(kept.values())])


def _moment(read_at: str) -> list[int]:
    """Greater than that of an earlier read: on one timeline, snapshots see more and more.

    Of two that end with the same transaction, the later one has fewer that are running. Another
    timeline gives the numbers of the transactions that it lacks a second time.
    """
    timeline, _, snapshot = read_at.partition("/")
    _, end, running = snapshot.split(":")
    return [int(timeline), int(end), -len(running.split(",")) if running else 0]
