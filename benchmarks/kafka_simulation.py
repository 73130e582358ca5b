"""Changes on their way through one region, simulated second by second: queues between stages.

Each stage passes on what it is able to in a second and keeps the rest; what is behind what is told
by counting. No part of it knows of Kafka: the stages' rates are what was measured.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

# What is asked of the simulation, in seconds: how long a burst and an outage last, and a step.
BURST, OUTAGE, STEP = 600.0, 3_600.0, 1.0
# A burst is so many times the rate.
TIMES = 10.0
# It is over when the lag is back under this, in seconds.
CALM = 5.0


@dataclass(frozen=True)
class Run:
    """What a run has shown.

    Attributes:
        lag: the longest time from a change to its end, in seconds.
        over: when it was calm again, in seconds after the beginning; None: it never was.
        waits: by stage, the most that has waited before it.
    """

    lag: float
    over: float | None
    waits: Mapping[str, float]

    @property
    def first(self) -> str:
        """The stage before which the most has waited."""
        return max(self.waits, key=lambda name: self.waits[name])


def simulate(
    stages: Mapping[str, float],
    arrivals: Callable[[float], float],
    seconds: float,
    away: Callable[[str, float], bool] = lambda name, now: False,
    before: float = 0.0,
    step: float = STEP,
) -> Run:
    """Let changes arrive, and pass through all stages.

    Args:
        stages: what each passes on in a second, in their order.
        arrivals: changes a second, by the time.
        away: whether a stage passes nothing on, by its name and the time.
        before: what waits before the first stage at the beginning, older than all changes.
    """
    waiting = dict.fromkeys(stages, 0.0)
    most = dict.fromkeys(stages, 0.0)
    arrived: list[float] = [before]  # in all, at the end of each step
    ended, longest, over, behind = 0.0, 0.0, 0.0, before > 0
    for number in range(1, int(seconds / step) + 1):
        now = number * step
        passed = arrivals(now) * step + (before if number == 1 else 0.0)
        arrived.append(arrived[-1] + passed - (before if number == 1 else 0.0))
        for name, rate in stages.items():
            there = waiting[name] + passed
            passed = 0.0 if away(name, now) else min(there, rate * step)
            waiting[name] = there - passed
            most[name] = max(most[name], waiting[name])
        ended += passed
        lag = now - bisect_left(arrived, ended - 1e-6) * step
        longest = max(longest, lag)
        if lag > CALM:
            behind = True
        elif behind:
            behind, over = False, now
    return Run(longest, None if behind else over, most)


def burst(stages: Mapping[str, float], rate: float) -> Run:
    """Ten minutes of ten times the rate."""
    return simulate(stages, lambda now: rate * (TIMES if now <= BURST else 1.0), 24 * 3600)


def outage(stages: Mapping[str, float], rate: float, stage: str) -> Run:
    """One stage is away for an hour."""
    return simulate(
        stages, lambda now: rate, 24 * 3600, lambda name, now: name == stage and now <= OUTAGE
    )


def refill(stages: Mapping[str, float], rate: float, products: float) -> Run:
    """All products are told anew, and the changes meanwhile wait behind them."""
    return simulate(stages, lambda now: rate, 7 * 24 * 3600, before=products, step=20.0)


def limit(stages: Mapping[str, float], rates: Sequence[float]) -> tuple[float, str]:
    """The first of these rates that it does not bear for ten minutes, and the stage that is short.

    Raises:
        ValueError: it bears all of them.
    """
    for rate in rates:
        run = simulate(stages, partial(_steady, rate), 600)
        if run.over is None:
            return rate, run.first
    raise ValueError("each of these rates is borne")


def _steady(rate: float, now: float) -> float:
    return rate
