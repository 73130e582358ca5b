"""The subjects that can be wrong, and what ``checks``, ``status`` and ``doctor`` share of them.

To add a subject, write a function in a module of this room (all of them are imported; one subject a
file, or a few that belong together)::

    @diagnosis("replicas", Asks.CODE)
    def replicas(alias: str) -> Iterator[Problem]:
        "Computes that would read from a replica."
        for source in registry.sources():
            if ...:
                yield Problem("W009", f"{label} is read from a replica.", "Put ... first.", model)

It is then a system check (of each ``manage.py check`` for ``Asks.CODE``, of ``check --database``
for ``Asks.DATABASE``), and a line of ``kck_doctor``. The id is new, the next free number, and
stands in the table "System checks" of docs/reference/checks.md. E stops ``migrate``, W does not.
A database is only looked at where it is PostgreSQL and has, or should have, the library's tables;
these may be missing. Settings and declarations that cannot be read are a subject of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from django.conf import settings as django_settings
from django.db import connections

from ..capture.catalog import has_log
from ..conf import current
from ..exceptions import ConfigurationError, InvalidPrimer


class Asks(Enum):
    """What is asked, and so when."""

    CODE = "code"
    """Settings and declarations: each ``manage.py check``, and the doctor."""

    DATABASE = "database"
    """The database, too: ``manage.py check --database``, and the doctor."""

    RUNNING = "running"
    """What runs beside this process: the doctor alone. The library's tables are there."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with a subject.

    Attributes:
        id: of the system check, without the library's name: "E001" is an error, "W003" a warning,
            and "I032" informs only.
        message: what is wrong, and what that does. No value of a row.
        cure: what to do; the command, where there is one.
        obj: the model or product concerned.
    """

    id: str
    message: str
    cure: str = ""
    obj: object = None

    def __str__(self) -> str:
        return f"{self.message} {self.cure}".rstrip()


@dataclass(frozen=True)
class Diagnosis:
    """One subject, and the function that looks at it in the database of an alias.

    Attributes:
        cured_by_migrate: nothing is said of it by the checks of ``migrate`` itself.
    """

    subject: str
    asks: Asks
    look: Callable[[str], Iterable[Problem]]
    cured_by_migrate: bool = False

    def problems(self, alias: str) -> list[Problem]:
        """What is wrong; empty when all is well, or when there is nothing to look at."""
        if self.asks is not Asks.CODE and not _applies(alias):
            return []
        if self.asks is Asks.RUNNING and not has_log(connections[alias]):
            return []
        try:
            return list(self.look(alias))
        except (InvalidPrimer, ConfigurationError):
            return []  # the subjects "declarations" and "settings" name it


_diagnoses: dict[str, Diagnosis] = {}


def diagnosis(
    subject: str, asks: Asks, cured_by_migrate: bool = False
) -> Callable[[Callable[[str], Iterable[Problem]]], Callable[[str], Iterable[Problem]]]:
    """Make a function the one that looks at a subject."""

    def register(look: Callable[[str], Iterable[Problem]]) -> Callable[[str], Iterable[Problem]]:
        if subject in _diagnoses:
            raise ValueError(f"The subject {subject!r} is looked at twice.")
        _diagnoses[subject] = Diagnosis(subject, asks, look, cured_by_migrate)
        return look

    return register


def diagnoses() -> dict[str, Diagnosis]:
    """All of them, by subject."""
    for module in iter_modules([str(Path(__file__).parent)]):
        import_module(f"{__package__}.{module.name}")
    return _diagnoses


def diagnose(subject: str, alias: str) -> list[Problem]:
    """What is wrong with one subject."""
    return diagnoses()[subject].problems(alias)


def is_silenced(problem: Problem) -> bool:
    """Whether SILENCED_SYSTEM_CHECKS names it."""
    return f"kck_publish.{problem.id}" in django_settings.SILENCED_SYSTEM_CHECKS


def errors(alias: str) -> list[Problem]:
    """What is wrong with a database so that no listener must follow it.

    What is wrong with the code is an error of each command's own checks.
    """
    return [
        problem
        for found in diagnoses().values()
        if found.asks is Asks.DATABASE
        for problem in found.problems(alias)
        if problem.id.startswith("E") and not is_silenced(problem)
    ]


def _applies(alias: str) -> bool:
    ours = alias == current().values.DATABASE
    connection = connections[alias]
    return connection.vendor == "postgresql" and (ours or has_log(connection))
