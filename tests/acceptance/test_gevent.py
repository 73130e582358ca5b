"""Under gevent each greenlet is a context of its own: requests, their memos and their writes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.acceptance.test_listener_process import ROOT
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.long
def test_requests_in_greenlets(process_environment: dict[str, str]) -> None:
    for group in range(10):
        Item.objects.create(name=str(group), group=group, amount=group)
        ItemTotal.cached.get(group=group)
    found = subprocess.run(
        [sys.executable, "-m", "tests.acceptance.greenlets"],
        env=process_environment,
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert found.returncode == 0, found.stderr
    said = json.loads(found.stdout)
    assert said["overlapping"]
    assert said["own"] == [True] * 10  # its own request, again after others have run
    assert said["same"] == [True] * 10  # one row a request, another one in each
    assert said["rows"] == 10
    assert said["amounts"] == [group + 100 for group in range(10)]  # what each has written itself
    assert said["others"] == 0  # and what a greenlet that has not written is served
    assert said["tokens"] == [1] * 10
    assert said["left"] == 0
