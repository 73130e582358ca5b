"""What a deployment can have wrong, subject by subject: as checks, status and the doctor ask."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.core import checks

from kck_publish.diagnosis import registry
from kck_publish.diagnosis.registry import Asks, Problem, diagnose, diagnoses, diagnosis

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
ID = re.compile(r'"([EW]\d{3})"')


def used() -> dict[str, set[str]]:
    """The ids of problems, with the files that use them."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "kck_publish").rglob("*.py"):
        if path != Path(registry.__file__):
            for id in ID.findall(path.read_text()):
                found.setdefault(id, set()).add(path.name)
    return found


def is_of_the_zoo(problem: Problem) -> bool:
    """Whether it is of a model that is there to be warned of.

    The demo's boards count among them: a compute of one's own is not augmented, the check informs.
    """
    known = str(problem.obj) == "example_app.primers.DepartureBoard" and problem.id == "I033"
    return known or getattr(problem.obj, "__module__", "") == "tests.zoo.models"


def test_nothing_is_wrong_here() -> None:
    assert len(diagnoses()) >= 9
    for subject, found in diagnoses().items():
        if found.asks is not Asks.RUNNING:
            known = [p for p in diagnose(subject, "default") if not is_of_the_zoo(p)]
            assert known == [], subject


def test_each_id_is_of_one_subject_and_in_the_reference() -> None:
    reference = (ROOT / "docs" / "reference" / "checks.md").read_text()
    for id, files in used().items():
        assert len(files) == 1, f"{id} is used in {files}: take the next free number"
        assert f"| `kck_publish.{id}` |" in reference, f"{id} is not in the table System checks"


def test_a_subject_is_looked_at_by_one_function() -> None:
    with pytest.raises(ValueError, match="'triggers' is looked at twice"):
        diagnosis("triggers", Asks.DATABASE)(lambda alias: [])


def test_checks_name_what_a_subject_finds(settings: Any) -> None:
    settings.KCK_PUBLISH = {"SHARDS": 0}
    (found,) = diagnose("settings", "default")
    assert (found.id, found.message) in {
        (str(message.id).removeprefix("kck_publish."), message.msg)
        for message in checks.run_checks()
    }


def test_a_store_in_a_cache_that_is_not_there_is_named_once(settings: Any) -> None:
    settings.KCK_PUBLISH = {"STORE": "cache:nowhere"}
    (message,) = [each for each in checks.run_checks() if "nowhere" in each.msg]
    assert message.id == "kck_publish.E001"
