"""The alarm: what it cuts off, and that a timer and a handler of somebody else's go on."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from kck_publish.products import call_alarm
from kck_publish.products.call_alarm import Alarm, Cut, call

pytestmark = pytest.mark.skipif(not call_alarm.usable(), reason="the alarm needs the main thread")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGALRM)
    yield
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before
    assert not call_alarm._running


def after(seconds: float) -> Alarm:
    return Alarm(time.monotonic() + seconds)


def busy() -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        pass


def reading() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(20)
        one.recv(1)


def swallowing() -> None:
    for _ in range(2):
        with suppress(Exception):
            time.sleep(20)


def waiting() -> None:
    threading.Event().wait(20)


@pytest.mark.parametrize("hang", [busy, reading, swallowing, waiting])
def test_what_hangs_is_cut_off(hang: Callable[[], None]) -> None:
    mine = after(0.05)
    start = time.monotonic()
    with pytest.raises(Cut) as cut:
        call(hang, mine)
    assert cut.value.of is mine
    assert time.monotonic() - start < 5


def test_what_ends_in_time_is_not() -> None:
    assert call(lambda: 5, after(60)) == 5
    with pytest.raises(ZeroDivisionError):
        call(lambda: 1 / 0, after(60))


def test_the_outer_one_rings_within_the_inner_one_and_the_inner_one_first() -> None:
    outer, inner = after(0.05), after(60)
    with pytest.raises(Cut) as cut:
        call(lambda: call(busy, inner), outer)
    assert cut.value.of is outer

    outer, inner = after(60), after(0.05)

    def both() -> str:
        with pytest.raises(Cut) as cut:
            call(busy, inner)
        assert cut.value.of is inner
        return "went on"

    assert call(both, outer) == "went on"


def test_who_swallows_it_is_told_again(monkeypatch: Any) -> None:
    monkeypatch.setattr(call_alarm, "AGAIN", 0.05)
    told = 0

    def stubborn() -> None:
        nonlocal told
        while told < 3:
            try:
                time.sleep(20)
            except KeyboardInterrupt:
                told += 1

    call(stubborn, after(0.05))
    assert told == 3


def test_put_off() -> None:
    mine = after(0.05)

    def later() -> None:
        mine.put_off(0.2)
        busy()

    start = time.monotonic()
    with pytest.raises(Cut):
        call(later, mine)
    assert time.monotonic() - start > 0.2


@pytest.fixture
def theirs() -> Iterator[list[float]]:
    """A handler of somebody else's, and when it was called."""
    rang: list[float] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rang.append(time.monotonic()))
    yield rang
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_timer_of_somebody_elses_goes_on_afterwards(theirs: list[float]) -> None:
    mine = signal.getsignal(signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, 0.3, 70)
    start = time.monotonic()
    with pytest.raises(Cut):
        call(busy, after(0.05))
    assert signal.getsignal(signal.SIGALRM) is mine
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    assert 0 < left < 0.3
    assert interval == 70
    while not theirs:
        time.sleep(0.01)
    assert theirs[0] - start >= 0.29
    signal.setitimer(signal.ITIMER_REAL, 0)


def test_and_rings_meanwhile(theirs: list[float]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    with pytest.raises(Cut):
        call(busy, after(0.3))
    assert len(theirs) >= 3
    signal.setitimer(signal.ITIMER_REAL, 0)


def test_in_another_thread_nothing_is_set() -> None:
    found: list[Any] = []

    def run() -> None:
        found.append(call_alarm.usable())
        found.append(call(lambda: signal.getitimer(signal.ITIMER_REAL), after(0.01)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert found == [False, (0.0, 0.0)]
