"""The ORM with prepared statements: see ``orm``; the process's OPTIONS make the difference."""

from __future__ import annotations

from benchmarks.peers import MANY, ONE, ORM, Contestants
from benchmarks.peers.orm import contestants as plain

NAME = f"{ORM}, prepared statements"


def contestants() -> Contestants:
    """What is measured."""
    found = plain()
    return {task: {NAME: found[task][ORM]} for task in (ONE, MANY)}
