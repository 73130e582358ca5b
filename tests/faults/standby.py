"""A streaming standby of an embedded server, which may lag behind, and be promoted."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from example_app.embedded_postgres import EmbeddedPostgres, PostgresServer
from example_app.embedded_supervisor import free_port
from tests.soak.children import die_with_parent


@dataclass(kw_only=True)
class Standby(PostgresServer):
    """The standby, and the server that it follows."""

    primary: EmbeddedPostgres

    def ask(self, query: str) -> object:
        """One value, from the standby."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    def wait_ready(self) -> None:
        """Wait until it takes connections."""
        deadline = time.monotonic() + 30
        while True:
            try:
                self.ask("SELECT 1")
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "the standby does not come up"
                time.sleep(0.05)

    def catch_up(self) -> None:
        """Wait until it has all that the primary has."""
        with psycopg.connect(self.primary.dsn, autocommit=True) as connection:
            (written,) = connection.execute("SELECT pg_current_wal_lsn()::text").fetchone() or ()
        self._wait(f"SELECT pg_last_wal_replay_lsn() >= '{written}'")

    def lose_what_comes(self) -> None:
        """From now on it receives nothing: what the primary commits is lost with the primary."""
        self.ask("ALTER SYSTEM SET primary_conninfo = ''")
        self.ask("SELECT pg_reload_conf()")
        self._wait("SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")

    def promote(self) -> None:
        """It becomes the primary."""
        self.ask("SELECT pg_promote()")
        self._wait("SELECT NOT pg_is_in_recovery()")

    def _wait(self, query: str) -> None:
        deadline = time.monotonic() + 30
        while not self.ask(query):
            assert time.monotonic() < deadline, query
            time.sleep(0.02)


@contextmanager
def standby_of(primary: EmbeddedPostgres, follows: bool = True) -> Iterator[Standby]:
    """A standby of this server, on this machine; gone after the block.

    Args:
        follows: False: a server that was set back to this moment, on the same timeline.
    """
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
    folder = Path(tempfile.mkdtemp(prefix="kckpg-standby-", dir="/tmp"))
    if owner:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    port, data = free_port(), str(folder / "data")
    copy = [primary.programs / "pg_basebackup", "-X", "stream", "-c", "fast", "-D", data, "-d"]
    options = {"port": port, "unix_socket_directories": folder, "listen_addresses": "127.0.0.1"}
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    try:
        subprocess.run(
            [*copy, primary.dsn, *(["-R"] if follows else [])], check=True, cwd=folder, **user
        )  # type: ignore[call-overload]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(  # type: ignore[call-overload]
                [str(primary.programs / "postgres"), "-D", data, *map(str, settings)],
                stdout=log,
                stderr=log,
                cwd=folder,
                preexec_fn=die_with_parent,
                **user,
            )
        try:
            standby = Standby(host="127.0.0.1", port=port, primary=primary)
            standby.wait_ready()
            yield standby
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(30)
    finally:
        shutil.rmtree(folder)
