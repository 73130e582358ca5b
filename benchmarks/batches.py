"""A listener's batches in this process, one at a time: for what a refresh costs by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kck_publish.refresh.outcome import Outcome


class Batches:
    """The only shard's batches. They end with the process, if they are not closed."""

    def __init__(self) -> None:
        from kck_publish.listener import shard
        from kck_publish.postgres import connect

        self._desk = connect("default")
        place = shard.take(self._desk, 0, 1)
        assert place is not None, "a listener is running"
        self._place = place

    def close(self) -> None:
        """Leave the shard to others."""
        self._desk.close()

    def next(self) -> Outcome:
        """Handle what was committed so far; what was done."""
        from kck_publish.listener import shard_batch

        self._place, done = shard_batch.batch(self._desk, self._place)
        return done
