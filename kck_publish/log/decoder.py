"""From a row of the log to typed changes: the values that Django would read from the table."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from psycopg import Error as PsycopgError
from psycopg.adapt import Transformer
from psycopg.pq import Format

from ..capture.local_settings import told_of
from ..capture.source import Source, column_of
from ..exceptions import UnreadableValue
from .change import Change
from .image import Image
from .reader import Row
from .row_values import Loads, Order, image_of, loader_of, null_loader_of

logger = logging.getLogger("kck_publish")

# By alias and model. Kept until something cannot be read.
_known: dict[str, dict[type[Model], Loads]] = defaultdict(dict)


class Decoder:
    """Log rows of sources -> changes with the values that Django would read from the table.

    Args:
        connection: an open connection; its adapters are the ones that Django reads with.
        sources: by table name.
        shown: by model the attnames that are read, besides the key's; those of others are all read.
    """

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        sources: Mapping[str, Source],
        shown: Mapping[Any, Collection[str]] | None = None,
    ) -> None:
        self._connection = connection
        self._sources = sources
        self._shown = shown or {}
        self._loads = _known[connection.alias]
        self._orders: dict[type[Model], tuple[Loads, Sequence[str], Order]] = {}

    def changes(self, row: Row) -> list[Change]:
        """The change that a row records, as each model of its table has it.

        Empty when the table is no source any more. A value that Python cannot hold is left out (see
        ``Image``). A row that cannot be read (its key is such a value, or gone) becomes a
        ``truncate``: everything that depends on the source is then primed.
        """
        source = self._sources.get(row.source)
        return [] if source is None else [self._change(row, model) for model in source.models]

    def _change(self, row: Row, model: type[Model]) -> Change:
        try:
            old, new = self._images(model, row)
        except (KeyError, ValueError, PsycopgError, UnreadableValue) as error:
            self._loads.pop(model, None)  # the table may have changed
            logger.warning(
                "Change %d of %s cannot be read (%s): all that depends on it is primed.",
                row.seq,
                row.source,
                type(error).__name__,
            )
            return _change(row, "truncate", model, None, None)
        return _change(row, row.op, model, old, new)

    def _images(self, model: type[Model], row: Row) -> list[dict[str, Any] | None]:
        old, new = row.old, row.new
        if old is None and new is None:  # of a table that may be gone
            return [None, None]
        order = self._order(model, row.columns or ())
        images = [image_of(order, old), image_of(order, new)]
        if type(images[0]) is Image or type(images[1]) is Image:
            self._loads.pop(model, None)  # the table may have changed: its types are asked again
            order = self._order(model, row.columns or ())
            images = [image_of(order, old), image_of(order, new)]
        return images

    def _order(self, model: type[Model], columns: Sequence[str]) -> Order:
        loads = self._loads.get(model) or self._loads_of(model)
        known = self._orders.get(model)  # as a rule it is as for the row before
        if known is not None and known[0] is loads and known[1] == columns:
            return known[2]
        key = [field.attname for field in model._meta.pk_fields]
        shown = self._shown.get(model)
        read = [
            (place, *loads[column])
            for place, column in enumerate(columns)
            if column in loads  # else a column that this code does not know
            and (shown is None or loads[column][0] in shown or loads[column][0] in key)
        ]
        order = Order(
            len(columns),
            [(place, attname, load) for place, attname, load, _ in read],
            [(place, attname, null) for place, attname, _, null in read if null is not None],
            key,
        )
        self._orders[model] = (loads, columns, order)
        return order

    def _loads_of(self, model: type[Model]) -> Loads:
        connection, table = self._connection, model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)} LIMIT 0")
            columns = {column.name: column for column in cursor.description}
        transformer = Transformer(connection.connection)
        loads: Loads = {}
        for field in model._meta.local_concrete_fields:
            if (column := columns.get(column_of(field))) is not None:
                loader = transformer.get_loader(column.type_code, Format.TEXT)
                expression = field.get_col(table)
                converters = [
                    *connection.ops.get_db_converters(expression),
                    *expression.get_db_converters(connection),
                ]
                loads[column_of(field)] = (
                    field.attname,
                    loader_of(column, loader, converters, expression, connection),
                    null_loader_of(converters, expression, connection),
                )
        self._loads[model] = loads
        return loads


def _change(
    row: Row,
    op: str,
    model: type[Model],
    old: Mapping[str, Any] | None,
    new: Mapping[str, Any] | None,
) -> Change:
    change = object.__new__(Change)  # one write, where that of a frozen one's fields is nine
    change.__dict__.update(
        op=op, source=model, old=old, new=new, origin=None, xid=row.xid, seq=row.seq, at=row.at,
        untold=_NONE,
    )  # fmt: skip
    if row.origin is not None:
        origin, untold = told_of(row.origin)
        change.__dict__.update(origin=origin, untold=untold)
    return change


_NONE: frozenset[str] = frozenset()
