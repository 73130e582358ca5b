"""The doorbell: writers that ring only for a sleeper, and a listener that falls asleep.

A writer takes a transaction number with its log row, reads the flag, and commits, ringing if the
flag said asleep; above READ COMMITTED it rings always. What it writes after that it does not read
the flag for, unless it goes back to a savepoint before the first: that takes the ring back.

The listener drains, says that it sleeps (a transaction too: its number is taken in one step and its
commit is another), ends a further transaction of its own, takes a snapshot, drains, polls until
those in the snapshot have ended, and waits for a ring. Then it gets up, or drains and sleeps on. As
in PostgreSQL a snapshot lists the running transactions below its xmax only, and xmax follows the
youngest transaction that has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tests.models.explore import Model

LISTENER = -1

Steps = Iterator[tuple[str, "State"]]


@dataclass(frozen=True)
class Design:
    """The protocol, or one without a part of it.

    Attributes:
        writers: how many there are.
        own_transaction: the listener ends a further transaction before it takes the snapshot.
        snapshot: it waits for those in the snapshot at all.
        hear_then_drain: when it sleeps on, it has heard the ring before it drains.
        look_then_drain: while it waits, it looks who has ended before it drains.
        stale: the writers above READ COMMITTED, which may read an old flag.
        stale_ring: and so always ring.
        undoing: the writers that go back to a savepoint, and write once more.
        forgets: with the ring they forget that they have read the flag.
    """

    writers: int = 3
    own_transaction: bool = True
    snapshot: bool = True
    look_then_drain: bool = True
    hear_then_drain: bool = True
    stale: frozenset[int] = frozenset()
    stale_ring: bool = True
    undoing: frozenset[int] = frozenset()
    forgets: bool = True


@dataclass(frozen=True)
class Writer:
    """One writer: its next step, and the flag as it has read it."""

    at: str = "begin"
    saw_asleep: bool = False
    has_undone: bool = False


@dataclass(frozen=True)
class State:
    """Everything there is.

    Attributes:
        running: who has a transaction number and has not ended, the oldest number first.
        below: how many of them are below the xmax of a snapshot taken now.
        pending: those that the listener waits for.
    """

    writers: tuple[Writer, ...]
    running: tuple[int, ...] = ()
    below: int = 0
    committed: frozenset[int] = frozenset()
    done: frozenset[int] = frozenset()
    asleep: bool = False
    rung: bool = False
    at: str = "drain"
    pending: frozenset[int] = field(default_factory=frozenset)

    @property
    def listed(self) -> frozenset[int]:
        """The running transactions of a snapshot taken now."""
        return frozenset(self.running[: self.below]) - {LISTENER}

    def assigned(self, who: int) -> State:
        """A transaction number is taken: the youngest."""
        return replace(self, running=(*self.running, who))

    def ended(self, who: int) -> State:
        """A transaction has ended: xmax is past it."""
        place = self.running.index(who)
        left = self.running[:place] + self.running[place + 1 :]
        below = place if place >= self.below else self.below - 1
        return replace(self, running=left, below=below)


def model(design: Design) -> Model[State]:
    """The model of a design: at the end everything that was committed is handled."""

    def steps(state: State) -> Steps:
        for number in range(design.writers):
            yield from _writer(design, state, number)
        yield from _listener(design, state)

    return Model(
        State((Writer(),) * design.writers), steps, lambda state: state.done == state.committed
    )


def _writer(design: Design, state: State, number: int) -> Steps:
    writer = state.writers[number]

    def moved(state: State, at: str, saw: bool, has_undone: bool = writer.has_undone) -> State:
        moved = Writer(at, saw, has_undone)
        return replace(
            state, writers=(*state.writers[:number], moved, *state.writers[number + 1 :])
        )

    stale = number in design.stale
    if writer.at == "begin" and stale:
        yield f"w{number} snapshot", moved(state, "insert", state.asleep)
    elif writer.at in ("begin", "insert"):
        yield f"w{number} insert", moved(state.assigned(number), "flag", writer.saw_asleep)
    elif writer.at == "flag":
        saw = design.stale_ring or writer.saw_asleep if stale else state.asleep
        yield f"w{number} flag", moved(state, "commit", saw)
    elif writer.at == "commit" and number in design.undoing and not writer.has_undone:
        # In a stale writer's snapshot the flag stays as it was.
        saw = stale and not design.stale_ring and writer.saw_asleep
        at = "flag" if design.forgets else "commit"
        yield f"w{number} undo and insert", moved(state, at, saw, True)
    elif writer.at == "commit":
        after = replace(
            state.ended(number),
            committed=state.committed | {number},
            rung=state.rung or writer.saw_asleep,
        )
        yield f"w{number} commit", moved(after, "end", writer.saw_asleep)


def _listener(design: Design, state: State) -> Steps:
    def moved(state: State, at: str) -> State:
        return replace(state, at=at)

    drained = replace(state, done=state.committed)
    match state.at:
        case "drain":
            yield "drain", moved(drained, "say")
        case "say":
            yield "say that I sleep", moved(state.assigned(LISTENER), "said")
        case "said":
            following = "own" if design.own_transaction else "snapshot"
            said = replace(state.ended(LISTENER), asleep=True)
            yield "that is committed", moved(said, following)
        case "own":
            yield "own transaction", moved(state.assigned(LISTENER), "own ends")
        case "own ends":
            yield "own transaction ends", moved(state.ended(LISTENER), "snapshot")
        case "snapshot":
            pending = state.listed if design.snapshot else frozenset()
            yield "snapshot", moved(replace(state, pending=pending), "drain asleep")
        case "drain asleep":
            yield "drain", moved(drained, "poll")
        case "poll" | "wait" if state.rung:
            heard = replace(state, rung=False)
            yield "ring, get up", moved(replace(heard, asleep=False), "drain")
            if state.at == "wait" and design.hear_then_drain:
                yield "ring, sleep on", moved(heard, "drain asleep")
            elif state.at == "wait":
                yield "ring, drain first", moved(drained, "hear")
        case "hear":
            yield "hear", moved(replace(state, rung=False), "poll")
        case "poll" if not state.pending:
            yield "wait for a ring", moved(state, "wait")
        case "poll" if design.look_then_drain:
            looked = replace(state, pending=state.pending & state.listed)
            yield "look who runs", moved(looked, "drain asleep")
        case "poll":
            yield "drain first", moved(drained, "look")
        case "look":
            looked = replace(state, pending=state.pending & state.listed)
            yield "look who runs", moved(looked, "poll")
