"""The demo's first acts: tables, 27,004 real flights, a listener, and every product primed."""

from __future__ import annotations

import io
import time

from django.core.management import call_command
from django.db import connection

from .demo_report import seconds
from .demo_stage import Stage
from .loading import load

PRODUCTS = ["departure_board", "route_statistics", "carrier_punctuality", "network_ranking"]


def migrate(stage: Stage, *, embedded: bool) -> None:
    """Make the tables, the triggers and the store."""
    start = time.perf_counter()
    call_command("migrate", verbosity=0)
    ((version,),) = stage.rows("SHOW server_version")
    where = "thrown away at the end" if embedded else "the one of DATABASE_URL"
    report, host = stage.report, connection.settings_dict
    report.figure(f"PostgreSQL {version} on {host['HOST']}:{host['PORT']}, {where}")
    report.figure("migrated: tables, triggers, store", seconds(time.perf_counter() - start))


def load_flights(stage: Stage) -> None:
    """Load by COPY, captured like any other write."""
    stage.report.head("Real flights, loaded by COPY and captured like any other write")
    start = time.perf_counter()
    counts = load(stage.report.bar(), replace=True)
    took = seconds(time.perf_counter() - start)
    text = ", ".join(f"{n:,} {model.lower()}s" for model, n in counts.items())
    stage.report.figure(text, took)
    # As they were, so that the last act can put them back.
    stage.writer.execute("CREATE TEMP TABLE original AS TABLE example_app_flight")


def listen(stage: Stage) -> None:
    """Start the listener, a process of its own."""
    stage.report.head("A listener:  manage.py kck_listen")
    start = time.perf_counter()
    child = stage.start_listener()
    stage.drained()
    ready = seconds(time.perf_counter() - start)
    stage.report.figure(f"process {child.pid} follows the change log, and has caught up", ready)


def prime(stage: Stage) -> None:
    """Have every board, route, carrier and the ranking ready before anybody asks."""
    stage.report.head("Prime:  manage.py kck_prime")
    start, said = time.perf_counter(), io.StringIO()
    call_command("kck_prime", *PRODUCTS, stdout=said)
    for line in said.getvalue().splitlines():
        stage.report.figure(line)
    stage.drained()
    ((stored,),) = stage.rows("SELECT count(*) FROM kck_publish_entry")
    took = seconds(time.perf_counter() - start)
    stage.report.claim(f"{stored:,} products are stored", stored > 300, took)
