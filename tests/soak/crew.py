"""The soak's processes by name, and what their logs may say.

Every second process reaches the server through the proxy that cuts connections.
"""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from example_app.embedded_postgres import EmbeddedPostgres
from tests.soak.children import Child
from tests.soak.near import FALLS, Near
from tests.soak.pooler import CUT
from tests.soak.proxy import Proxy
from tests.soak.server import DATABASE, Redis

SIZES = {"listener": 3, "writer": 3, "reader": 2, "prober": 1, "follower": 1}
AUDITOR = "auditor-1"
# Who goes past a pooler.
DIRECT = ("listener", "follower")
SESSIONS = """
SELECT application_name, pid, state, wait_event_type, wait_event, pg_blocking_pids(pid),
       now() - state_change, left(query, 300)
  FROM pg_stat_activity WHERE backend_type LIKE 'client%'
"""
MANAGE = str(Path(__file__).with_name("manage.py"))
# Each line of a listener's log is one of these, or a fault of the library.
EXPECTED = re.compile(
    r"kck_listen ready: "
    r"|The database is lost \(.+\): connecting again\."
    r"|Connected again after \d+\.\d s: following the log\."
    r"|Listener \S+ is silent: its shards are taken from it\."
    r"|psycopg error ignored"  # its own word of a connection that is lost while it is closed
    r"|^\tThis probably means the server terminated|^\tbefore or while processing"  # which goes on
    # What the fault "primer broken" is there for, with the places in its traceback.
    r"|The refresh of breakable/\d+ failed, and is tried again at \S+: tests\.soak\.primers\.Broken"
    r"|\d+ more keys of breakable failed within"
    r"|^  \S+\.py:\d+ in \w+$"
    r"|Shard \d+ has moved to another listener"
    # A TRUNCATE gives a table a new file, as a rewrite does.
    r"|announced soak_\w+: its tables or triggers have changed"
    r"|The near store cannot be followed \(.+\): readers ask the store\."
    r"|The near store is followed again after \d+\.\d s\."
    r"|The near store \S+ is (damaged|full of pages that a stopped reader holds): it is begun anew"
    r"|The near store \S+ cannot be opened \(\w+\): it is set aside\."
    r"|What was there instead of a near store is now "
    r"|The near store cannot be read \(\w+\): its readers ask the store\."
)


def rests(name: str) -> bool:
    """Whether it is to rest at a quiet point."""
    return not name.startswith(("listener", "follower", "auditor", "holder"))


class SoakError(Exception):
    """The soak has failed; the message says how."""


@dataclass
class Crew:
    """Who works on the world.

    Attributes:
        dsn: of the server itself, for those who watch.
        pooler: the port of the PgBouncer before it, if there is one.
        broken: while this file exists, a primer raises.
        restarts: processes that ended for want of the server, and were started again.
        victims: those that fell because of what was done to the near store's file.
    """

    server: EmbeddedPostgres
    proxy: Proxy
    folder: Path
    random: random.Random
    redis: Redis | None = None
    near: Near | None = None
    pooler: int | None = None
    children: dict[str, Child] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)  # on purpose
    restarts: int = 0
    victims: int = 0
    _scanned: dict[str, int] = field(default_factory=dict)
    _odd: list[str] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        return self.server.dsn_of(DATABASE)

    @property
    def broken(self) -> Path:
        return self.folder / "broken"

    def names(self, role: str) -> list[str]:
        return [f"{role}-{number}" for number in range(1, SIZES[role] + 1)]

    def everybody(self) -> list[str]:
        roles = [role for role in SIZES if role != "follower" or self.near is not None]
        return [name for role in roles for name in self.names(role)]

    def follower(self) -> str | None:
        """Who follows for the near store just now."""
        pid = self.near.follower() if self.near is not None else 0
        return next((name for name, one in self.children.items() if one.pid == pid), None)

    def start_all(self) -> None:
        for name in self.everybody():
            self.start(name)

    def environment(self, number: int = 1, pooled: bool = False) -> dict[str, str]:
        """What a process has to know; even numbers go through the proxy."""
        cut, dsn = number % 2 == 0, self.dsn
        if pooled:
            name = CUT if cut else DATABASE
            dsn = dsn.replace(f":{self.server.port}/{DATABASE}", f":{self.pooler}/{name}")
        elif cut:
            dsn = dsn.replace(f":{self.server.port}/", f":{self.proxy.port}/")
        return {
            "DJANGO_SETTINGS_MODULE": "tests.soak.settings",
            "SOAK_DSN": dsn,
            "SOAK_POOLED": "1" if pooled else "",
            "SOAK_FOLDER": str(self.folder),
            "SOAK_REDIS": self.redis.url if self.redis else "",
            "SOAK_NEAR": str(self.near.path) if self.near else "",
        }

    def start(self, name: str) -> None:
        """Start one, anew if it ran before."""
        role, _, number = name.partition("-")
        pooled = self.pooler is not None and role not in DIRECT
        environment = self.environment(int(number), pooled) | {"PGAPPNAME": name}
        if role == "listener":
            arguments = [MANAGE, "kck_listen", *(["--poll"] if self.random.random() < 0.1 else [])]
        elif role == "follower":
            arguments = [MANAGE, "kck_listen", "--near-only"]
        elif role == "holder":
            arguments = ["-m", "tests.soak.holder", environment["SOAK_NEAR"]]
        elif role == "auditor":
            arguments = [MANAGE, "kck_verify", "--patience", "10"]
        else:
            arguments = ["-m", f"tests.soak.{role}", number, str(self.random.randrange(2**32))]
        if role == "reader":
            environment["SOAK_SLOW"] = "0.01"
        self.ended.discard(name)
        self.children[name] = Child(name, arguments, environment, self.folder)

    def end(self, name: str, number: signal.Signals) -> bool:
        """End one on purpose; whether it was there."""
        child = self.children.get(name)
        if child is None or name in self.ended:
            return False
        self.ended.add(name)
        status = child.end(number)
        fair = {0} if number == signal.SIGTERM else {-number}
        if not child.said("ready"):  # it had not come so far as to listen to signals
            fair.add(-number)
        if status not in fair and not self._has_fallen(child):
            raise SoakError(f"{name} ended with status {status} on {number.name}: see its log")
        return True

    def audit(self) -> bool:
        """Have everything verified while the writers write; False while that is being done."""
        if AUDITOR in self.children:
            return False
        self.start(AUDITOR)
        return True

    def check(self) -> None:
        """Raise when one has ended that should not have, or an auditor has found something."""
        for name, child in list(self.children.items()):
            if name == AUDITOR and not child.alive:
                del self.children[name]
                child.end()  # of itself; by the server's faults perhaps
                if child.said("different "):
                    raise SoakError("kck_verify has found a difference: see its log")
            elif not child.alive and name not in self.ended:
                if self._could_not_begin(child):
                    self.restarts += 1
                    self.start(name)
                    continue
                if self._has_fallen(child):
                    self.victims += 1
                    self._odd += self._news(name, "Fatal Python error")
                    self.start(name)
                    continue
                raise SoakError(f"{name} has ended by itself, status {child.popen.returncode}")

    def _could_not_begin(self, child: Child) -> bool:
        """Whether it found no server when it was started: whoever runs it starts it again."""
        tail = child.log.read_text().splitlines()[-1:]
        lost = bool(tail) and "OperationalError" in tail[0]
        return lost and time.time() - child.began < 30 and not child.said("ready")

    def _has_fallen(self, child: Child) -> bool:
        """Whether it has ended because pages of the near store were spoiled under it."""
        status = child.popen.poll()
        return self.near is not None and self.near.may_fall and status in FALLS

    def unexpected(self) -> list[str]:
        """Lines of logs that nobody should have written, since the last time."""
        found, self._odd = self._odd, []
        for name in self.everybody():
            found += self._news(name)
        return found

    def _news(self, name: str, until: str | None = None) -> list[str]:
        log = self.folder / f"{name}.log"
        text = log.read_bytes() if log.exists() else b""
        news = text[self._scanned.get(name, 0) :].decode(errors="replace")
        self._scanned[name] = len(text)
        lines = news.partition(until)[0].splitlines() if until else news.splitlines()
        if name.startswith(("listener", "follower")):
            return [f"{name}: {line}" for line in lines if not EXPECTED.search(line)]
        return [f"{name}: {line}" for line in lines if "Traceback" in line]

    def pause(self, seconds: float, check: Callable[[], None]) -> None:
        """Bring all but the listeners to rest."""
        told: set[Child] = set()

        def restless() -> list[str]:
            found = [child for name, child in self.children.items() if rests(name)]
            for child in set(found) - told:  # those too that are started anew meanwhile
                child.order("pause")
            told.update(found)
            return [child.name for child in found if not child.said("paused")]

        try:
            self._wait(restless, seconds, check)
        except SoakError:
            for child in self.children.values():
                if rests(child.name) and child.alive and not child.said("paused"):
                    child.send(signal.SIGUSR1)  # its log says where it hangs
            self._tell_who_waits()
            raise

    def _tell_who_waits(self) -> None:
        """What every session is doing, into a file."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            rows = connection.execute(SESSIONS).fetchall()
        (self.folder / "sessions").write_text("\n".join(map(str, rows)))

    def go(self) -> None:
        """Let them go on."""
        for name, child in self.children.items():
            if rests(name):
                child.order("go")

    def stop(self) -> None:
        """End everybody, gently if possible."""
        for child in self.children.values():
            if child.alive:
                child.popen.kill()
        for child in self.children.values():
            child.end(signal.SIGKILL)

    @staticmethod
    def _wait(
        missing: Callable[[], Iterable[str]], seconds: float, check: Callable[[], None]
    ) -> None:
        deadline = time.monotonic() + seconds
        while names := list(missing()):
            check()
            if time.monotonic() > deadline:
                raise SoakError(f"{', '.join(names)} did not come to rest in {seconds:.0f} s")
            time.sleep(0.02)
