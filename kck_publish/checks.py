"""The library's system checks: settings (E001), declarations (E002, E004), triggers (W003).

Connected by importing this module in ``apps``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks

from kck_publish import capture, registry
from kck_publish.capture_sql import virtual_columns
from kck_publish.conf import problems
from kck_publish.exceptions import InvalidPrimer


@checks.register(checks.Tags.compatibility)
def check_settings(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Everything wrong with KCK_PUBLISH."""
    return [checks.Error(problem, id="kck_publish.E001") for problem in problems()]


@checks.register(checks.Tags.models)
def check_declarations(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """A dependency on what does not exist, or a ring of products."""
    try:
        registry.graph()
    except InvalidPrimer as error:
        return [checks.Error(str(error), id="kck_publish.E002")]
    return []


@checks.register(checks.Tags.models)
def check_columns(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """A dependency on a column whose value a trigger cannot see."""
    try:
        sources = registry.sources()
    except InvalidPrimer:
        return []  # E002 names it
    return [
        checks.Error(
            f"Something depends on the value of {source.table}.{column}, a generated column with "
            "db_persist=False, which PostgreSQL does not show to triggers. Depend on the columns "
            "that it is computed from, or make it db_persist=True.",
            obj=source.model,
            id="kck_publish.E004",
        )
        for source in sources
        for column in sorted(virtual_columns(source).intersection(source.captured))
    ]


@checks.register(checks.Tags.database)
def check_capture(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Triggers that are missing, disabled or outdated: ``check --database default`` asks.

    Warnings, because errors would stop ``migrate``, which is their cure. (The listener does not
    start with them.) Use ``check --database default --fail-level WARNING`` to fail a deploy.
    """
    try:
        faults = [fault for alias in databases or () for fault in capture.faults(alias)]
    except InvalidPrimer:
        return []  # E002 names it
    return [checks.Warning(str(fault), id="kck_publish.W003") for fault in faults]
