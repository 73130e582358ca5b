"""Django's connection as it is in a deployment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.catalog.fixtures import sql
from tests.deployments.pgbouncer import django_through, pgbouncer


@pytest.fixture(params=["transaction", "session"])
def pooled(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[int]:
    """Django goes through a PgBouncer; its port. In transaction mode all share one session."""
    size = 1 if request.param == "transaction" else 5
    with pgbouncer(request.param, size) as port, django_through(port):
        sql("DELETE FROM kck_publish_change")
        yield port


@pytest.fixture
def shared_session(transactional_db: None) -> Iterator[int]:
    """Django goes through a PgBouncer in transaction mode; all clients share one session."""
    with pgbouncer("transaction") as port, django_through(port):
        yield port
