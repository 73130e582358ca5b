"""The lazy prime: a reader primes a missing key while a writer commits and the listener follows.

A value is told by the version of the data that it reflects. The reader takes a snapshot, computes,
adds (never overwrites), and then looks at what is claimed: if that is newer than its snapshot it
asks for a refresh. The listener takes a snapshot, commits the claim, asks whether the key is
stored, computes, writes and says how far it is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.models.explore import Model

COMMITS = 2

Steps = Iterator[tuple[str, "State"]]


@dataclass(frozen=True)
class Design:
    """The protocol, or one without a part of it.

    Attributes:
        look: the reader looks at the claim once it has added.
        claim_first: the listener claims before it asks whether the key is stored.
        add: the reader never overwrites.
        fails_once: the listener's first compute fails, and is tried again.
    """

    look: bool = True
    claim_first: bool = True
    add: bool = True
    fails_once: bool = False


@dataclass(frozen=True)
class State:
    """Everything there is; versions, and None for what is not stored."""

    data: int = 0
    stored: int | None = None
    claimed: int = 0
    done: int = 0
    asked: bool = False
    reader: str = "snapshot"
    seen: int = 0
    listener: str = "idle"
    until: int = 0
    may_fail: bool = False


def model(design: Design) -> Model[State]:
    """The model of a design: at the end what is stored is what the data say."""

    def steps(state: State) -> Steps:
        if state.data < COMMITS:
            yield "commit", replace(state, data=state.data + 1)
        yield from _reader(design, state)
        yield from _listener(design, state)

    start = State(may_fail=design.fails_once)
    return Model(start, steps, lambda state: state.stored in (None, state.data))


def _reader(design: Design, state: State) -> Steps:
    match state.reader:
        case "snapshot":
            yield "reader's snapshot", replace(state, reader="add", seen=state.data)
        case "add":
            adds = state.stored is None or not design.add
            yield (
                "reader adds",
                replace(state, reader="look", stored=state.seen if adds else state.stored),
            )
        case "look":
            asks = design.look and state.claimed > state.seen
            yield "reader looks", replace(state, reader="end", asked=state.asked or asks)


def _listener(design: Design, state: State) -> Steps:
    match state.listener:
        case "idle" if state.data > state.done or state.asked:
            first = "claim" if design.claim_first else "stored?"
            yield "batch", replace(state, listener=first, until=state.data)
        case "claim":
            following = "stored?" if design.claim_first else "done"
            claimed = max(state.claimed, state.until)
            yield "claim", replace(state, listener=following, claimed=claimed)
        case "stored?":
            otherwise = "done" if design.claim_first else "claim"
            following = otherwise if state.stored is None else "write"
            yield "is it stored?", replace(state, listener=following)
        case "write":
            if state.may_fail:
                yield (
                    "compute fails",
                    replace(state, stored=None, asked=True, listener="idle", may_fail=False),
                )
            following = "done" if design.claim_first else "claim"
            yield "write", replace(state, stored=state.until, listener=following)
        case "done":
            behind = state.stored is not None and state.stored != state.until
            yield (
                "done",
                replace(state, done=state.until, asked=state.asked and behind, listener="idle"),
            )
