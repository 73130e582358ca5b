"""What is stored, as a hub follows it: the keys that somebody watches, and those just asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import psycopg

from ...chunks import chunks
from ...conf import settings
from ...following.stored_products import NOBODY, StoredStream
from ...log import followers
from ...log.followers import Place
from ...stores.near import journal
from ...stores.row_versions import advance_versions

if TYPE_CHECKING:
    from .hub import Hub


class WatchedStream(StoredStream):
    """The watched keys of a hub.

    Args:
        desk: the connection that it reads on; in autocommit.
        hub: is handed them.
    """

    def __init__(self, desk: psycopg.Connection[Any], hub: Hub) -> None:
        self._hub = hub
        self._unaware: frozenset[str] = frozenset()
        super().__init__(desk, hub.name, hub.reset, hub.stored, None)

    def look(self) -> bool:
        """Hand on what is new, and what is asked for; whether there was anything new."""
        if self._unaware:
            ended = self._unaware - self._writers()
            self._unaware -= ended
            if ended:  # first see who has ended, and then read
                self.build()
        self.hand_on(self._hub.asked(), self.place.done)
        found = super().look()
        self._hub.tell_touched()
        self._hub.beat()
        return found

    def wants(self, key: str) -> bool:
        return self._hub.watches(key)

    def hand_on(
        self, keys: Iterable[str], snapshot: str, writers: Mapping[str, int] = NOBODY
    ) -> None:
        for page in chunks(list(keys), settings.MAX_BATCH):
            self._hub.begin(page)
            super().hand_on(page, snapshot, writers)

    def begin(self) -> Place:
        """Have the journal kept; who writes and may not know that it is is read after, see look."""
        with self.desk.cursor() as cursor:
            place = followers.begin(cursor, self._name, self.kind)
            journal.mark(cursor, place.id)
            advance_versions(cursor)
        self._unaware = self._writers()
        return place

    def build(self) -> None:
        self.hand_on(self._hub.watched, self.place.done)
        self._hub.tell_touched(everything=True)

    def _writers(self) -> frozenset[str]:
        with self.desk.cursor() as cursor:
            return journal.writers(cursor)
