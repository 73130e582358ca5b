"""django-pgpubsub's channels, as its README shows them."""

from __future__ import annotations

from dataclasses import dataclass

from pgpubsub.channel import TriggerChannel

from benchmarks.pushed.models import Lockable, Pubsub


@dataclass
class PubsubChannel(TriggerChannel):  # type: ignore[misc]
    """Each process that listens hears it; what nobody hears is lost."""

    model = Pubsub


@dataclass
class LockableChannel(TriggerChannel):  # type: ignore[misc]
    """One process hears it, later if need be."""

    model = Lockable
    lock_notifications = True
