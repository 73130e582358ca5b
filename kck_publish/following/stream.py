"""A stream of changes or of stored values: a Follower's place in a log that is kept for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import psycopg

from ..exceptions import Forgotten
from ..log import followers
from ..log.followers import Place
from .loop import BEAT

logger = logging.getLogger("kck_publish")


class Stream:
    """One log as one Follower reads it; a subclass says what a look is.

    Args:
        desk: the connection that it reads on, and that holds its lock; in autocommit.
        name: of the Follower.
        reset: called when it cannot go on where it was, with the reason.
    """

    kind: str

    def __init__(
        self, desk: psycopg.Connection[Any], name: str, reset: Callable[[str], None]
    ) -> None:
        self.desk = desk
        self._name = name
        self._reset = reset
        self._moved = 0.0
        self.place = self._open()

    def look(self) -> bool:
        """Hand on what is new; whether there was anything."""
        try:
            return self.read()
        except Forgotten:
            self.place = self._open()
            return True

    def read(self) -> bool:
        """Hand on what is new, page by page, and move on; whether there was anything.

        Raises:
            Forgotten: the log was not kept for it.
        """
        raise NotImplementedError

    def begin(self) -> Place:
        """Have the log kept from now on."""
        with self.desk.cursor() as cursor:
            return followers.begin(cursor, self._name, self.kind)

    def build(self) -> None:
        """Hand on what there is to begin with."""

    def settle(self, handed_on: object) -> None:
        """Wait for what a handler has left under way: it may return what waits for it."""
        if callable(handed_on):
            handed_on()

    def move(self, done: str, until: str | None = None, seq: int = 0) -> None:
        """Everything up to here is handled."""
        self.place = followers.move(self.desk, self.place, done, until, seq)
        self._moved = time.monotonic()

    def pass_over(self, until: str) -> None:
        """There was nothing up to here: written down now and then, as a sign of life.

        What nobody wanted is not found later, by who has come to want it since.
        """
        if time.monotonic() - self._moved > BEAT:
            self.move(until)
        else:
            self.place = replace(self.place, done=until)

    def _open(self) -> Place:
        with self.desk.cursor() as cursor:
            place, reason = followers.find(cursor, self._name, self.kind)
        if place is not None and self.is_unbroken(place):
            return place
        return self._begin_anew(reason or "crashed")

    def is_unbroken(self, place: Place) -> bool:
        """Whether nothing of the log was lost since the place was written down."""
        return True

    def _begin_anew(self, reason: str) -> Place:
        if reason != "new":
            logger.warning("Follower %s has missed changes (%s).", self._name, reason)
        self.place = self.begin()
        try:
            self._reset(reason)
        except Forgotten:  # it cannot: the log is kept for nothing
            with self.desk.cursor() as cursor:
                followers.give_up(cursor, self.place)
            raise
        self.build()
        self.move(self.place.done)
        return self.place


def one_ahead(handed_on: Iterable[tuple[int, object]]) -> Iterator[tuple[int, object]]:
    """Each page that was handed on; one that is under way still, once the next one is."""
    before: list[tuple[int, object]] = []
    for page in handed_on:
        yield from before
        before = [page] if callable(page[1]) else []
        if not before:
            yield page
    yield from before
