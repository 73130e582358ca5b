"""What the library's own tables have in common, as Django sees them.

The tables are in ``log_tables``, ``store_tables``, ``operating_tables`` and ``kafka_tables``. The
DDL is in the migrations; the protocols on them are in ``log``, ``stores``, ``refresh`` and
``listener``. The models serve the admin, ``dbshell``-like curiosity, and a test's flush.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    AnyField = models.Field[Any, Any]
else:
    AnyField = models.Field


class NativeField(AnyField):
    """A column of a PostgreSQL type that Django has no field for, as psycopg gives it.

    Args:
        type: the SQL type, for instance ``pg_snapshot`` (text in Python) or ``text[]`` (a list).
    """

    def __init__(self, type: str, **options: Any) -> None:
        self.type = type
        super().__init__(**options)

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        return name, path, [self.type, *args], options

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return self.type


class OwnRows(models.QuerySet[models.Model]):
    """Rows that are in no dump: cursors and snapshots mean nothing in another database."""

    def iterator(self, chunk_size: int | None = None) -> Iterator[models.Model]:
        """None for the command that dumps, and for what a test's database is serialized by.

        Both ask for all rows of an alias by primary key, and have no other word for what is left
        out than settings and options of the project's.
        """
        if vars(self)["_db"] is not None and self.query.order_by == (self.model._meta.pk.name,):
            return iter(())
        return super().iterator(chunk_size)


class OwnTable(models.Model):
    """A table of the library's own."""

    objects = models.Manager.from_queryset(OwnRows)()

    class Meta:
        abstract = True
        app_label = "kck_publish"
        base_manager_name = "objects"
        default_permissions = ("view",)
