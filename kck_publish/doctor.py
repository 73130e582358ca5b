"""All subjects, looked at one after another: ``kck_doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connections

from . import status as status  # it brings a subject
from .conf import current
from .diagnosis.registry import Diagnosis, Problem, diagnoses, is_silenced
from .postgres import describe


@dataclass(frozen=True)
class Finding:
    """The findings of one subject; good when there are no problems."""

    subject: str
    problems: tuple[Problem, ...]

    @property
    def good(self) -> bool:
        """Whether nothing is to be done."""
        return all(problem.id.startswith("I") for problem in self.problems)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        problems = [
            {"id": problem.id, "message": problem.message, "cure": problem.cure}
            for problem in self.problems
        ]
        return {"subject": self.subject, "ok": self.good, "problems": problems}


def examine() -> list[Finding]:
    """Look at every subject; what SILENCED_SYSTEM_CHECKS names is passed over."""
    alias = current().values.DATABASE
    if alias not in connections:
        settings = diagnoses()["settings"]
        return [Finding(settings.subject, tuple(settings.problems(alias)))]
    return [
        Finding(diagnosis.subject, tuple(_problems(diagnosis, alias)))
        for diagnosis in diagnoses().values()
    ]


def _problems(diagnosis: Diagnosis, alias: str) -> list[Problem]:
    try:
        problems = diagnosis.problems(alias)
    except Exception as error:  # noqa: BLE001 - one subject must not hide the others
        why = f"This could not be looked at ({describe(error)})."
        return [Problem("E018", why, "See that the database answers, and ask again.")]
    return [problem for problem in problems if not is_silenced(problem)]
