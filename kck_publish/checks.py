"""The library's system checks: what ``diagnosis`` knows of code and database.

Connected by importing this module in ``apps``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks

from .conf import current
from .diagnosis.registry import Asks, Diagnosis, Problem, diagnoses

TAGS = {Asks.CODE: checks.Tags.models, Asks.DATABASE: checks.Tags.database}


def _message(problem: Problem) -> checks.CheckMessage:
    kind = checks.Error if problem.id.startswith("E") else checks.Warning
    return kind(
        problem.message,
        hint=problem.cure or None,
        obj=problem.obj,
        id=f"kck_publish.{problem.id}",
    )


def _connect(diagnosis: Diagnosis) -> None:
    def check(
        app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
    ) -> list[checks.CheckMessage]:
        aliases = (
            databases or () if diagnosis.asks is Asks.DATABASE else [current().values.DATABASE]
        )
        return [_message(problem) for alias in aliases for problem in diagnosis.problems(alias)]

    checks.register(check, TAGS[diagnosis.asks])


for _diagnosis in diagnoses().values():
    if _diagnosis.asks in TAGS:
        _connect(_diagnosis)
