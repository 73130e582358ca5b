"""PostgreSQL snapshots as values: what a cursor, a stamp and a claim are. Pure.

A snapshot says which transactions a state includes. Text as PostgreSQL writes it:
``xmin:xmax:running,running``. See "Transaction ID and Snapshot Information Functions" in the
PostgreSQL manual.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ..postgres import Cursor

# Nothing is visible in it: where a cursor starts that has seen none of the log.
NOTHING = "1:1:"


@dataclass(frozen=True)
class Snapshot:
    """The state that includes every transaction below ``xmax`` that is not in ``running``."""

    xmin: int
    xmax: int
    running: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """The snapshot that PostgreSQL writes as this text."""
        return _parse(text)

    def sees(self, xid: int) -> bool:
        """Whether the state includes what this transaction did (if it committed)."""
        return xid < self.xmin or (xid < self.xmax and xid not in self.running)

    @property
    def age(self) -> int:
        """The number of ended transactions: a later snapshot of the same cluster never has fewer.

        Snapshots of one cluster are ordered by inclusion, so equal ages mean equal states.
        """
        return self.xmax - len(self.running)

    def includes(self, other: Snapshot) -> bool:
        """Whether this state is the other one, or a later one of the same cluster."""
        return self.age >= other.age


# Columns of a statement: its snapshot, and the transaction that it is of. For ``without_own``.
CURRENT = "pg_current_snapshot()::text, pg_current_xact_id_if_assigned()::text"


def take(cursor: Cursor) -> str:
    """The snapshot of the cursor's next statement, without what its own transaction does."""
    cursor.execute(f"SELECT {CURRENT}")
    return without_own(*cursor.fetchone())


def without_own(text: str, own: str | None) -> str:
    """A statement's snapshot without what its own transaction does.

    PostgreSQL does not list the caller's own transaction among those that run; as soon as a later
    one has ended, the text alone would say that the state includes it.

    Args:
        text: the snapshot.
        own: the transaction's number; None when it has none.
    """
    snapshot = Snapshot.parse(text)
    if own is None or not snapshot.sees(int(own)):
        return text
    running = sorted({*snapshot.running, int(own)})
    return f"{running[0]}:{snapshot.xmax}:{','.join(map(str, running))}"


@lru_cache(maxsize=256)
def _parse(text: str) -> Snapshot:
    xmin, xmax, running = text.split(":")
    return Snapshot(int(xmin), int(xmax), frozenset(map(int, filter(None, running.split(",")))))
