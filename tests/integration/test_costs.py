"""What is computed in Python: calls, counted, which noise does not touch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from kck_publish.listener.listener import Listener
from tests.catalog.fixtures import drain, sql
from tests.catalog.models import Author

pytestmark = pytest.mark.django_db(transaction=True)

# Django's and psycopg's own calls are in these, and differ a little from version to version.
HIT = 125
ROW = 900


def calls(run: Callable[[], Any]) -> int:
    """How many functions of Python a call runs."""
    counted = [0]

    def count(frame: FrameType, event: str, arg: object) -> None:
        counted[0] += event == "call"

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return counted[0]


@pytest.fixture
def authors(transactional_db: None) -> list[Author]:
    found = Author.objects.bulk_create(
        [Author(slug=f"a{n}", first=f"A{n}", last=f"B{n}") for n in range(300)]
    )
    drain()
    return found


def test_a_hit_of_the_table(authors: list[Author]) -> None:
    for _ in range(2):  # the cursor's loaders are known then
        Author.cached.get(pk=authors[0].pk)
    found = calls(lambda: Author.cached.get(pk=authors[0].pk))
    assert found <= HIT


def test_a_row_of_a_batch(authors: list[Author]) -> None:
    """Three lookups, and a list that nobody has read: what each row more of a batch costs."""

    def publish(rows: int) -> int:
        sql(
            "UPDATE catalog_author SET born = coalesce(born, date '2000-01-01') + 1 WHERE id <= %s",
            last(rows),
        )
        return calls(lambda: Listener("default").once())

    def last(rows: int) -> int:
        return int(authors[rows - 1].pk)

    publish(300)
    cost = (publish(300) - publish(100)) / 200
    assert cost <= ROW
