"""The targets of reading, as the issues put them, over the figures of one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.figures import ratio, target
from benchmarks.peers import (
    BYTES,
    CACHEOPS,
    DJANGO_DATABASE,
    DJANGO_REDIS,
    LMDB,
    MANY,
    NEAR,
    ONE,
    ORM,
    POSTGRES,
    PREPARED,
)

SOCKETS = [
    *(ORM, f"{ORM}, prepared statements", CACHEOPS, DJANGO_REDIS, DJANGO_DATABASE),
    *("django-cachalot, Redis", "django-cachemodel, Redis"),
]
"""The peers that give an instance and cross a socket."""

Figures = Mapping[str, Sequence[float]]
# Task, whose, how many times faster than whom, at least; below 1: that much slower at the most.
WANTED: list[tuple[str, str, float, str]] = [
    (MANY, POSTGRES, 2.0, ORM),
    (MANY, POSTGRES, 2.0, CACHEOPS),
    (MANY, PREPARED, 2.0, ORM),
    (MANY, PREPARED, 2.0, CACHEOPS),
    (ONE, NEAR, 1 / 2, LMDB),
    (ONE, NEAR, 50.0, ORM),
    (ONE, NEAR, 25.0, DJANGO_REDIS),
    (ONE, NEAR, 25.0, CACHEOPS),
    (MANY, NEAR, 5.0, ORM),
    (MANY, NEAR, 3.0, CACHEOPS),
    (BYTES, NEAR, 1 / 3, LMDB),
]


def judge(task: str, figures: Figures) -> None:
    """Print each target of this task that has both its sides here."""
    if task == ONE:
        _crossing(figures)
    for where, ours, times, peer in WANTED:
        if where != task or ours not in figures or peer not in figures:
            continue
        if times < 1:
            slower = ratio(figures[ours], figures[peer])
            wanted = f"<= {1 / times:.0f} times as long"
            target(f"{ours}, to {peer}", wanted, slower, met=slower <= 1 / times)
        else:
            faster = ratio(figures[peer], figures[ours])
            target(
                f"{ours}, than {peer}", f">= {times:.0f} times faster", faster, met=faster >= times
            )


def _crossing(figures: Figures) -> None:
    """One instance: faster than each that crosses a socket; told of the closest."""
    for ours in (POSTGRES, PREPARED):
        peers = {peer: ratio(figures[peer], figures[ours]) for peer in SOCKETS if peer in figures}
        closest = min(peers, key=peers.__getitem__)
        faster = peers[closest]
        what = f"{ours}, than each that crosses a socket (closest: {closest})"
        target(what, "> 1 times faster", faster, met=faster > 1)
