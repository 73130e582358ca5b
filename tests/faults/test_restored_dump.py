"""A dump that is restored into another cluster: its snapshots mean nothing there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from example_app.embedded_postgres import EmbeddedPostgres
from kck_publish.testing import assert_fresh
from tests.acceptance.test_listener_process import Process
from tests.catalog.fixtures import drain, sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.faults.conftest import VERSION

pytestmark = pytest.mark.long

# Transaction numbers that a cluster is ahead of the other: more than a restore takes.
AHEAD = "DO $$ BEGIN FOR i IN 1..20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"


def run(program: Path, *arguments: str) -> str:
    """Run one of PostgreSQL's own programs."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("ahead", [False, True], ids=["a young cluster", "an older one"])
def test_a_restored_dump_is_primed_anew(
    restartable: EmbeddedPostgres,
    moved_to: Callable[..., None],
    listening: Callable[..., Process],
    tmp_path: Path,
    ahead: bool,
) -> None:
    """The dump's cursor and stamps may be of the future of the new cluster, or of its past.

    What was changed between the dump and the first listener counts, captured or not.
    """
    moved_to(restartable)
    if not ahead:
        sql(AHEAD)
    sql("TRUNCATE catalog_item CASCADE")
    Item.objects.create(name="one", group=1, amount=5)
    ItemTotal.cached.get(group=1)
    drain()
    before = stored("item_total/1")
    assert before is not None
    file = str(tmp_path / "dump")
    run(restartable.programs / "pg_dump", "--format=custom", f"--file={file}", restartable.dsn)
    with EmbeddedPostgres.start(VERSION, {"fsync": "off"}) as other:
        moved_to(other)
        if ahead:
            sql(AHEAD)
        run(other.programs / "pg_restore", f"--dbname={other.dsn}", "--exit-on-error", file)
        sql("UPDATE catalog_item SET amount = 7")
        assert ItemTotal.cached.get(group=1)["amount"] == 7, "its own write (B22)"
        sql("SET kck_publish.suppress = '*'")
        sql("UPDATE catalog_item SET amount = 8")
        sql("RESET kck_publish.suppress")
        listener = listening(other.dsn, "--once")
        assert listener.wait() == 0, listener.lines
        assert any("another cluster" in line for line in listener.lines), listener.lines
        assert ItemTotal.cached.get(group=1) == {"count": 1, "amount": 8}
        sql("UPDATE catalog_item SET amount = 9")
        again = listening(other.dsn, "--once")
        assert again.wait() == 0, again.lines
        assert again.lines == [], "it is known by now"
        entry = stored("item_total/1")
        assert entry is not None
        assert entry.body == b'{"count":1,"amount":9}'
        assert_fresh()
