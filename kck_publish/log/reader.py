"""The change log: what a cursor has not yet seen, as typed changes.

A consumer never claims rows. It keeps a cursor, the snapshot up to which it has handled
everything, and reads what a newer snapshot sees and the cursor does not: late commits are found
through the cursor's list of running transactions, so there is no gap and nothing to wait for.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from psycopg import Error as PsycopgError
from psycopg.adapt import Transformer
from psycopg.pq import Format

from ..capture.local_settings import told_of
from ..capture.source import Source, column_of
from ..exceptions import UnreadableValue
from ..postgres import Cursor
from .change import Change
from .image import Image

logger = logging.getLogger("kck_publish")

# What a cursor has not seen: two arms, each a scan of the index on xid, and disjoint. The rows are
# visible to the reading statement, whose snapshot is the other half of the condition.
LATER = "xid >= pg_snapshot_xmax(%(since)s::pg_snapshot)"
LATE = "xid = ANY (kck_publish_running_v1(%(since)s::pg_snapshot))"
UNSEEN = "kck_publish_unseen_v1(xid, %(since)s::pg_snapshot)"
# Inside a test's transaction: what it has itself written since it was last drained.
UNDRAINED = """
    xid = pg_current_xact_id_if_assigned()
    AND seq > coalesce(nullif(current_setting('kck_publish.drained', true), ''), '0')::bigint
"""
COLUMNS = "seq, xid::text::bigint, source, op, columns, old, new, origin, at, trace"
_READ_UNSEEN = f"""
SELECT {COLUMNS} FROM kck_publish_change WHERE {LATER}
 UNION ALL
SELECT {COLUMNS} FROM kck_publish_change WHERE {LATE}
 ORDER BY seq
"""
_READ_UNSEEN_OF_OTHERS = f"""
SELECT {COLUMNS} FROM kck_publish_change WHERE {LATER} AND source <> ALL (%(without)s)
 UNION ALL
SELECT {COLUMNS} FROM kck_publish_change WHERE {LATE} AND source <> ALL (%(without)s)
 ORDER BY seq
"""
_READ_UNDRAINED = f"SELECT {COLUMNS} FROM kck_publish_change WHERE {UNDRAINED} ORDER BY seq"
# In the index's order, or the planner takes "xid >= ..." for a third of the table. And not from the
# index's end: that may be a long way through rows that are trimmed and not yet vacuumed.
ANY_UNSEEN = f"""
SELECT (SELECT true FROM kck_publish_change WHERE {LATER} ORDER BY xid LIMIT 1) IS NOT NULL
    OR EXISTS (SELECT FROM kck_publish_change WHERE {LATE})
"""
# More rows than this are streamed.
FETCH = 2000


class Row(NamedTuple):
    """One row of the log, as it is stored."""

    seq: int
    xid: int
    source: str
    op: str
    columns: Sequence[str] | None
    old: Sequence[str | None] | None
    new: Sequence[str | None] | None
    origin: str | None
    at: datetime
    trace: str | None = None


# The first page of what is unseen: a few changes come with the snapshot, for one wait.
FIRST_UNSEEN = f"{_READ_UNSEEN} LIMIT {FETCH + 1}"


def unseen(
    connection: BaseDatabaseWrapper,
    since: str,
    first: Sequence[Any] | None = None,
    without: Collection[str] = (),
) -> Iterator[Row]:
    """The rows that the current transaction sees and the cursor has not, in order.

    Args:
        connection: in the batch's transaction.
        since: the cursor.
        first: what ``FIRST_UNSEEN`` gave, if it was asked; many rows are streamed.
        without: sources that are left out.
    """
    if first is not None and len(first) <= FETCH:
        for each in map(Row._make, first):
            if each.source not in without:
                yield each
        return
    with connection.chunked_cursor() as cursor:
        query = _READ_UNSEEN_OF_OTHERS if without else _READ_UNSEEN
        cursor.execute(query, {"since": since, "without": list(without)})
        while some := cursor.fetchmany(FETCH):
            yield from map(Row._make, some)


def undrained(connection: BaseDatabaseWrapper) -> list[Row]:
    """The changes that a test's own transaction has written since it was last drained."""
    with connection.cursor() as cursor:
        cursor.execute(_READ_UNDRAINED)
        return [*map(Row._make, cursor.fetchall())]


def any_unseen(cursor: Cursor, since: str) -> bool:
    """Whether there is anything new for a cursor: one look at the end of an index."""
    cursor.execute(ANY_UNSEEN, {"since": since})
    return bool(cursor.fetchone()[0])


Load = Callable[[str], Any]
Loads = dict[type[Model], dict[str, tuple[str, Load]]]

# By alias and model: how a column's text is read. Kept until something cannot be read.
_known: dict[str, Loads] = defaultdict(dict)


class Decoder:
    """Log rows of sources -> changes with the values that Django would read from the table.

    Args:
        connection: an open connection; its adapters are the ones that Django reads with.
        sources: by table name.
    """

    def __init__(self, connection: BaseDatabaseWrapper, sources: Mapping[str, Source]) -> None:
        self._connection = connection
        self._sources = sources
        self._loads = _known[connection.alias]

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
        images = [self._image(model, row, row.old), self._image(model, row, row.new)]
        if type(images[0]) is Image or type(images[1]) is Image:
            self._loads.pop(model, None)  # the table may have changed: its types are asked again
            images = [self._image(model, row, row.old), self._image(model, row, row.new)]
        return images

    def _image(
        self, model: type[Model], row: Row, values: Sequence[str | None] | None
    ) -> dict[str, Any] | None:
        if values is None:
            return None
        loads = self._loads.get(model) or self._loads_of(model)
        image: dict[str, Any] = {}
        unreadable: dict[str, str] = {}
        for column, text in zip(row.columns or (), values, strict=True):
            if column in loads:  # else a column that this code does not know
                attname, load = loads[column]
                if text is None:
                    image[attname] = None
                    continue
                try:
                    image[attname] = load(text)
                except (ValueError, OverflowError, PsycopgError):
                    unreadable[attname] = text
        if unreadable:
            image = Image(image, unreadable)
        pks = model._meta.pk_fields
        if len(pks) == 1:
            image["pk"] = image[pks[0].attname]
        else:
            image["pk"] = tuple([image[field.attname] for field in pks])
        return image

    def _loads_of(self, model: type[Model]) -> dict[str, tuple[str, Load]]:
        connection, table = self._connection, model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)} LIMIT 0")
            types = {column.name: column.type_code for column in cursor.description}
        transformer = Transformer(connection.connection)
        loads: dict[str, tuple[str, Load]] = {}
        for field in model._meta.local_concrete_fields:
            if field.column in types:
                load = transformer.get_loader(types[field.column], Format.TEXT).load
                expression = field.get_col(table)
                converters = [
                    *connection.ops.get_db_converters(expression),
                    *expression.get_db_converters(connection),
                ]
                loads[column_of(field)] = (
                    field.attname,
                    _loader(load, converters, expression, connection),
                )
        self._loads[model] = loads
        return loads


def _loader(
    load: Callable[[bytes], Any],
    converters: Sequence[Any],
    expression: Any,
    connection: BaseDatabaseWrapper,
) -> Load:
    def loaded(text: str) -> Any:
        value = load(text.encode())
        for convert in converters:
            value = convert(value, expression, connection)
        return value

    return loaded


def _change(
    row: Row,
    op: str,
    model: type[Model],
    old: Mapping[str, Any] | None,
    new: Mapping[str, Any] | None,
) -> Change:
    origin, untold = told_of(row.origin)
    return Change(op, model, old, new, origin, row.xid, row.seq, row.at, untold)
