"""The small process that owns one throw-away PostgreSQL: its folder, its server, its end.

Started by `embedded_postgres.EmbeddedPostgres` as a script, in a session of its own, so that Ctrl-C
in the terminal does not reach it. It reads one JSON object a line from stdin (first the
configuration, then orders) and answers each on stdout. When stdin ends, because its parent closed
it or died in any way, SIGKILL included, it stops the server and removes the folder. It uses the
standard library only and imports nothing of the project.
"""

from __future__ import annotations

import errno
import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# Below the range that Linux and macOS take outgoing ports from: a client that reconnects in a loop
# while the server restarts could otherwise be given the server's own port, and connect to itself.
PORTS = range(20_000, 32_000)
START_SECONDS = 60
STOP_SECONDS = 20
SOCKET_PATH_LIMIT = 60  # the kernel allows some 100 bytes, of which our own names take 35
STOP_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class Supervisor:
    """One server in one folder. `package` is the installed wheel's folder, `install` the name of
    the PostgreSQL folder inside it; root has them `copied` for the server's user. `settings` become
    `-c name=value`."""

    def __init__(self, package: str, install: str, copied: bool, settings: dict[str, str]) -> None:
        self.owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="kckpg-", dir=temporary_root(self.owner)))
        self.source, self.install, self.settings = Path(package), install, settings
        self.copied = copied
        self.server: subprocess.Popen[bytes] | None = None
        self.port = 0

    def prepare(self) -> None:
        """Make the folder's contents: binaries (as root only) and an empty cluster."""
        package = self.source
        if self.owner:
            os.chown(self.folder, self.owner.pw_uid, self.owner.pw_gid)
        if self.owner and self.copied:
            # PostgreSQL refuses to run as root, and the user it runs as may not be able to enter
            # the virtual environment: that user gets copies of the files, in the same relative
            # places, because the binaries find their libraries by relative paths.
            package = self.folder / self.source.name
            copy_readable(self.source / self.install, package / self.install)
            libraries = self.source.parent / f"{self.source.name}.libs"
            if libraries.is_dir():
                copy_readable(libraries, self.folder / libraries.name)
        self.binaries = package / self.install / "bin"
        arguments = "-A trust -U postgres -E UTF8 --locale=C.UTF-8 --no-sync --no-instructions"
        done = self.spawn("initdb", "-D", str(self.folder / "data"), *arguments.split())
        if done.wait(START_SECONDS):
            raise RuntimeError(f"initdb failed:\n{self.log()}")

    def spawn(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a PostgreSQL program; what it prints goes to the folder's log."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        user: dict[str, Any] = {}
        if self.owner:
            user = {"user": self.owner.pw_uid, "group": self.owner.pw_gid, "extra_groups": []}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [str(self.binaries / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment,
                **user,
            )

    def start(self) -> None:
        """Start on a free port, or, after a stop, on the port of before."""
        for _ in range(20):
            port = self.port or free_port()
            if self.start_on(port):
                self.port = port
                return
        raise RuntimeError(f"PostgreSQL found no port to listen on:\n{self.log()}")

    def start_on(self, port: int) -> bool:
        """Whether the server came up; False when somebody else took the port in the meantime."""
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            "port": str(port),
            "timezone": "UTC",
            **self.settings,
        }
        log_begins = (self.folder / "log").stat().st_size
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self.server = self.spawn("postgres", "-D", str(self.folder / "data"), *arguments)
        status_file = self.folder / "data" / "postmaster.pid"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.server.poll() is not None:
                if "Address already in use" in self.log(log_begins):
                    return False
                raise RuntimeError(f"PostgreSQL did not start:\n{self.log(log_begins)}")
            if is_ready(status_file, self.server.pid):
                return True
            time.sleep(0.01)
        raise RuntimeError(f"PostgreSQL is not ready after {START_SECONDS} s:\n{self.log()}")

    def stop(self, mode: str) -> None:
        """Stop the server; one that does not end is killed (its backends notice and end too)."""
        if self.server is None or self.server.poll() is not None:
            return
        self.server.send_signal(STOP_SIGNALS[mode])
        try:
            self.server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()

    def log(self, begin: int = 0) -> str:
        """What the programs printed from byte `begin` on, its last 4,000 bytes at most."""
        path = self.folder / "log"
        return path.read_bytes()[begin:][-4000:].decode(errors="replace") if path.exists() else ""


def temporary_root(owner: pwd.struct_passwd | None) -> str:
    """A folder for temporary files: short enough for a socket path, and open to `owner`."""
    for candidate in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        path = Path(candidate).resolve()
        reachable = owner is None or all(p.stat().st_mode & 0o001 for p in (path, *path.parents))
        if len(str(path)) <= SOCKET_PATH_LIMIT and reachable and os.access(path, os.W_OK):
            return str(path)
    raise RuntimeError("no temporary folder has a short path that the server's user may enter")


def copy_readable(source: Path, target: Path) -> None:
    """Copy what is needed to run, readable by everybody; by hard links where that is possible."""

    def share(original: str, copy: str) -> None:
        path = os.path.realpath(original)
        if os.stat(path).st_mode & 0o004:
            try:
                os.link(path, copy)
            except OSError:  # another file system, or one without links
                pass
            else:
                return
        shutil.copyfile(path, copy)
        os.chmod(copy, 0o755)

    unneeded = shutil.ignore_patterns("include", "*.a", "pkgconfig")
    shutil.copytree(source, target, copy_function=share, ignore=unneeded)
    for folder, _, _ in os.walk(target):  # which have the permissions of those in `source`
        os.chmod(folder, 0o755)


def free_port() -> int:
    """A port of PORTS that nobody listens on at this moment."""
    for port in random.SystemRandom().sample(PORTS, 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                continue
            return port
    raise RuntimeError("no free port on 127.0.0.1")


def is_ready(status_file: Path, pid: int) -> bool:
    """Whether the server with this process id has written that it takes connections."""
    try:
        lines = status_file.read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def answer(message: dict[str, Any]) -> None:
    """Tell the parent."""
    print(json.dumps(message), flush=True)


def main() -> None:
    """Read the configuration, bring the server up, obey, and leave nothing behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    os.umask(0o022)  # the server's user has to be able to read what root copies for it
    first = sys.stdin.readline()
    if not first:
        return
    supervisor: Supervisor | None = None
    try:
        supervisor = Supervisor(**json.loads(first))
        supervisor.prepare()
        supervisor.start()
        place = {"folder": str(supervisor.folder), "programs": str(supervisor.binaries)}
        answer({"port": supervisor.port, **place})
        for line in sys.stdin:
            supervisor.stop(json.loads(line)["restart"])
            supervisor.start()
            answer({})
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        answer({"error": f"{type(error).__name__}: {error}"})
    finally:
        if supervisor is not None:
            supervisor.stop("immediate")
            shutil.rmtree(supervisor.folder)


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:  # the parent died before it read the answer: all is cleaned up
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
