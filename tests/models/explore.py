"""All interleavings of a protocol: from one state to its successors, until nothing can happen.

A state in which no step is left must be a good one; the shortest history that ends in a bad one is
kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

State = TypeVar("State", bound=Hashable)


@dataclass(frozen=True)
class Model(Generic[State]):
    """A protocol.

    Attributes:
        start: the first state.
        steps: gives the name and the state of each step that may be next.
        good: whether a state may be the last.
    """

    start: State
    steps: Callable[[State], Iterator[tuple[str, State]]]
    good: Callable[[State], bool]


@dataclass(frozen=True)
class Explored:
    """What was found.

    Attributes:
        states: how many there are.
        ends: how many of them are the last of a history.
        bad: the steps of a shortest history that ends badly; None when none does.
    """

    states: int
    ends: int
    bad: tuple[str, ...] | None


def explore(model: Model[State]) -> Explored:
    """Go through all histories, the short ones first."""
    seen = {model.start}
    todo: deque[tuple[State, tuple[str, ...]]] = deque([(model.start, ())])
    ends, bad = 0, None
    while todo:
        state, path = todo.popleft()
        followers = list(model.steps(state))
        if not followers:
            ends += 1
            if bad is None and not model.good(state):
                bad = path
        for name, follower in followers:
            if follower not in seen:
                seen.add(follower)
                todo.append((follower, (*path, name)))
    return Explored(len(seen), ends, bad)
