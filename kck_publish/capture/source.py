"""The captured columns of one table.

Made by the registry from what is declared; read by ``record_change_sql`` to write the capture, and
by ``log.decoder`` to read it back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Field, Model


@dataclass(frozen=True)
class Source:
    """A table whose changes are captured.

    Attributes:
        models: the concrete models (perhaps auto-created, perhaps of another app) of the table:
            one, but for tables that several models read; a managed one first.
        captured: database column names whose values are logged, the primary key's first.
        watched: the columns whose change counts; None when a change of any column does.
    """

    models: tuple[type[Model], ...]
    captured: tuple[str, ...]
    watched: tuple[str, ...] | None

    def with_(self, other: Source) -> Source:
        """The source of the same table that serves another model too."""
        captured = dict.fromkeys((*self.captured, *other.captured))
        watched = None
        if self.watched is not None and other.watched is not None:
            watched = tuple(dict.fromkeys((*self.watched, *other.watched)))
        return Source((*self.models, *other.models), tuple(captured), watched)

    @property
    def model(self) -> type[Model]:
        """The model that stands for the table where one will do."""
        return self.models[0]

    @property
    def fields(self) -> Iterator[Field[Any, Any]]:
        """The fields of the table's columns; of some columns several, with several models."""
        for model in self.models:
            yield from model._meta.local_concrete_fields

    @property
    def table(self) -> str:
        """The table's name as Django knows it; the ``source`` of its rows in the change log."""
        return self.model._meta.db_table

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The column names of the primary key, one or several."""
        return tuple(column_of(field) for field in self.model._meta.pk_fields)


def column_of(field: Field[Any, Any]) -> str:
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
