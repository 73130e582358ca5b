"""The TypeScript client: its own tests, and what it makes of the real hub."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.catalog.fixtures import drain
from tests.catalog.models import Author
from tests.live.conftest import page, rename
from tests.optional import needs

CLIENT = Path(__file__).parents[2] / "clients" / "typescript"
FOLLOW = """
import { Live } from "./dist/index.js";
const [url, ...keys] = process.argv.slice(1);
const live = new Live({ url, retry: 50 });
for (const key of keys)
  live.subscribe(key, (found) => console.log(found.event, key, found.value?.name ?? ""));
process.stdin.on("end", () => { live.close(); process.exit(0); }).resume();
"""


def test_its_own_tests() -> None:
    done = subprocess.run(
        [needs("node", "nodejs"), "--test", "test/"], cwd=CLIENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.django_db(transaction=True)
def test_it_follows_the_hub(port: int, authors: list[Author]) -> None:
    command = [needs("node", "nodejs"), "--input-type=module", "-e", FOLLOW]
    url = f"http://127.0.0.1:{port}/live/"
    keys = [*map(page, authors)]
    with subprocess.Popen(
        [*command, url, *keys],
        cwd=CLIENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None

        def line() -> str:
            return following.stdout.readline().strip()  # type: ignore[union-attr]

        assert {line(), line()} == {f"value {keys[0]} ann L", f"value {keys[1]} bob L"}
        rename(authors[0], "eve")
        assert line() == f"value {keys[0]} eve L"
        authors[1].delete()
        drain()
        assert line() == f"gone {keys[1]}"
        following.communicate(timeout=10)
    assert following.returncode == 0
