"""A reader's own last writes, as far as they are known: whether a stored value includes them.

The table tells what each shard has handled; a near store tells what it has copied. Neither depends
on where values are, so every store is asked alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import connections

from ..log import keys
from ..log.cluster import CLUSTER
from ..log.snapshot import Snapshot
from .near import progress
from .protocol import Store
from .types import Address

# With whether a cascade is on its way: refreshed products that a shard has not yet handled; and
# whether the shard has put aside what the transactions changed; and whether its states are of
# another cluster.
_DONE = """
WITH own AS (SELECT unnest(%s::text[])::xid8 AS xid)
SELECT pg_current_xact_id_if_assigned() IN (SELECT xid FROM own), s.shard, s.shards, s.done::text,
       CASE WHEN (SELECT bool_and(pg_visible_in_snapshot(xid, s.done)) FROM own) THEN EXISTS (
           SELECT FROM kck_publish_change
            WHERE op = 'refreshed' AND kck_publish_unseen_v1(xid, s.done))
           OR EXISTS (SELECT FROM kck_publish_backlog)
       ELSE true END,
       EXISTS (
           SELECT FROM kck_publish_backlog b, own
            WHERE b.shard = s.shard AND pg_visible_in_snapshot(own.xid, b.until)
              AND NOT pg_visible_in_snapshot(own.xid, b.since)),
       pg_current_snapshot()::text,
       s.cluster <> {cluster}, ({foreign})
  FROM (VALUES (1)) always LEFT JOIN kck_publish_shard s ON true
"""

_FORGET = "SELECT count(set_config(w, '', false)) FROM unnest(%s::text[]) w"


@dataclass(frozen=True, slots=True)
class Own:
    """The reader's own last writes, as far as they are known: one of each session that it wrote in.

    Attributes:
        xids: the transactions. Of a session the last one stands for all before it.
        uncommitted: whether the reader is in one of them.
        done: what each shard has handled, and put nothing of these transactions aside.
        cascading: whether refreshed products are on their way to those that depend on them.
        copied: whether the near store, where there is one, has all that is handled.
        foreign: whether what is stored is of another cluster, or of another future of this one (a
            restored dump, a standby that was promoted), until the listener begins anew: its states
            say nothing of the transactions here.
    """

    xids: Sequence[int]
    uncommitted: bool
    done: Sequence[tuple[int, int, Snapshot]]
    cascading: bool = False
    copied: bool = True
    foreign: bool = False

    @property
    def handled(self) -> bool:
        """Whether the listener has passed the write everywhere: it need not be asked again."""
        return (
            not self.uncommitted
            and not self.foreign
            and not self.cascading
            and self.copied
            and bool(self.done)
            and len(self.done) == self.done[0][1]
            and all(self._in(done) for _, _, done in self.done)
        )

    def settled(self, address: Address, stamp: str | None, over_products: bool = False) -> bool:
        """Whether the write is in the stored value, or has been handled by the listener.

        A product over products may have been computed, in a snapshot that sees the write, from
        a product that was not yet refreshed: it waits until no cascade is on its way.
        """
        if self.uncommitted or self.foreign:
            return False
        if over_products:
            return self.handled
        return (stamp is not None and self.within(stamp)) or any(
            keys.shard_of(address.key, shards) == shard and self._in(done)
            for shard, shards, done in self.done
        )

    def within(self, stamp: str) -> bool:
        """Whether a stored value of this stamp includes the writes."""
        return not self.foreign and self._in(Snapshot.parse(stamp))

    def _in(self, state: Snapshot) -> bool:
        return all(map(state.sees, self.xids))


def read_own(store: Store, xids: Sequence[int], wrote: Sequence[str]) -> Own:
    """The known transactions that the reader wrote in; the session's own among them.

    Args:
        xids: at least one.
        wrote: session settings, forgotten once the listener has passed all of these.
    """
    is_foreign, parameters = store.foreign()
    with connections[store.alias].cursor() as cursor:
        cursor.execute(
            _DONE.format(cluster=CLUSTER, foreign=is_foreign), [list(map(str, xids)), *parameters]
        )
        rows = cursor.fetchall()
        done = [
            (shard, shards, Snapshot.parse(done))
            for _, shard, shards, done, _, put_aside, *_ in rows
            if shard is not None and not put_aside
        ]
        own = Own(
            tuple(xids),
            bool(rows[0][0]),
            done,
            cascading=any(row[4] for row in rows),
            foreign=any(row[7] or row[8] for row in rows),
        )
        if own.foreign:
            store.look_again()
        if own.handled and not progress.has_copied(tuple(own.xids), rows[0][6]):
            own = replace(own, copied=False)
        if own.handled:  # so that the next read of this session asks nothing
            cursor.execute(_FORGET, [list(wrote)])
    return own
