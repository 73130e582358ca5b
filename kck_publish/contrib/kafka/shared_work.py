"""How processes share what there is to do: by advisory locks, evenly, taking over from the dead.

Each process is a member of a scope as long as its session lasts, and owns at the most its part of
what there is. What a dead one has owned is free at once; one that is only silent is fenced where it
writes, by the offset that it expects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import psycopg

# Of 64 bits: two names with one lock would never be owned by two processes.
_LOCK = "hashtextextended(%s, 'kck_publish_kafka_offset'::regclass::oid::bigint)"
_JOIN = f"SELECT pg_advisory_lock_shared({_LOCK})"
_MEMBERS = f"""
SELECT count(DISTINCT pid) FROM pg_locks k JOIN pg_database d ON d.oid = k.database
 WHERE k.locktype = 'advisory' AND k.mode = 'ShareLock' AND k.granted AND k.objsubid = 1
   AND d.datname = current_database()
   AND (k.classid::bigint << 32 | k.objid::bigint) = {_LOCK}
"""
_TAKE = f"SELECT pg_try_advisory_lock({_LOCK})"
_RELEASE = f"SELECT pg_advisory_unlock({_LOCK})"


class Sharing:
    """What one process owns of a scope.

    Args:
        desk: the connection that holds the locks.
        scope: those who name the same one share.
        released: called with the name of what is let go of, before it is.
    """

    def __init__(
        self, desk: psycopg.Connection[Any], scope: str, released: Callable[[str], object]
    ) -> None:
        self._desk = desk
        self._scope = scope
        self._released = released
        self.owned: set[str] = set()
        desk.execute(_JOIN, [f"member of {scope}"])

    def balance(self, names: Iterable[str]) -> set[str]:
        """Let go of more than the fair part of these, and take what is free up to it.

        Returns:
            what was taken.
        """
        names = list(names)
        fair = -(-len(names) // max(1, self._members()))
        surplus = sorted(self.owned - set(names)) + sorted(self.owned & set(names))[fair:]
        for name in surplus:
            self.release(name)
        taken = set()
        for name in names:
            if len(self.owned) >= fair:
                break
            if name not in self.owned and self._ask(_TAKE, name):
                self.owned.add(name)
                taken.add(name)
        return taken

    def release(self, name: str) -> None:
        """Let go of one."""
        self._released(name)
        self.owned.discard(name)
        self._ask(_RELEASE, name)

    def _members(self) -> int:
        row = self._desk.execute(_MEMBERS, [f"member of {self._scope}"]).fetchone()
        return int(row[0]) if row else 1

    def _ask(self, query: Any, name: str) -> bool:
        row = self._desk.execute(query, [f"{self._scope}:{name}"]).fetchone()
        return bool(row and row[0])
