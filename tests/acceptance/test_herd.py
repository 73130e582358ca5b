"""Promise 6: a miss is computed once, however many processes and threads miss it together."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.acceptance.test_listener_process import ROOT
from tests.catalog.models import Item

pytestmark = pytest.mark.django_db(transaction=True)
PROCESSES, THREADS = 3, 50


@pytest.mark.long
def test_a_herd_computes_once(process_environment: dict[str, str]) -> None:
    Item.objects.create(name="one", group=1, amount=5)
    command = [sys.executable, "-W", "error", "-m", "tests.acceptance.herd", str(THREADS)]
    herd = [
        subprocess.Popen(
            command,
            env=process_environment,
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(PROCESSES)
    ]
    try:
        for one in herd:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        for one in herd:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        said = [json.loads(one.communicate(timeout=60)[0]) for one in herd]
    finally:
        for one in herd:
            one.kill()
            one.communicate()
    assert sum(one["computed"] for one in said) == 1
    answers = [answer for one in said for answer in one["answers"]]
    assert answers == [{"count": 1, "amount": 5}] * (PROCESSES * THREADS)
