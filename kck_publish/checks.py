"""The library's system checks: what ``diagnosis`` knows of code and database.

Connected by importing this module in ``apps``. ``manage.py kck_listen`` refuses to start on the
same errors.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.core.management.commands import migrate

from .conf import current
from .diagnosis.registry import Asks, Diagnosis, Problem, diagnoses

KINDS = {"E": checks.Error, "W": checks.Warning, "I": checks.Info}
TAGS = {Asks.CODE: checks.Tags.models, Asks.DATABASE: checks.Tags.database}


def _message(problem: Problem) -> checks.CheckMessage:
    return KINDS[problem.id[0]](
        problem.message,
        hint=problem.cure or None,
        obj=problem.obj,
        id=f"kck_publish.{problem.id}",
    )


def _is_asked_by_migrate() -> bool:
    """Whether it is the command ``migrate`` that checks. Django tells a check nothing of that."""
    frame = sys._getframe()
    while (caller := frame.f_back) is not None:
        frame = caller
        if isinstance(frame.f_locals.get("self"), migrate.Command):
            return True
    return False


def _connect(diagnosis: Diagnosis) -> None:
    def check(
        app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
    ) -> list[checks.CheckMessage]:
        if diagnosis.cured_by_migrate and _is_asked_by_migrate():
            return []
        aliases = (
            databases or () if diagnosis.asks is Asks.DATABASE else [current().values.DATABASE]
        )
        return [_message(problem) for alias in aliases for problem in diagnosis.problems(alias)]

    checks.register(check, TAGS[diagnosis.asks])


for _diagnosis in diagnoses().values():
    if _diagnosis.asks in TAGS:
        _connect(_diagnosis)
