"""What clients had that were cut off, so that they are told nothing twice. Pure.

A browser says one number when it comes back: the version of the last event that it had. Of one key
that is all there is to know. Of several it is not: versions are of one row each, and a value that
was committed late has a smaller one. So the hub remembers what it had sent of each key to a client
with this last event; a hub that does not know sends again what may have been missed, under the
version that it has, by which clients tell that it is nothing new.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from .events import VALUE
from .mailbox import Identity, Mailbox

# How many are remembered.
MOST = 10_000


class Resumes:
    """What was sent of each key, by the keys of a stream and its last event."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._sent: OrderedDict[tuple[frozenset[str], int], Mapping[str, Identity]] = OrderedDict()

    def remember(self, mailbox: Mailbox) -> None:
        """A client has gone."""
        if mailbox.last is None or len(mailbox.watched) < 2:
            return
        place = mailbox.watched, mailbox.last
        # That a value is gone is told under the version of the value: it may not have come.
        sent = {key: what for key, what in mailbox.sent.items() if what[0] == VALUE}
        # Of two who had the same last event: only what both have.
        other = self._sent.pop(place, sent)
        self._sent[place] = {key: what for key, what in sent.items() if other.get(key) == what}
        if len(self._sent) > self._most:
            self._sent.popitem(last=False)

    def recall(self, mailbox: Mailbox) -> None:
        """A client has come, perhaps back."""
        if mailbox.last is not None and not mailbox.sent:
            sent = self._sent.get((mailbox.watched, mailbox.last), {})
            mailbox.sent = dict(sent)
