"""A PgBouncer in transaction mode, through which all but the listeners reach the server.

Its clients share few sessions. The database ``soak_cut`` is the same one, behind the proxy that
cuts connections: what is cut there is a session of the pooler's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.deployments.pgbouncer import run_pgbouncer
from tests.soak.server import DATABASE

CUT = f"{DATABASE}_cut"
# Sessions for each of the two: fewer than there are clients.
SIZE = 4
# Once the server is back after a crash, the pooler is, too.
MORE = "server_login_retry = 1\n"


@contextmanager
def pooler(server: int, proxy: int) -> Iterator[int]:
    """Run one before the server and the proxy, given by their ports; its own port."""
    databases = "".join(
        f"{name} = host=127.0.0.1 port={port} user=postgres dbname={DATABASE}\n"
        for name, port in ((DATABASE, server), (CUT, proxy))
    )
    with run_pgbouncer(databases, "transaction", SIZE, "postgres", DATABASE, MORE) as port:
        yield port
