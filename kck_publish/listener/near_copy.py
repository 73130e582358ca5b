"""What is held in the near store, brought up to what is stored: see ``near_follower``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import stores
from ..postgres import Cursor
from ..stores import Address, Stored
from ..stores.near import journal

if TYPE_CHECKING:
    from ..stores.near.writer import NearFile  # which needs the extra "near"

# Of those that do not fit, so many are known.
LARGE = 10_000


class Copying:
    """Copies entries into the file, and knows which do not fit."""

    def __init__(self) -> None:
        self._large: dict[tuple[str, str], None] = {}

    def forget(self) -> None:
        """The file holds nothing any more: what did not fit may fit now."""
        self._large.clear()

    def hints(self, file: NearFile, keys: set[str]) -> list[Address]:
        """What is held of the keys that we were nudged with, and can be asked with the look."""
        if not keys or not stores.current().rows_hold_values:
            return []
        return [Address(key, some[0]) for key, some in file.held(keys).items() if len(some) == 1]

    def copy(
        self,
        cursor: Cursor,
        file: NearFile,
        seen: journal.Look,
        hinted: list[Address],
        rows: list[Any],
    ) -> None:
        """What is held of these keys: anew, or not any more.

        Args:
            hinted: of these the entries were read right after the look.
            rows: the entries.
        """
        assert seen.keys is not None
        if self._large:
            named = set(seen.keys)
            self._large = {one: None for one in self._large if one[0] not in named}
        held = {(key, one) for key, some in file.held(seen.keys).items() for one in some}
        known = {(one.key, one.fingerprint) for one in hinted} & held
        found = self.fetch(cursor, [Address(*one) for one in held - known])
        if known:
            entries = stores.current().before_of(rows, hinted).entries
            found += [entries[key] for key, _ in known if key in entries]
        gone = held - {(one.address.key, one.address.fingerprint) for one in found}
        self._put(file, found, gone, owner=replace(file.owner, done=seen.until))

    def fill(self, cursor: Cursor, file: NearFile, asked: Iterable[tuple[str, str]]) -> None:
        """Hold what readers have asked for."""
        wanted = [one for one in asked if not file.holds(*one) and one not in self._large]
        if found := self.fetch(cursor, [Address(*one) for one in wanted]):
            self._put(file, found)

    def _put(self, file: NearFile, entries: list[Stored], gone: Any = (), **records: Any) -> None:
        for one in file.put(entries, gone, **records):
            if len(self._large) < LARGE:
                self._large[one.address.key, one.address.fingerprint] = None

    def fetch(self, cursor: Cursor, addresses: list[Address]) -> list[Stored]:
        """The entries as they are now; one key may be there for two versions of the code."""
        store = stores.current()
        found: list[Stored] = []
        while addresses:
            once = {one.key: one for one in addresses}
            found += store.look(cursor, list(once.values())).entries.values()
            addresses = [one for one in addresses if once[one.key] != one]
        return found
