"""The doorbell's ends: what it opens it closes, also when it cannot be hung."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from kck_publish.following.doorbell import Doorbell
from tests.catalog.fixtures import another_session

pytestmark = pytest.mark.django_db(transaction=True)


def refused() -> psycopg.Connection[Any]:
    raise psycopg.OperationalError("the server is restarting")


def deaf() -> psycopg.Connection[Any]:
    """A connection that is lost as soon as it is made."""
    with another_session() as session:
        return session


@pytest.mark.parametrize("connect", [refused, deaf])
def test_one_that_cannot_be_hung_leaves_nothing_open(
    connect: Callable[[], psycopg.Connection[Any]],
) -> None:
    """A listener that connects again and again, while the server is away, holds no more files."""
    with another_session() as desk:
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(psycopg.OperationalError) as error:
            Doorbell(connect, desk, "here")
        assert len(os.listdir("/proc/self/fd")) == before, error


def test_a_lost_desk_leaves_nothing_open() -> None:
    with another_session() as desk:
        before = len(os.listdir("/proc/self/fd"))
        with another_session() as ear:
            desk.close()
            with pytest.raises(psycopg.OperationalError) as error:
                Doorbell(lambda: ear, desk, "here")
            assert ear.closed
        assert len(os.listdir("/proc/self/fd")) == before - 1, error


def test_a_listener_that_has_just_ended_may_be_told_to_stop() -> None:
    """``stop`` comes from another thread, or a signal handler: the bell may be closed by then."""
    with another_session() as desk, another_session() as ear:
        bell = Doorbell(lambda: ear, desk, "here")
        bell.close()
        bell.wake()
