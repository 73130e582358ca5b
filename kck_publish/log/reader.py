"""The change log: what a cursor has not yet seen, as typed changes.

A consumer never claims rows. It keeps a cursor, the snapshot up to which it has handled
everything, and reads what a newer snapshot sees and the cursor does not: late commits are found
through the cursor's list of running transactions, so there is no gap and nothing to wait for.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
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
from .row_values import Loads, Order, image_of, loader_of

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


def all_unseen(condition: str = "true") -> str:
    """What reads all that a cursor has not seen, and that meets a condition, in order."""
    return f"""
SELECT {COLUMNS} FROM kck_publish_change WHERE {LATER} AND {condition}
 UNION ALL
SELECT {COLUMNS} FROM kck_publish_change WHERE {LATE} AND {condition}
 ORDER BY seq
"""


def first_unseen(limit: str, condition: str = "true") -> str:
    """What reads the first rows of it, if there are so few: ``limit`` from each arm.

    What is in a SELECT of its own is unknown to the planner, so it makes one plan for all looks,
    and not one for each; in the index's order, a short way, that plan is not a scan of the table.
    """
    arm = f"""
(SELECT {COLUMNS} FROM kck_publish_change
  WHERE xid {{}} AND {condition} ORDER BY kck_publish_change.xid LIMIT {limit})
"""
    later = ">= (SELECT pg_snapshot_xmax(%(since)s::pg_snapshot))"
    late = "= ANY ((SELECT kck_publish_running_v1(%(since)s::pg_snapshot))::xid8[])"
    return f"{arm.format(later)} UNION ALL {arm.format(late)}"


_READ_UNSEEN = all_unseen()
_READ_UNSEEN_OF_OTHERS = all_unseen("source <> ALL (%(without)s)")
_READ_UNDRAINED = f"SELECT {COLUMNS} FROM kck_publish_change WHERE {UNDRAINED} ORDER BY seq"
# In the index's order, or the planner takes "xid >= ..." for a third of the table. And not from the
# index's end: that may be a long way through rows that are trimmed and not yet vacuumed.
ANY_UNSEEN = f"""
SELECT (SELECT true FROM kck_publish_change WHERE {LATER} ORDER BY xid LIMIT 1) IS NOT NULL
    OR EXISTS (SELECT FROM kck_publish_change WHERE {LATE})
"""
# So many rows come with the snapshot (``FIRST_UNSEEN``); more than FETCH are streamed, in pages.
FIRST, FETCH = 250, 2000


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


# Where FIRST_UNSEEN gives more rows than FIRST, it is not all of them, nor the first.
MORE_UNSEEN = f"{_READ_UNSEEN} LIMIT {FETCH + 1}"
# A few changes come with the snapshot, for one wait; each arm gives one more than that.
FIRST_UNSEEN = f"SELECT * FROM ({first_unseen(str(FIRST + 1))}) unseen ORDER BY seq"


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
        first: the first rows of what is unseen, if they were asked; many are streamed.
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
        order = Order(
            len(columns),
            [
                (place, *loads[column])
                for place, column in enumerate(columns)
                if column in loads  # else a column that this code does not know
                and (shown is None or loads[column][0] in shown or loads[column][0] in key)
            ],
            key,
        )
        self._orders[model] = (loads, columns, order)
        return order

    def _loads_of(self, model: type[Model]) -> Loads:
        connection, table = self._connection, model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)} LIMIT 0")
            types = {column.name: column.type_code for column in cursor.description}
        transformer = Transformer(connection.connection)
        loads: Loads = {}
        for field in model._meta.local_concrete_fields:
            if field.column in types:
                loader = transformer.get_loader(types[field.column], Format.TEXT)
                expression = field.get_col(table)
                converters = [
                    *connection.ops.get_db_converters(expression),
                    *expression.get_db_converters(connection),
                ]
                loads[column_of(field)] = (
                    field.attname,
                    loader_of(loader, converters, expression, connection),
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
