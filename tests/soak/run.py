"""The soak's story: a world, its processes, faults, and quiet points until enough has changed."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command

from tests.soak import server as servers
from tests.soak.crew import Crew, SoakError
from tests.soak.faults import Faults
from tests.soak.near import Near
from tests.soak.pooler import pooler
from tests.soak.proxy import Proxy
from tests.soak.report import Report
from tests.soak.writer import PRIVATE, TEAMS

ACCOUNTS = 110
# From one quiet point to the next: changes at the least, and a part of all.
SEGMENT_LEAST, SEGMENTS = 1_500, 40
# How long the listeners may take to come to the end at a quiet point, and writers to rest.
DRAIN_SECONDS, REST_SECONDS = 300.0, 60.0
# Twice the time after which a listener that has nothing to do keeps house.
HOUSE_SECONDS = 12.0


@dataclass
class Plan:
    """What is asked for."""

    changes: int
    seed: int
    store: str
    near: bool
    kinds: list[str]
    version: int
    pgbouncer: bool = False


def run(plan: Plan) -> int:
    """Soak; the exit status."""
    report = Report()
    folder = Path(tempfile.mkdtemp(prefix="kck-soak-"))
    folder.chmod(0o755)
    with ExitStack() as stack:
        server = servers.start_postgres(plan.version)
        stack.callback(server.stop)
        redis = servers.Redis.start(folder) if plan.store == "redis" else None
        if redis is not None:
            stack.callback(redis.stop)
        proxy = Proxy(server.port, plan.seed)
        proxy.start()
        stack.callback(proxy.stop)
        near = Near(folder / "near") if plan.near else None
        port = stack.enter_context(pooler(server.port, proxy.port)) if plan.pgbouncer else None
        crew = Crew(server, proxy, folder, random.Random(plan.seed), redis, near, port)
        faults = Faults(crew, random.Random(plan.seed + 1), plan.kinds)
        over = " with a near store" if plan.near else ""
        over += ", all but listeners behind PgBouncer" if plan.pgbouncer else ""
        report.say(f"seed {plan.seed}, store {plan.store}{over}, folder {folder}")
        try:
            stack.callback(crew.stop)
            soak(plan, crew, faults, report)
        except SoakError as error:
            report.say(f"FAILED: {error}")
            crew.stop()
            for line in ("The last faults:", *faults.told):
                report.say(line)
            servers.keep(server, folder)
            report.say(f"The data directory and all logs are kept in {folder}")
            return 1
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    shutil.rmtree(folder)
    return 0


def soak(plan: Plan, crew: Crew, faults: Faults, report: Report) -> None:
    """The world from its beginning to the last quiet point."""
    os.environ.update(crew.environment())
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    create_world()
    crew.start_all()
    segment = max(SEGMENT_LEAST, plan.changes // SEGMENTS)
    done, target = 0, 0
    while done < plan.changes:
        target = min(max(target, done) + segment, plan.changes)
        while (done := committed(crew.folder)) < target:
            crew.check()
            if plan.kinds:
                faults.tick()
            time.sleep(0.03)
        quiet(crew, faults, report)
        report.say(f"{done:,} changes, {sum(faults.counts.values())} faults, all is true")
    figures = f"{crew.proxy.cuts} cuts in mid-message, {crew.restarts} processes found no server, "
    figures += f"{report.late} looks at keys of readers that were killed before they could look"
    if crew.near is not None:
        figures += (
            f", {report.copied:,} copies compared, {crew.victims} processes fell with the file"
        )
    report.end(done, faults.counts, crew.folder / "lags", figures)


def create_world() -> None:
    """Teams, accounts, tags."""
    from django.db import connection

    from tests.soak.models import Account, Probe, Tag, Team
    from tests.soak.operations import CITIES, SLUGS, TAGS

    Team.objects.bulk_create([Team(name=f"team {number}") for number in range(TEAMS)])
    Tag.objects.bulk_create([Tag(name=f"tag {number}") for number in TAGS])
    Account.objects.bulk_create(
        [
            Account(
                team_id=number % TEAMS + 1,
                city=CITIES[number % len(CITIES)],
                slug=f"own-{number}" if number < PRIVATE else SLUGS[number],
            )
            for number in range(ACCOUNTS)
        ]
    )
    Probe.objects.create(count=0)
    connection.close()


_offsets: dict[Path, tuple[int, int]] = {}


def committed(folder: Path) -> int:
    """How many changes the writers' journals say are committed."""
    for journal in folder.glob("journal-*"):
        offset, count = _offsets.get(journal, (0, 0))
        with journal.open("rb") as file:
            file.seek(offset)
            for line in file:
                if line.endswith(b"\n"):
                    offset += len(line)
                    count += int(line.split()[1])
        _offsets[journal] = offset, count
    return sum(count for _, count in _offsets.values())


def quiet(crew: Crew, faults: Faults, report: Report) -> None:
    """Come to rest, compare everything, and go on.

    Raises:
        SoakError: something is not as it should be.
    """
    from tests.soak import audit, history
    from tests.soak.settings import KCK_PUBLISH

    faults.mend()
    crew.pause(REST_SECONDS, crew.check)
    shards: Any = KCK_PUBLISH["SHARDS"]
    if not audit.wait(lambda: audit.drained(shards), DRAIN_SECONDS, crew.check):
        raise SoakError(f"not everything was handled within {DRAIN_SECONDS:.0f} s")
    deadline = time.monotonic() + HOUSE_SECONDS
    while True:
        complaints = crew.folder / "violations"
        verdict = audit.compare(crew.dsn, faults.emptied, complaints, crew.near, crew.check)
        if not verdict.late or time.monotonic() > deadline:
            break
        report.late += 1
        time.sleep(0.5)
    verdict.other += crew.unexpected()
    report.quiet_points += 1
    report.compared += verdict.compared
    report.copied += verdict.copied
    if not verdict.good:
        for key, what in verdict.wrong.items():
            report.say(f"WRONG {key}: {what}")
        for line in verdict.other:
            report.say(f"WRONG {line}")
        for line in history.tell(crew.dsn, list(verdict.wrong)[:5]):
            report.say(line)
        raise SoakError(f"{len(verdict.wrong)} keys, and {len(verdict.other)} other things")
    faults.emptied = False
    crew.go()
