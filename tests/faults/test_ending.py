"""How a listener ends, and how it does not start."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from kck_publish.following import process
from kck_publish.listener import signs_of_life
from kck_publish.listener.listener import Listener
from tests.acceptance.test_listener_process import Start, start
from tests.catalog.fixtures import Gate, Session, computes, interfering, sql, stored
from tests.catalog.models import Author
from tests.catalog.primers import AuthorPage

__all__ = ["start"]  # a fixture
Wait = Callable[..., Any]


@pytest.mark.django_db(transaction=True)
def test_told_to_stop_it_gives_a_long_batch_up_between_two_keys(
    monkeypatch: pytest.MonkeyPatch, wait_until: Wait
) -> None:
    """The compute that runs is the last; the next listener repeats the batch (C13)."""
    monkeypatch.setattr(signs_of_life, "GRACE", 0.0)
    pks = [Author.objects.create(first=str(n), last="x", slug=str(n)).pk for n in range(10)]
    for pk in pks:
        AuthorPage.cached.get(author=pk)
    listener, gate = Listener("default", say=lambda line: None), Gate("author_page")
    running = Session(listener.run)
    assert listener.moments.connected.wait(120)
    with interfering(gate), computes() as seen:
        sql("UPDATE catalog_author SET last = 'y'")
        gate.wait()
        listener.stop()
        gate.open()
        running.result()
    assert seen == ["author_page"]
    running = Session(Listener("default").once)
    running.result()
    for number, pk in enumerate(pks):
        entry = stored(f"author_page/{pk}")
        assert entry is not None
        assert entry.body is not None
        assert f"{number} y".encode() in entry.body


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_a_closed_terminal_does_not_end_it(start: Start, wait_until: Wait) -> None:
    """SIGHUP does no harm, and the line with ready is there at once, though piped (C13)."""
    listener = start().wait_ready()
    listener.popen.send_signal(signal.SIGHUP)
    beat = "SELECT seen_at FROM kck_publish_listener"
    before = sql(beat)
    wait_until(lambda: sql(beat) not in (before, []))
    assert listener.end() == 0, listener.lines


def test_an_address_where_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, django_db_setup: None, django_db_blocker: Any
) -> None:
    """It cannot start, so it ends with the reason: nobody waits for it (C13)."""
    from django.db import OperationalError, connection

    monkeypatch.setattr(process, "START_PATIENCE", 0.0)
    with django_db_blocker.unblock():
        connection.close()
        monkeypatch.setitem(connection.settings_dict, "PORT", "1")
        with pytest.raises(OperationalError):
            Listener("default", say=lambda line: None).run()
        connection.close()
