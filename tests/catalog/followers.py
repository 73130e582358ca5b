"""A Follower that ``kck_follow`` runs in a process of its own."""

from __future__ import annotations

from kck_publish import Change, Depends, Follower
from tests.catalog.models import Item


class Printer(Follower):
    """Prints the amounts."""

    name = "printer"
    sources = (Depends(Item, columns=["amount"]),)

    def changes(self, batch: list[Change]) -> None:
        for change in batch:
            assert change.new is not None
            print(change.op, change.new["amount"], flush=True)
