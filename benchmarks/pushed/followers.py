"""Our own Follower: it is handed the changed rows, and computes and stores nothing."""

from __future__ import annotations

from benchmarks.pushed.echo import echo
from benchmarks.pushed.models import Followed
from kck_publish import Change, Follower


class Echo(Follower):
    """Its callback is ``changes``."""

    name = "echo"
    sources = (Followed,)

    def changes(self, batch: list[Change]) -> None:
        """Say that it was called, row by row."""
        for change in batch:
            if change.new is not None:
                echo(change.new["id"], change.new["pages"])
