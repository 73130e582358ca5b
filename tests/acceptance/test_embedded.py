"""The embedded PostgreSQL of demo and tests leaves nothing behind, however its user ends."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from example_app import embedded_postgres
from example_app.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from tests.optional import needs

pytestmark = pytest.mark.long

Wait = Callable[..., Any]
Start = Callable[..., subprocess.Popen[str]]

HOLDER = """
import sys
sys.path.insert(0, sys.argv[1])
import embedded_postgres
server = embedded_postgres.EmbeddedPostgres.start(settings={"fsync": "off"})
print(server.socket_dir, server.port, flush=True)
sys.stdin.read()
"""
"""Starts a server, says where it is, and holds it until its own stdin ends."""

AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
AS_NOBODY += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
"""Become an ordinary user, who may still enter the folders that the interpreter is installed in."""


@pytest.fixture
def root() -> Iterator[Path]:
    """A temporary folder that is short enough for a socket's path, and open to everybody."""
    folder = Path(tempfile.mkdtemp(prefix="kck-", dir="/tmp"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start_holder(root: Path) -> Iterator[Start]:
    """Start a process that holds a server, whose folder will be in `root`."""
    holders = []

    def start(*prefix: str) -> subprocess.Popen[str]:
        code = str(Path(embedded_postgres.__file__).parent)
        process = subprocess.Popen(
            [*prefix, sys.executable, "-W", "error", "-c", HOLDER, code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(root)},
        )
        holders.append(process)
        return process

    yield start
    for process in holders:
        process.kill()
        process.communicate()


def read_address(holder: subprocess.Popen[str]) -> tuple[Path, int]:
    """The folder and the port of the server that a holder has started."""
    assert holder.stdout is not None
    folder, port = holder.stdout.readline().rsplit(maxsplit=1)
    return Path(folder), int(port)


def takes_connections(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def server_process(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_holder_is_killed(
    start_holder: Start, wait_until: Wait, end: signal.Signals
) -> None:
    holder = start_holder()
    folder, port = read_address(holder)
    pid = server_process(folder)
    assert takes_connections(port)
    holder.send_signal(end)
    wait_until(lambda: not is_alive(pid) and not folder.exists(), what="server and folder gone")
    assert not takes_connections(port)


def test_nothing_is_left_when_the_holder_is_killed_while_starting(
    start_holder: Start, root: Path, wait_until: Wait
) -> None:
    """The folder is just being filled: the supervisor finds itself alone, and tidies up."""
    holder = start_holder()
    wait_until(lambda: any(root.glob("kckpg-*/data")), what="initdb has begun")
    holder.kill()
    wait_until(lambda: not any(root.iterdir()), seconds=30, what="the folder is gone")


def test_an_ordinary_user_has_a_server_too(start_holder: Start, wait_until: Wait) -> None:
    """When the tests run as root, the other tests show root's way, and this one the user's."""
    if os.geteuid() == 0:
        needs("setpriv", "util-linux")
    holder = start_holder(*(AS_NOBODY if os.geteuid() == 0 else []))
    folder, port = read_address(holder)
    assert folder.stat().st_uid == (65534 if os.geteuid() == 0 else os.geteuid())
    assert not list(folder.glob("pixeltable*")), "a user's server needs no copy of the binaries"
    pid = server_process(folder)
    assert takes_connections(port)
    holder.kill()
    wait_until(lambda: not is_alive(pid) and not folder.exists(), what="server and folder gone")


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_keeps_the_address_and_what_was_committed(
    own_server: EmbeddedPostgres, mode: Any
) -> None:
    with psycopg.connect(own_server.dsn) as connection:
        connection.execute("create table kept as select 1 as one")
    own_server.restart(mode)
    with psycopg.connect(own_server.dsn) as connection:
        assert connection.execute("select one from kept").fetchone() == (1,)


def test_stop_removes_the_folder_and_may_be_repeated() -> None:
    with EmbeddedPostgres.start(settings={"fsync": "off"}) as server:
        assert Path(server.socket_dir).is_dir()
    assert not Path(server.socket_dir).exists()
    server.stop()
    with pytest.raises(EmbeddedPostgresError, match="supervisor has ended"):
        server.restart()


def test_a_setting_that_postgres_refuses_is_named() -> None:
    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        EmbeddedPostgres.start(settings={"no_such_setting": "on"})
