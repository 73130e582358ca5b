"""Under uvicorn, granian and daphne: a stream follows, and SIGTERM ends it and the server."""

from __future__ import annotations

from contextlib import suppress

import pytest

from tests.catalog.fixtures import sql
from tests.catalog.models import Author
from tests.live.conftest import page, rename
from tests.live.server_process import SERVERS, ServerProcess
from tests.live.streams import Stream

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_streams_and_ends(
    name: str, process_environment: dict[str, str], authors: list[Author]
) -> None:
    with ServerProcess(name, process_environment) as server:
        streams = [Stream(server.port, page(authors[0])) for _ in range(20)]
        for stream in streams:
            assert stream.next().value["name"] == "ann L"
        rename(authors[0], "eve")
        for stream in streams:
            assert stream.next().value["name"] == "eve L"
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        assert sql(query)[0][0] <= 1 + 2 + 4 + 1  # ours, the hub's, the workers', a request's
        server.process.terminate()
        assert server.process.wait(20) is not None
        for stream in streams:
            with suppress(TimeoutError, OSError):
                while True:
                    try:
                        stream.next(1)
                    except EOFError:
                        break
            stream.close()
