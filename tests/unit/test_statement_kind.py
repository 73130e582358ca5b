"""Which of the library's own statements count as a write of the session that sends them."""

from __future__ import annotations

import pytest

from kck_publish.capture.statement_kind import may_write
from kck_publish.log import refreshes
from kck_publish.stores import edges, index_sql, table_sql

OF_A_READER = [table_sql.ADD, index_sql._ADD, edges._KEEP, edges._MOVED]
OF_A_WRITER = [
    table_sql.WRITE,
    table_sql.WRITE_LATER,
    index_sql._ADOPT,
    refreshes._LOG,
    "INSERT INTO kck_publish_edges (a) VALUES (1)",
    "INSERT INTO book (title) VALUES ('INSERT INTO kck_publish_edge (a)')",
    "INSERT INTO book SELECT * FROM draft ON CONFLICT DO NOTHING",
]


@pytest.mark.parametrize("tag", [None, "INSERT 0 1"], ids=["in a pipeline", "answered"])
@pytest.mark.parametrize("query", OF_A_READER)
def test_what_a_reader_adds_is_no_write(query: str, tag: str | None) -> None:
    """It stores what it has just computed: no answer that was given changes by it."""
    assert not may_write(tag, query, None)


@pytest.mark.parametrize("tag", [None, "INSERT 0 1"], ids=["in a pipeline", "answered"])
@pytest.mark.parametrize("query", OF_A_WRITER)
def test_any_other_insert_is_one(query: str, tag: str | None) -> None:
    assert may_write(tag, query, None)
