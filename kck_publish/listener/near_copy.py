"""The entries held in the near store, brought up to the stored ones: see ``near_follower``."""

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
        """The held entries of the keys that came with the ring, to be asked with the look."""
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
        at: float,
    ) -> None:
        """Copy the held entries of these keys anew, or drop them.

        Args:
            hinted: of these the entries were read right after the look.
            rows: the entries.
            at: when the look began.
        """
        assert seen.keys is not None
        if self._large:
            named = set(seen.keys)
            self._large = {address: None for address in self._large if address[0] not in named}
        held = {
            (key, fingerprint)
            for key, fingerprints in file.held(seen.keys).items()
            for fingerprint in fingerprints
        }
        known = {(address.key, address.fingerprint) for address in hinted} & held
        found = self.fetch(cursor, [Address(*address) for address in held - known])
        if known:
            entries = stores.current().previous_in(rows, hinted).entries
            found += [entries[key] for key, _ in known if key in entries]
        gone = held - {(entry.address.key, entry.address.fingerprint) for entry in found}
        owner = replace(file.owner, done=seen.until)
        self._put(file, found, gone, owner=owner, changed=seen.keys, at=at)

    def fill(
        self, cursor: Cursor, file: NearFile, asked: Iterable[tuple[str, str]], at: float
    ) -> None:
        """Hold what readers have asked for; they are told when the look began that found it."""
        wanted = [
            address for address in asked if not file.holds(*address) and address not in self._large
        ]
        self._put(file, self.fetch(cursor, [Address(*address) for address in wanted]), at=at)

    def _put(self, file: NearFile, entries: list[Stored], gone: Any = (), **records: Any) -> None:
        for large in file.put(entries, gone, **records):
            if len(self._large) < LARGE:
                self._large[large.address.key, large.address.fingerprint] = None

    def fetch(self, cursor: Cursor, addresses: list[Address]) -> list[Stored]:
        """The entries as they are now; one key may be there for two versions of the code."""
        store = stores.current()
        found: list[Stored] = []
        while addresses:
            once = {address.key: address for address in addresses}
            found += store.look(cursor, list(once.values())).entries.values()
            addresses = [address for address in addresses if once[address.key] != address]
        return found
