"""The near store with real processes: ``kck_listen`` follows, this process and its children read.

Promises 8 and 10 with the near store on, and its own: readers stop trusting it in time.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lmdb
import pytest
from django.db import connection, connections

from kck_publish.products import registry
from kck_publish.stores.near import reader
from kck_publish.stores.near.format import clock
from kck_publish.stores.near.hold_requests import DAMAGED
from tests.acceptance.test_listener_process import Process, Start, start  # noqa: F401
from tests.catalog.fixtures import another_session, lease_of
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)
LEASE = 0.5


@pytest.fixture
def path(tmp_path: Path, settings: Any) -> Iterator[str]:
    path = str(tmp_path / "near")
    settings.KCK_PUBLISH = {"NEAR": path, "NEAR_LEASE": LEASE}
    yield path
    reader.reader(path).close()


@pytest.fixture
def follow(start: Start, path: str) -> Callable[..., Process]:  # noqa: F811
    return lambda *arguments: start(*arguments, NEAR=path, NEAR_LEASE=LEASE).wait_ready()


def total() -> int:
    return int(ItemTotal.cached.get(group=1)["amount"])


def held(path: str) -> bytes:
    fingerprint = registry.get("item_total").fingerprint
    entry = reader.reader(path).get("item_total/1", fingerprint)
    return b"" if entry is None else entry.body or b""


def body(amount: int) -> bytes:
    return b'{"count":1,"amount":%d}' % amount


def write(amount: int) -> None:
    with another_session() as other:
        other.execute("UPDATE catalog_item SET amount = %s", [amount])


@pytest.fixture
def warm(path: str, wait_until: Any) -> Callable[[], None]:
    """An item whose group's total is held here."""
    Item.objects.create(name="one", group=1, amount=5)

    def warm() -> None:
        connection.close()
        wait_until(lambda: total() == 5 and held(path) == body(5), 30, "held")

    return warm


def test_what_is_committed_arrives(follow: Any, path: str, warm: Any, wait_until: Any) -> None:
    listener = follow()
    warm()
    for amount in range(6, 26):
        write(amount)
        wait_until(lambda amount=amount: held(path) == body(amount))
        assert total() == amount
    assert listener.end() == 0
    assert total() == 25


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_follower_that_is_gone_or_stands_still_is_not_trusted(
    follow: Any, path: str, warm: Any, wait_until: Any, number: signal.Signals
) -> None:
    victim = follow("--near-only")
    follow()  # whose own follower waits until the first is gone
    warm()
    victim.popen.send_signal(number)
    write(6)
    until = lease_of(path).until
    wait_until(lambda: clock() >= until)
    assert held(path) != body(5)
    wait_until(lambda: total() == 6)
    if number == signal.SIGSTOP:
        victim.popen.send_signal(signal.SIGCONT)
    wait_until(lambda: total() == 6 and held(path) == body(6), 20, "followed again")
    write(7)
    wait_until(lambda: held(path) == body(7))
    if number == signal.SIGSTOP:
        assert victim.end() == 0
    else:
        assert victim.wait() == -number


def test_a_reader_that_forks_and_its_child_both_read(
    follow: Any, path: str, warm: Any, wait_until: Any
) -> None:
    follow("--near-only")
    warm()
    assert held(path) == body(5)
    child = os.fork()
    if child == 0:
        try:
            same = all(held(path) == body(5) for _ in range(1000))
            os._exit(0 if same else 1)
        finally:
            os._exit(2)
    for _ in range(1000):
        assert held(path) == body(5)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_damaged_file_is_set_aside_and_made_anew(
    follow: Any, path: str, warm: Any, wait_until: Any
) -> None:
    follow()
    warm()
    reader.reader(path).close()
    with open(path, "r+b") as file:  # the pages of the tree, not the first two
        file.seek(2 * 4096)
        file.write(b"\xff" * 4096 * 4)
    reader.reader(path)._lose(lmdb.CorruptedError("seen by a reader"))
    reader.reader(path).ask("", DAMAGED)
    wait_until(lambda: [one for one in os.listdir(Path(path).parent) if ".bad-" in one])
    write(6)
    wait_until(lambda: total() == 6 and held(path) == body(6))


def test_without_the_database_the_copy_is_served_for_the_lease(
    follow: Any, path: str, warm: Any, wait_until: Any
) -> None:
    """A reader whose session has written nothing asks PostgreSQL nothing, not even to connect."""
    follow()
    warm()

    def is_alone() -> bool:
        connections.close_all()
        ItemTotal.cached.get(group=1)
        return connection.connection is None

    wait_until(is_alone, what="the lease may be late")


@pytest.mark.long
@pytest.mark.parametrize("ending", ["", "-lock", "-follower", "-ask"])
def test_what_somebody_has_taken_away_is_made_anew(
    follow: Any, path: str, warm: Any, wait_until: Any, ending: str
) -> None:
    """Each file that belongs to it: who reads later would not find what the follower writes."""
    follow()
    warm()
    reader.reader(path).close()
    os.unlink(path + ending)
    wait_until(lambda: os.path.exists(path + ending), 20, "made anew")
    warm()
    write(6)
    wait_until(lambda: total() == 6 and held(path) == body(6))
