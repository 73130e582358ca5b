"""The query of one row by one field, compiled once: what the listener asks most.

The same query as ``manager.filter(field=value).order_by("pk")``, without building it each time.
Only for managers that change nothing about it; ``lookup_query`` asks the ORM for all others.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db import connections
from django.db.models import Field, Manager, Model, QuerySet

from ..conf import settings


class PreparedLookup:
    """Rows of a model by the value of one field.

    Args:
        manager: whose rows they are.
        field: the field that is looked up.
        single: whether this is all there is to the lookup.
        most: so many rows are wanted; None for all.
    """

    def __init__(
        self, manager: Manager[Any], field: Field[Any, Any], single: bool, most: int | None = None
    ) -> None:
        self._manager = manager
        self._field = field
        self._single = single
        self._most = most

    @cached_property
    def usable(self) -> bool:
        """Whether the manager is a plain one, and the model has one table."""
        manager: Any = self._manager
        return (
            self._single
            and type(manager).get_queryset is Manager.get_queryset
            and manager._queryset_class is QuerySet
            and not manager.model._meta.parents
        )

    def fetch(self, value: Any) -> list[Model] | None:
        """The rows, in pk order; None when the ORM has to be asked.

        Args:
            value: as ``filter`` takes it; not None.
        """
        alias = settings.DATABASE
        prepared = self._field.get_db_prep_value(value, connections[alias], prepared=False)
        if prepared is None:  # a value of a field's own that is NULL in the database
            return None
        compiled = self._compiled(alias, value, prepared)
        if compiled is None:
            return None
        sql, compiler = compiled
        with connections[alias].cursor() as cursor:
            cursor.execute(sql, [prepared])
            rows = cursor.fetchall()
        model: type[Model] = self._manager.model
        names = [field.attname for field in model._meta.concrete_fields]
        return [model.from_db(alias, names, row) for row in compiler.results_iter([rows])]

    def _compiled(self, alias: str, value: Any, prepared: Any) -> tuple[str, Any] | None:
        """The SQL as the ORM writes it for any value, and what turns its rows into values.

        Not kept when it depends on the value: True becomes part of the SQL, and a number that is
        too large an empty result.
        """
        if alias not in self._known:
            rows = self._manager.using(alias).filter(**{self._field.attname: value})
            compiler = rows.order_by("pk")[: self._most].query.get_compiler(alias)
            try:
                sql, parameters = compiler.as_sql()
            except (EmptyResultSet, FullResultSet):
                return None
            if list(parameters) != [prepared]:
                return None
            self._known[alias] = sql, compiler
        return self._known[alias]

    @cached_property
    def _known(self) -> dict[str, tuple[str, Any]]:
        return {}
