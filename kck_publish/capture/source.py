"""What is captured of one table.

Made by the registry from what is declared; read by ``sql`` to write the capture, and by
``log.reader`` to read it back.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from django.db import models


@dataclass(frozen=True)
class Source:
    """A table whose changes are captured.

    Attributes:
        model: the concrete model (perhaps auto-created, perhaps of another app) of the table.
        captured: database column names whose values are logged, the primary key's first.
        watched: the columns whose change counts; None when a change of any column does.
    """

    model: type[models.Model]
    captured: tuple[str, ...]
    watched: tuple[str, ...] | None

    @property
    def table(self) -> str:
        """The table's name as Django knows it; the ``source`` of its rows in the change log."""
        return self.model._meta.db_table

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The column names of the primary key, one or several."""
        return tuple(column_of(field) for field in self.model._meta.pk_fields)


def column_of(field: models.Field[Any, Any]) -> str:
    """The column of a concrete field (those of a model's ``concrete_fields`` all have one)."""
    assert field.column is not None
    return field.column


_WROTE = "kck_publish.w_"


def short(setting: str) -> str:
    """Such a setting in a few letters: two that are alike are taken for one."""
    return setting.removeprefix(_WROTE)[:8]


def wrote_setting(table: str) -> str:
    """The session setting in which the triggers leave the last transaction that wrote a table.

    ``kck_publish_changed_v1`` makes the same name.
    """
    return _WROTE + hashlib.sha256(table.encode()).hexdigest()[:16]
