"""What decides which rows are serialized, and which related rows are listed: their conditions.

``get_queryset``, a ``Prefetch`` of it, and the default managers of related rows may choose rows by
columns that no field shows, and by other tables. They are read as a QuerySetPrimer's query is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import Prefetch, QuerySet

from ...conf import settings
from ...exceptions import InvalidPrimer
from ...products.depends import Depends
from ...products.equality import inexact
from ...querysets.joined import opaque, trees
from ...querysets.plan import VOLATILE, Read, hides_tables
from ...querysets.reading import Reading
from ...rows.run_at_start import QueriedAtStartError, no_queries

if TYPE_CHECKING:
    from .products import SerializerProduct


class RowReads:
    """The conditions on a serializer's rows, as they are when Django starts.

    Attributes:
        dependencies: on the tables that they read.
        chosen: whether the product may leave out a row of the model.
        prefetched: whether it may leave out related rows, which no view of the model does.

    Raises:
        InvalidPrimer: what they read cannot be told, and nothing else says it.
    """

    def __init__(self, product: SerializerProduct) -> None:
        self._product = product
        self.dependencies: list[Depends] = []
        self.chosen = self.prefetched = False
        self._conditions: Any = None
        try:
            with no_queries():
                self._read()
        except InvalidPrimer:
            raise
        except Exception as error:  # noqa: BLE001 - the user's code, where it may lack something
            query = isinstance(error, QueriedAtStartError)
            self._hides("queries the database" if query else f"raises {error!r} at start", error)
            self.chosen = True
            names = {one.name: one.name for one in product.row_parameters}
            self.dependencies = [Depends.by(product.model, names)]

    def check(self, queryset: QuerySet[Any]) -> None:
        """Refuse rows that are chosen by another condition than at start. Raises InvalidPrimer."""
        if self._conditions is not None and self._texts(queryset) != self._conditions:
            raise self._volatile()

    def _read(self) -> None:
        queryset: Any = self._product.primer.get_queryset()
        if self._is_among_others(queryset.query):
            raise InvalidPrimer(
                f"{self._product.name}: get_queryset() has a window function, distinct(fields) or "
                "a slice, which say another thing of a row that is asked for alone. Say it by a "
                "Subquery, which looks at the other rows whoever is asked for."
            )
        lookups, self.chosen = self._lookups(queryset), bool(queryset.query.where)
        self.prefetched = any(map(_is_own, queryset._prefetch_related_lookups))
        if not (self.chosen or lookups):
            return
        options: Any = self._product.sender
        if not (options.refresh_every or options.soft_expire or options.hard_expire):
            self._conditions = self._texts(queryset)
            self.check(self._product.primer.get_queryset())
        self._tell(_bare(queryset).prefetch_related(*lookups))

    def _is_among_others(self, query: Any) -> bool:
        """Whether what is said of a row depends on which others are asked for with it."""
        shown = query.annotations.values() if self._product.field_reads.opaque else ()
        return bool(query.is_sliced or query.distinct_fields) or any(
            part.contains_over_clause for part in (query.where, *shown)
        )

    def _lookups(self, queryset: Any) -> list[Any]:
        """The related rows that are chosen in a way of the project's own."""
        columns = self._product.field_reads.columns
        return [
            Prefetch(one.prefetch_through, _bare(one.queryset))
            for one in (*queryset._prefetch_related_lookups, *columns.chosen_by_managers())
            if _is_own(one)
        ]

    def _texts(self, queryset: QuerySet[Any]) -> Any:
        """The SQL of all conditions, with its values; it is there too where nothing is found."""
        connection = connections[settings.DATABASE]
        return [
            rows.query.get_compiler(connection=connection, elide_empty=False).as_sql()
            for rows in (_bare(queryset), *(one.queryset for one in self._lookups(queryset)))
        ]

    def _tell(self, rows: QuerySet[Any]) -> None:
        """Find the dependencies: each row of the model is of its own key, whatever is hidden."""
        reading = Reading()
        aliases = reading.queryset(rows)
        notes = reading.notes
        if not aliases:
            raise TypeError("get_queryset() combines queries")
        if VOLATILE in notes.hidden and self._conditions is not None:
            raise self._volatile()
        for tables in hides_tables([*notes.hidden]):
            self._hides(f"has {tables}, which may read tables that nobody sees")
        fields = self._product.model._meta.pk_fields
        next(iter(aliases.values())).params.update(
            (one.name, str(field.attname))
            for one, field in zip(self._product.row_parameters, fields, strict=True)
        )
        blind = set(notes.opaque)
        for tree, nodes in trees(notes.tables, notes.joins):
            for table in blind & nodes.keys():
                nodes[table].columns = None
            for node in tree.nodes:
                local = {one.attname: one for one in node.model._meta.local_concrete_fields}
                if any(inexact(local[name]) is not None for name in node.links):
                    opaque(tree)
            self.dependencies += [Read(tree, node, (), ()) for node in tree.nodes]

    def _hides(self, what: str, error: Exception | None = None) -> None:
        if not (self._product.sender.depends_on or self._product.field_reads.declared):
            raise InvalidPrimer(
                f"{self._product.name}: get_queryset() {what}, so nobody knows which changes "
                "concern its rows. Name in depends_on what decides which rows it gives."
            ) from error

    def _volatile(self) -> InvalidPrimer:
        return InvalidPrimer(
            f"{self._product.name}: get_queryset() chooses rows by something else than at start "
            "(the time of day, the request or the like), without any change of a row. Filter by "
            "that in the view, or set refresh_every, soft_expire or hard_expire."
        )


def _is_own(lookup: str | Prefetch[Any]) -> bool:
    """Whether a prefetch says which rows there are."""
    return getattr(lookup, "queryset", None) is not None


def _bare(queryset: QuerySet[Any]) -> QuerySet[Any]:
    """The keys of the rows, by their conditions alone: ``sources`` tells what annotations read."""
    if queryset.query.is_sliced or queryset.query.combinator or queryset.query.distinct_fields:
        return queryset
    rows = queryset.order_by().prefetch_related(None).select_related(None)
    query = rows.query
    query.clear_select_clause()
    query.annotations, query.group_by = {}, None
    query.add_fields(["pk"])
    return rows
