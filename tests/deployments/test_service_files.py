"""The files of docs/deployments.md: systemd takes the unit, and the commands are ours."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import load_command_class

from tests.optional import needs

USER = pwd.getpwuid(os.getuid()).pw_name
PAGE = (Path(__file__).parents[2] / "docs" / "deployments.md").read_text()
UNIT, POOLER = re.findall(r"^```ini\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMPOSE, POD = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    program = needs("systemd-analyze", "systemd")
    here = UNIT.replace("/srv/shop/.venv/bin/python", sys.executable)
    here = here.replace("/srv/shop", str(tmp_path)).replace("User=shop", f"User={USER}")
    (tmp_path / "kck-listen@.service").write_text(here)
    (tmp_path / "kck-listen@1.service").symlink_to(tmp_path / "kck-listen@.service")
    done = subprocess.run(
        [program, "verify", "--man=no", str(tmp_path / "kck-listen@1.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if "kck-listen" in line] == []


@pytest.mark.parametrize(
    "command",
    [
        re.search(r"^ExecStart=(.*)$", UNIT, re.MULTILINE)[1].split(),  # type: ignore[index]
        re.findall(r'"([^"]+)"', re.findall(r"command: (.*)", COMPOSE)[1]),
        re.findall(r'"([^"]+)"', re.search(r"command: (.*)", POD)[1]),  # type: ignore[index]
    ],
    ids=["systemd", "Docker", "Kubernetes"],
)
def test_the_command_is_understood(command: list[str]) -> None:
    _, manage, name, *arguments = command
    assert manage == "manage.py"
    parser = load_command_class("kck_publish", name).create_parser("manage.py", name)
    parser.parse_args(arguments)


def test_each_check_that_the_page_names_is_one() -> None:
    reference = (Path(__file__).parents[2] / "docs" / "reference" / "checks.md").read_text()
    for id in re.findall(r"\b[EW]\d{3}\b", PAGE):
        assert f"| `kck_publish.{id}` |" in reference
