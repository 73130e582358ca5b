"""A table a peer, of the same form."""

from __future__ import annotations

from benchmarks.models import Row
from benchmarks.pushed.echo import echo
from kck_publish import CacheModel


class Told(Row, CacheModel):
    """Ours: the callback of a row is its ``publish``."""

    class Meta:
        db_table = "benchmarks_told"

    def publish(self) -> None:
        """Say that it was called; publish."""
        if self.pk is not None:  # it is also asked what it publishes, of no row
            echo(self.pk, self.pages)
        super().publish()


class Followed(Row):
    """Ours: a Follower is handed its changes."""

    class Meta:
        db_table = "benchmarks_followed"


class Pubsub(Row):
    """Of django-pgpubsub: NOTIFY with the rows in it."""

    class Meta:
        db_table = "benchmarks_pubsub"


class Lockable(Row):
    """Of django-pgpubsub with ``lock_notifications``, so that nothing is lost: a table, too."""

    class Meta:
        db_table = "benchmarks_lockable"


class Queued(Row):
    """Of procrastinate: whoever writes a row defers a job in the same transaction."""

    class Meta:
        db_table = "benchmarks_queued"
