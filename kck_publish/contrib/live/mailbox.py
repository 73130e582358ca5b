"""What waits for one client: of each key the newest event, and nothing else. Pure.

A client that is slow misses what was overtaken and never gets it late, so what waits is bounded by
the number of its keys, and the bytes of an event are shared by all who wait for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .events import VALUE, Event

Identity = tuple[str, int | None]


class Mailbox:
    """One client's.

    Args:
        keys: those that it watches.
        known: the versions that the client has already, by key.
        since: the version of the last event that it had, of whichever key.
        intervals: seconds between two events of a key, where that is more than nothing.

    Attributes:
        keys: those that it watches now.
        watched: those that it watched at first.
        sent: what the client has of each key.
        last: the version of the last event that it was sent.
        joined: the moment at which it has joined, by ``near.format.clock``.
    """

    def __init__(
        self,
        keys: Iterable[str],
        known: Mapping[str, int] | None = None,
        since: int | None = None,
        intervals: Mapping[str, float] | None = None,
    ) -> None:
        self.keys = set(keys)
        self.watched = frozenset(self.keys)
        self.sent: dict[str, Identity] = {
            key: (VALUE, version) for key, version in (known or {}).items()
        }
        self.last = since
        self.joined = 0.0
        self._since = since
        self._intervals = intervals or {}
        self._not_before: dict[str, float] = {}
        self._waiting: dict[str, Event] = {}

    def put(self, event: Event) -> bool:
        """An event is new: it takes the place of the one that waits. Whether any waits now."""
        if event.key not in self.keys:
            return False
        self._waiting.pop(event.key, None)
        if not self._has(event):
            self._waiting[event.key] = event
        return bool(self._waiting)

    def take(self, now: float) -> Event | None:
        """The event that has waited longest and is due; None where there is none."""
        due = (key for key in self._waiting if self._not_before.get(key, 0.0) <= now)
        key = next(due, None)
        if key is None:
            return None
        event = self._waiting.pop(key)
        self.sent[key] = event.identity
        if event.version is not None:
            self.last = event.version
        if interval := self._intervals.get(key):
            self._not_before[key] = now + interval
        return event

    def due_in(self, now: float) -> float | None:
        """Seconds until the next event is due; None while nothing waits."""
        if not self._waiting:
            return None
        due = min(self._not_before.get(key, 0.0) for key in self._waiting)
        return max(due - now, 0.0)

    def drop(self, key: str) -> None:
        """Nothing of a key is for this client any more."""
        self.keys.discard(key)
        self._waiting.pop(key, None)

    @property
    def size(self) -> int:
        """How many events wait."""
        return len(self._waiting)

    def _has(self, event: Event) -> bool:
        if event.key in self.sent:
            return self.sent[event.key] == event.identity
        # Resumed, and what it has of each key is not known; of one key it is.
        return event.kind == VALUE and self._since is not None and event.version == self._since
