"""What a hub keeps of its clients, in any order of writes, reads and clients that come and go.

Two hubs read late and several keys at once; clients are slow, are cut off and come back, to either
hub, with what they had: none sees an older state after a newer one, and all end with the newest.
"""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kck_publish.contrib.live.events import GONE, VALUE, Event
from kck_publish.contrib.live.mailbox import Mailbox
from kck_publish.contrib.live.resumed_streams import Resumes
from kck_publish.contrib.live.watchers import Board

KEYS = ("a", "b", "c")


class Browser:
    """What a client keeps from one stream to the next."""

    def __init__(self, keys: frozenset[str]) -> None:
        self.keys = keys
        self.shown: dict[str, int] = {}
        self.seen: dict[str, int] = {}
        self.last: int | None = None
        self.mailbox: Mailbox | None = None
        self.hub = 0


class BoardMachine(RuleBasedStateMachine):
    """The store is a dict. A version is taken before its write is committed, so one that is
    committed late is smaller than others that were committed before."""

    def __init__(self) -> None:
        super().__init__()
        self.boards = [Board(), Board()]
        self.resumes = [Resumes(3), Resumes(3)]
        self.version = 0
        self.uncommitted: dict[str, int] = {}
        self.stored: dict[str, int] = {}
        self.changed: list[set[str]] = [set(), set()]
        self.reading: list[Any] = [None, None]
        self.browsers: list[Browser] = []

    @rule(key=st.sampled_from(KEYS))
    def write(self, key: str) -> None:
        if key not in self.uncommitted:  # its row is locked
            self.version += 1
            self.uncommitted[key] = self.version

    @rule(key=st.sampled_from(KEYS))
    def commit(self, key: str) -> None:
        if key in self.uncommitted:
            self.stored[key] = self.uncommitted.pop(key)
            self._changes(key)

    @rule(key=st.sampled_from(KEYS))
    def remove(self, key: str) -> None:
        if key not in self.uncommitted and self.stored.pop(key, 0):
            self._changes(key)

    def _changes(self, key: str) -> None:
        for changed in self.changed:
            changed.add(key)

    @rule(keys=st.sets(st.sampled_from(KEYS), min_size=1), hub=st.integers(0, 1))
    def come(self, keys: set[str], hub: int) -> None:
        if len(self.browsers) < 4:
            self.browsers.append(Browser(frozenset(keys)))
            self._join(self.browsers[-1], hub, exact=False)

    @precondition(lambda self: any(each.mailbox is None for each in self.browsers))
    @rule(data=st.data(), hub=st.integers(0, 1), exact=st.booleans())
    def come_back(self, data: Any, hub: int, exact: bool) -> None:
        away = [each for each in self.browsers if each.mailbox is None]
        self._join(data.draw(st.sampled_from(away)), hub, exact)

    def _join(self, browser: Browser, hub: int, exact: bool) -> None:
        if exact or len(browser.keys) == 1:
            known = (
                browser.shown
                if exact or browser.last is None
                else dict.fromkeys(browser.keys, browser.last)
            )
            mailbox = Mailbox(browser.keys, known, browser.last if not exact else None)
        else:
            mailbox = Mailbox(browser.keys, None, browser.last)
            self.resumes[hub].recall(mailbox)
        browser.mailbox, browser.hub = mailbox, hub
        self.boards[hub].join(mailbox)

    @precondition(lambda self: any(each.mailbox for each in self.browsers))
    @rule(data=st.data())
    def go(self, data: Any) -> None:
        here = [each for each in self.browsers if each.mailbox]
        browser = data.draw(st.sampled_from(here))
        self.boards[browser.hub].leave(browser.mailbox)
        self.resumes[browser.hub].remember(browser.mailbox)
        browser.mailbox = None

    @rule(hub=st.integers(0, 1))
    def begin_to_read(self, hub: int) -> None:
        if self.reading[hub] is None:
            board = self.boards[hub]
            keys = sorted({key for key in self.changed[hub] if key in board} | set(board.asked()))
            self.changed[hub] = set()
            joined = board.begin(keys)
            found = {
                key: Event(key, VALUE, self.stored[key], b"1") for key in keys if key in self.stored
            }
            self.reading[hub] = joined, found

    @rule(hub=st.integers(0, 1))
    def end_to_read(self, hub: int) -> None:
        if self.reading[hub] is not None:
            _, missing = self.boards[hub].end(*self.reading[hub])
            self.reading[hub] = None
            for key in missing:  # there is none, says whoever has tried
                self.boards[hub].absent(key)

    @precondition(lambda self: any(each.mailbox for each in self.browsers))
    @rule(data=st.data())
    def send(self, data: Any) -> None:
        here = [each for each in self.browsers if each.mailbox]
        self._send(data.draw(st.sampled_from(here)))

    def _send(self, browser: Browser) -> bool:
        assert browser.mailbox is not None
        event = browser.mailbox.take(0.0)
        if event is None:
            return False
        key = event.key
        if event.kind == VALUE:
            assert event.version is not None
            assert event.version >= browser.seen.get(key, 0), "an older value after a newer one"
            browser.shown[key] = browser.seen[key] = event.version
        else:
            browser.shown.pop(key, None)
        if event.version is not None:
            browser.last = event.version
        return True

    @invariant()
    def what_waits_is_bounded(self) -> None:
        for browser in self.browsers:
            if browser.mailbox:
                assert browser.mailbox.size <= len(browser.keys)

    def teardown(self) -> None:
        """At rest everybody who is there has what is stored, and nobody else is remembered."""
        for hub in (0, 1):
            for _ in range(2):
                self.end_to_read(hub)
                self.begin_to_read(hub)
                self.end_to_read(hub)
        for browser in self.browsers:
            if browser.mailbox:
                while self._send(browser):
                    pass
                here = {key: self.stored[key] for key in browser.keys if key in self.stored}
                assert browser.shown == here
        for browser in self.browsers:
            if browser.mailbox:
                self.boards[browser.hub].leave(browser.mailbox)
        assert [len(board) for board in self.boards] == [0, 0]


BoardMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestBoard = BoardMachine.TestCase


def test_that_a_value_is_gone_is_told_again_to_who_comes_back() -> None:
    """It was told under the version of the value, and may be what the client has missed."""
    resumes, keys = Resumes(), ("a", "b")
    cut_off = Mailbox(keys)
    for event in (Event("a", VALUE, 1, b"1"), Event("a", GONE, 1)):
        cut_off.put(event)
        assert cut_off.take(0.0) is event
    resumes.remember(cut_off)
    back = Mailbox(keys, since=cut_off.last)
    resumes.recall(back)
    assert back.put(Event("a", GONE, 1))
