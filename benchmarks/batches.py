"""A listener's batches in this process, one at a time: for what a refresh costs by itself."""

from __future__ import annotations


class Batches:
    """The only shard's batches. Leave it to the garbage collector: it ends with the process."""

    def __init__(self) -> None:
        from kck_publish.listener import shard
        from kck_publish.postgres import connect

        self._desk = connect("default")
        place = shard.take(self._desk, 0, 1)
        assert place is not None, "a listener is running"
        self._place = place

    def next(self) -> None:
        """Handle what was committed so far."""
        from kck_publish.listener import batch

        self._place, _ = batch.batch(self._desk, self._place)
