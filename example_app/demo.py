"""The story: ``python -m example_app.demo [--exit]``, or ``make demo``.

Starts a PostgreSQL of its own (or uses the one that DATABASE_URL names), tells in acts what
kck_publish does, with measured figures and checked claims, and then serves the departure boards
while a day's delays are replayed. ``--exit`` ends after the story. The exit status is 0 when every
claim held, 1 when one was false, 130 after Ctrl-C in the middle of the story.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import ExitStack
from datetime import date
from threading import Event, Thread
from typing import TYPE_CHECKING, NoReturn

from .demo_report import DemoError, Report, until
from .embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError, find_or_start

if TYPE_CHECKING:
    from .demo_stage import Stage

DAY = date(2013, 1, 16)


def main(arguments: list[str] | None = None) -> int:
    """Tell the story; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m example_app.demo", description=__doc__)
    parser.add_argument("--exit", action="store_true", help="end after the story")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminated)
    report = Report(sys.stdout)
    try:
        with ExitStack() as stack:
            tell(report, stack, serve=not options.exit)
    except (DemoError, EmbeddedPostgresError) as error:
        print(f"\nThe demo ends here. {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; everything is ended.", file=sys.stderr)
        return 130
    return 0


def tell(report: Report, stack: ExitStack, *, serve: bool) -> None:
    """All acts, in order. What is started is ended by the stack, the last first."""
    report.title("Departures from New York, January 2013: data products kept true by PostgreSQL")
    report.head("A database")
    server = stack.enter_context(find_or_start())
    os.environ["DATABASE_URL"] = server.dsn
    os.environ["DJANGO_SETTINGS_MODULE"] = "example_app.settings"
    import django

    django.setup()
    # These need the settings.
    from . import demo_changes, demo_crash, demo_loading, demo_pages, demo_reading
    from .demo_stage import Stage

    stage = stack.enter_context(Stage(report, server.dsn, DAY))
    demo_loading.migrate(stage, embedded=isinstance(server, EmbeddedPostgres))
    demo_loading.load_flights(stage)
    demo_loading.listen(stage)
    demo_loading.prime(stage)
    demo_reading.cached_against_computed(stage)
    demo_changes.single_changes(stage)
    demo_changes.rollback(stage)
    demo_changes.bulk(stage)
    demo_changes.augment(stage)
    demo_crash.kill_and_catch_up(stage)
    demo_crash.put_back(stage)
    address = demo_pages.serve(stage)
    report.say(f"Every claim held. The story took {report.total()}.")
    if serve:
        replay_until_stopped(stage, server.dsn, address, demo_pages.reader())


def replay_until_stopped(stage: Stage, dsn: str, address: str, reader: tuple[str, str]) -> None:
    """Serve a living board until Ctrl-C.

    Args:
        reader: of the dashboard: user and password.

    Raises:
        DemoError: the listener, the site or the replay has ended.
    """
    from .replay import replay

    def ended() -> bool:
        stage.check_children()
        return not player.is_alive()

    stop = Event()
    player = Thread(target=replay, args=(dsn, DAY, stop), daemon=True)
    player.start()
    stage.report.say(
        f"The delays of {DAY:%d %B %Y} are being replayed. Watch them, until Ctrl-C:",
        f"   {address}board/JFK/{DAY}",
        f"   {address}ranking",
        f"   {address}kck/  (the dashboard: user {reader[0]}, password {reader[1]})",
        f"   {address}admin/  (Django's admin, the same user)",
        "Or change a row yourself, with a board open:",
        f'   psql {dsn} -c "UPDATE example_app_flight SET dep_delay = 99 WHERE id = (SELECT min(id)'
        f" FROM example_app_flight WHERE origin_id = 'JFK' AND day = '{DAY}')\"",
    )
    try:
        until(ended, float("inf"), "the end", pause=0.2)
        raise DemoError("The replay has ended.")
    except KeyboardInterrupt:
        stage.report.say("Ending.")
    finally:
        stop.set()
        player.join(10.0)


def _terminated(number: int, frame: object) -> NoReturn:
    """SIGTERM: unwind, so that what was started is ended."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
