"""The doorbell's ends: what it opens it closes, also when it cannot be hung."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from django.test import override_settings

from kck_publish.following.doorbell import Doorbell
from tests.catalog.fixtures import another_session, listening, sql

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

            def connect() -> psycopg.Connection[Any]:
                desk.close()
                return ear

            with pytest.raises(psycopg.OperationalError) as error:
                Doorbell(connect, desk, "here")
            assert ear.closed
        assert len(os.listdir("/proc/self/fd")) == before - 1, error


def test_a_listener_that_has_just_ended_may_be_told_to_stop() -> None:
    """``stop`` comes from another thread, or a signal handler: the bell may be closed by then."""
    with another_session() as desk, another_session() as ear:
        bell = Doorbell(lambda: ear, desk, "here")
        bell.close()
        bell.wake()


def test_a_change_that_nobody_rang_for_is_found_and_counted() -> None:
    """By the seat belt's look; it should never be, so that one that was has to be known of."""
    with override_settings(KCK_PUBLISH={"POLL_INTERVAL": 1.0}), listening() as listener:
        sql("INSERT INTO kck_publish_change (source, op) VALUES ('catalog_item', 'truncate')")
        assert listener.moments.seat_belt.wait(120)


def test_our_own_ring_is_told_from_that_of_somebody_else(wait_until: Callable[..., Any]) -> None:
    """Though both come in one message."""
    with another_session() as desk, another_session() as ear, another_session() as other:
        bell = Doorbell(lambda: ear, desk, "here")
        assert bell.prove()
        channel = bell._channel()
        with socket.socket(fileno=os.dup(ear.fileno())) as peeked:

            def rings() -> int:
                with suppress(BlockingIOError):
                    return peeked.recv(65536, socket.MSG_PEEK | socket.MSG_DONTWAIT).count(
                        channel.encode()
                    )
                return 0

            for session in (desk, other):
                session.execute("SELECT pg_notify(%s, '')", [channel])
            wait_until(lambda: rings() == 2)
            assert (bell.wait(0), bell.others_rang) == (True, True)
            desk.execute("SELECT pg_notify(%s, '')", [channel])
            wait_until(lambda: rings() == 1)
            assert (bell.wait(0), bell.others_rang) == (True, False)
        bell.close()
