"""A shard changes hands while its owner holds a batch that is computed and not yet written.

A lock on the stored row holds the listener's write for as long as the test wants, so each of these
happens at that very point.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kck_publish.testing import assert_fresh
from tests.acceptance.test_listener_process import Start, drained, start, total
from tests.catalog.fixtures import another_session, sql
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

__all__ = ["start"]  # a fixture
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
Wait = Callable[..., Any]
WAITING = """
SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture(autouse=True)
def item(transactional_db: None) -> None:
    Item.objects.create(name="one", group=1, amount=5)
    ItemTotal.cached.get(group=1)


@contextmanager
def held_at_its_write(wait_until: Wait) -> Iterator[int]:
    """A listener has computed ``item_total/1`` anew and waits to write it; its desk's backend."""
    with another_session(autocommit=False) as holder:
        holder.execute("SELECT FROM kck_publish_entry WHERE key = 'item_total/1' FOR UPDATE")
        sql("UPDATE catalog_item SET amount = amount + 1")
        wait_until(lambda: sql(WAITING), what="the listener writes")
        yield sql(WAITING)[0][0]


@pytest.mark.parametrize("server", ["does not know", "rolls back"])
def test_killed_between_compute_and_write(
    start: Start,
    wait_until: Wait,
    server: str,
) -> None:
    """Whether the server has done what the dead process asked for or not: it counts once."""
    first = start().wait_ready()
    wait_until(drained)
    with held_at_its_write(wait_until) as backend:
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
        if server == "rolls back":
            sql("SELECT pg_terminate_backend(%s)", backend)
            wait_until(lambda: not sql(WAITING))
            assert total(5)(), "nothing was written"
    second = start().wait_ready()
    wait_until(total(6))
    wait_until(drained)
    assert_fresh()
    assert second.end() == 0


def test_a_polite_end_finishes_the_batch(start: Start, wait_until: Wait) -> None:
    """SIGTERM: what is in hand is written, and the next owner has nothing to do."""
    first = start().wait_ready()
    wait_until(drained)
    with held_at_its_write(wait_until):
        first.popen.send_signal(signal.SIGTERM)
    assert first.wait() == 0, first.lines
    assert total(6)()
    assert drained()
    assert sql("SELECT count(*) FROM kck_publish_listener") == [(0,)]


def test_a_stopped_owner_writes_nothing_once_it_goes_on(
    start: Start,
    wait_until: Wait,
) -> None:
    """SIGSTOP: its shard is taken, with what it had in hand; going on, it is one of two again."""
    first = start(SILENCE=2).wait_ready()
    wait_until(drained)
    with held_at_its_write(wait_until) as backend:
        first.popen.send_signal(signal.SIGSTOP)
        second = start(SILENCE=2)  # ready before it takes over, or after it has written
        wait_until(lambda: backend not in [pid for (pid,) in sql(WAITING)], 40, "it is ended")
    second.wait_ready()
    wait_until(total(6))
    wait_until(drained)
    sql("UPDATE catalog_item SET amount = amount + 1")
    wait_until(total(7))
    first.popen.send_signal(signal.SIGCONT)
    wait_until(lambda: any("Connected again" in line for line in first.lines))
    sql("UPDATE catalog_item SET amount = amount + 1")
    wait_until(total(8))
    wait_until(drained)
    assert_fresh()
    assert any("is silent" in line for line in second.lines)
    assert first.end() == 0
    assert second.end() == 0
