"""How processes share topics and partitions: by locks, of which no two names have the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kck_publish.contrib.kafka.shared_work import Sharing
from kck_publish.log import followers
from kck_publish.postgres import connect
from tests.catalog.fixtures import sql

pytestmark = pytest.mark.django_db(transaction=True)

ALIKE = """
SELECT array_agg(name) FROM (SELECT %s || n AS name FROM generate_series(1, 400000) AS n) AS names
 GROUP BY hashtext(name) HAVING count(*) > 1 LIMIT 1
"""


def alike(begin: str) -> list[str]:
    """Names that begin so, and whose hashes of 32 bits are the same."""
    found: list[str] = sql(ALIKE, begin)[0][0]
    return [name.removeprefix(begin) for name in found]


@pytest.fixture
def desks() -> Iterator[list[Any]]:
    """Two processes' connections."""
    made = [connect("default"), connect("default")]
    yield made
    for desk in made:
        desk.close()


def test_two_names_with_one_hash_are_owned_by_two(desks: list[Any]) -> None:
    """With one lock for both, the second one would be handled by nobody."""
    names = alike("shop:")
    first, second = (Sharing(desk, "shop", lambda name: None) for desk in desks)
    assert [len(first.balance(names)), len(second.balance(names))] == [1, 1]
    assert first.owned | second.owned == set(names)


def test_two_scopes_with_one_hash_are_not_members_of_each_other(desks: list[Any]) -> None:
    scopes = alike("member of ")
    first, second = (
        Sharing(desk, scope, lambda name: None) for desk, scope in zip(desks, scopes, strict=True)
    )
    assert first.balance(["a", "b"]) == second.balance(["a", "b"]) == {"a", "b"}


def test_two_followers_with_one_hash_do_not_wait_for_each_other(desks: list[Any]) -> None:
    for desk, name in zip(desks, alike("kafka:"), strict=True):
        with desk.cursor() as cursor:
            assert followers.lock(cursor, f"kafka:{name}")
