"""Versions: of one key a later value has the greater one, in every store."""

from __future__ import annotations

from typing import Any

import pytest

from kck_publish import Cache
from kck_publish.contrib.live import close_hub
from tests.catalog.fixtures import Session, another_session, sql
from tests.catalog.models import Author
from tests.live.conftest import page
from tests.live.streams import Stream

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


def test_of_two_who_write_the_later_has_the_greater_version(wait_until: Any) -> None:
    cache.set("any/x", 1)
    with another_session(autocommit=False) as other:
        other.execute("SELECT FROM kck_publish_entry WHERE key = 'any/x' FOR UPDATE")
        waiting = Session(lambda: cache.set("any/x", 2).version)
        wait_until(lambda: sql("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(1,)])
        found = other.execute(
            "UPDATE kck_publish_entry SET version = nextval('kck_publish_version') "
            "WHERE key = 'any/x' RETURNING version"
        ).fetchone()
        other.commit()
    assert found is not None
    assert waiting.result() > found[0]


def test_versions_go_on_above_those_of_a_database_that_was_there_before(
    port: int, authors: list[Author]
) -> None:
    with Stream(port, page(authors[0])) as stream:
        stream.next()
        for number in range(5):
            cache.set(page(authors[0]), {"name": f"{number}"})
        while (event := stream.next()).value["name"] != "4":
            pass
        before = event.version
    close_hub()
    sql("SELECT setval('kck_publish_version', 1)")  # a dump of long ago is restored
    with Stream(port, page(authors[1])) as stream:
        stream.next()
        cache.set(page(authors[1]), {"name": "new"})
        after = stream.next().version
    assert after > before
    assert after < 2**53  # what JavaScript can hold
