"""Who watches what, and what was last read of each watched key. Pure; its caller locks.

A key is read by one thread only, so of two reads of it the second tells the later state, and an
event is never followed by an earlier one. A client that joins is told what a read says that began
after it had joined, never what is known already: it may have seen a later value elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .events import GONE, VALUE, Event
from .mailbox import Mailbox


@dataclass
class Watched:
    """One key.

    Attributes:
        current: what all of ``watchers`` have been told; None: nothing yet.
        watchers: those who are told what changes.
        newcomers: those who wait for a read of their own.
    """

    current: Event | None = None
    watchers: dict[Mailbox, None] = field(default_factory=dict)
    newcomers: dict[Mailbox, None] = field(default_factory=dict)


class Board:
    """The watched keys of a process."""

    def __init__(self) -> None:
        self._keys: dict[str, Watched] = {}
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def keys(self) -> list[str]:
        """All that are watched."""
        return list(self._keys)

    def join(self, mailbox: Mailbox) -> None:
        """A client watches its keys from now on."""
        for key in mailbox.keys:
            self._keys.setdefault(key, Watched()).newcomers[mailbox] = None
            self._asked.add(key)

    def leave(self, mailbox: Mailbox, keys: Iterable[str] | None = None) -> None:
        """A client watches its keys, or these of them, no longer."""
        for key in list(mailbox.keys) if keys is None else list(keys):
            watched = self._keys.get(key)
            if watched is not None:
                watched.newcomers.pop(mailbox, None)
                watched.watchers.pop(mailbox, None)
                if not watched.newcomers and not watched.watchers:
                    del self._keys[key]

    def ask(self, key: str) -> None:
        """Have a key read again, if it is watched."""
        if key in self._keys:
            self._asked.add(key)

    def asked(self) -> list[str]:
        """The keys that are to be read; asked once."""
        keys, self._asked = [key for key in self._asked if key in self._keys], set()
        return keys

    def begin(self, keys: Iterable[str], at: float = math.inf) -> dict[str, list[Mailbox]]:
        """A read of these keys begins: its newcomers are those who have joined by now.

        Args:
            at: it reads a copy that is true as of this moment: who has joined later waits.
        """
        return {
            key: [mailbox for mailbox in self._keys[key].newcomers if mailbox.joined <= at]
            if key in self._keys
            else []
            for key in keys
        }

    def end(
        self, joined: Mapping[str, list[Mailbox]], found: Mapping[str, Event]
    ) -> tuple[set[Mailbox], list[str]]:
        """A read has ended.

        Args:
            joined: what ``begin`` gave.
            found: what the read says, by key; a key that is not stored is not in it.

        Returns:
            the clients for whom something waits now, and the keys that are not stored.
        """
        told: set[Mailbox] = set()
        missing: list[str] = []
        # In the order of their versions: who has the event of the last has those of all.
        for key in sorted(joined, key=lambda key: _version(found.get(key))):
            watched = self._keys.get(key)
            if watched is None:
                continue
            event = found.get(key)
            if event is None:
                missing.append(key)
                if watched.current is not None and watched.current.kind == VALUE:
                    event = Event(key, GONE, watched.current.version)
            if event is not None:
                told |= _tell(watched, event, joined[key])
            for mailbox in joined[key]:
                if mailbox in watched.newcomers:
                    del watched.newcomers[mailbox]
                    watched.watchers[mailbox] = None
        return told, missing

    def absent(self, key: str) -> set[Mailbox]:
        """It has been tried, and there is no such value; the clients for whom that is news."""
        watched = self._keys.get(key)
        if watched is None or (watched.current is not None and watched.current.kind == VALUE):
            return set()  # it has been stored meanwhile
        event = watched.current or Event(key, GONE, None)
        watched.current = event
        return {mailbox for mailbox in watched.watchers if mailbox.put(event)}


def _tell(watched: Watched, event: Event, joined: Iterable[Mailbox]) -> set[Mailbox]:
    current = watched.current
    told: set[Mailbox] = set()
    if current is None or current.identity != event.identity:
        watched.current = event
        told |= {mailbox for mailbox in watched.watchers if mailbox.put(event)}
    else:
        event = current  # whose bytes are made
    return told | {
        mailbox for mailbox in joined if mailbox in watched.newcomers and mailbox.put(event)
    }


def _version(event: Event | None) -> int:
    return 0 if event is None or event.version is None else event.version
