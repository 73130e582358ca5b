"""Which querysets of a view a product reproduces: those whose rows their primary keys tell.

The product makes a row's answer from the row of that key, by the serializer alone. What else a
queryset says of its rows (a Prefetch with rows of its own, columns left out, values beside the
columns, methods of its own) would be lost, and may be what hides something. So a queryset has to be
known in all that it says; everything else goes the plain way.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from django.db.models import ForeignKey, Model, Prefetch, QuerySet
from django.db.models.query import ModelIterable
from django.db.models.sql import Query

from ...conf import settings
from .annotations import are_reproduced
from .products import SerializerProduct

# What may differ from the query for all rows: which rows, in which order, with which joins.
_REPRODUCED = frozenset({
    "alias_map", "alias_refcount", "annotation_select_mask", "annotations", "base_table",
    "default_ordering", "distinct", "external_aliases", "filter_is_sticky", "group_by",
    "order_by", "select_related", "standard_ordering", "subq_aliases", "table_map",
    "used_aliases", "where", "_annotation_select_cache", "_lookup_joins",
})  # fmt: skip
_NOTHING = object()
# Methods that a queryset may have in a form of its own: they give no rows.
_WRITES = frozenset({
    "abulk_create", "abulk_update", "acreate", "adelete", "aget_or_create", "aupdate",
    "aupdate_or_create", "bulk_create", "bulk_update", "create", "delete", "get_or_create",
    "update", "update_or_create",
})  # fmt: skip
_READS = {
    name
    for name, value in vars(QuerySet).items()
    if (callable(value) or isinstance(value, property)) and name not in _WRITES
}


def fits(queryset: Any, product: SerializerProduct) -> bool:
    """Whether the rows are those of the product, so that a primary key is all that is needed."""
    if not isinstance(queryset, QuerySet):
        return False
    prefetched: Iterable[Any] = queryset._prefetch_related_lookups  # type: ignore[attr-defined]
    return (
        queryset._iterable_class is ModelIterable
        and queryset._result_cache is None  # rows that are loaded may have been changed
        and queryset._db in (None, settings.DATABASE)  # type: ignore[attr-defined]
        and _is_of(queryset.model, product)
        and _reads_as_django(type(queryset))
        and _is_known(queryset.query)
        and all(map(_is_usual, prefetched))
        and not (_brings_rows(queryset, product) or product.row_reads.prefetched)
        and are_reproduced(queryset.query, product)
    )


def is_whole(queryset: QuerySet[Any]) -> bool:
    """Whether every row of the model is in a queryset that fits, without a query to tell."""
    return not (queryset.query.where or queryset.query.annotations)


def bare(queryset: QuerySet[Any]) -> QuerySet[Any]:
    """The same rows in the same order, to be asked for a few of their columns."""
    return queryset.prefetch_related(None)


def _is_of(model: type[Model], product: SerializerProduct) -> bool:
    """Whether a serializer reads the same of these rows; a proxy may have methods of its own."""
    if model is product.model:
        return True
    return model._meta.concrete_model is product.model and not product.field_reads.opaque


@lru_cache(maxsize=1024)
def _reads_as_django(kind: type[QuerySet[Any]]) -> bool:
    """Whether a queryset's class leaves all to Django that gives rows."""
    own = kind.__mro__[: kind.__mro__.index(QuerySet)]
    return not any(name in _READS for base in own for name in vars(base))


def _is_known(query: Query) -> bool:
    """Whether all that a query says is known here. A subclass may say more when it is compiled."""
    if type(query) is not Query:
        return False
    whole = _all_of(query.model)
    return all(
        name in _REPRODUCED or getattr(whole, name, _NOTHING) == said
        for name, said in vars(query).items()
    ) and _keeps_rows(query.model, query.select_related)


@lru_cache(maxsize=1024)
def _all_of(model: type[Model]) -> Query:
    """The query for all rows, to compare others with; nobody changes it."""
    return Query(model)


def _keeps_rows(model: Any, related: Any) -> bool:
    """Whether loading these relations leaves out no row, as an inner join to nothing does."""
    if not isinstance(related, dict):
        return not related
    fields: dict[str, Any] = {name: model._meta.get_field(name) for name in related}
    return all(
        (not isinstance(field, ForeignKey) or field.null or getattr(field, "db_constraint", False))
        and _keeps_rows(field.related_model, related[name])
        for name, field in fields.items()
    )


def _is_usual(lookup: str | Prefetch[Any]) -> bool:
    """Whether related rows are loaded as they would be one by one."""
    return isinstance(lookup, str) or (
        type(lookup) is Prefetch
        and lookup.queryset is None
        and lookup.prefetch_to == lookup.prefetch_through
    )


def _brings_rows(queryset: Any, product: SerializerProduct) -> bool:
    """Whether rows are given instances of a relation that the serializer looks at."""
    known: Iterable[Any] = queryset._known_related_objects
    return any(
        product.field_reads.opaque or product.field_reads.columns.loads(field) for field in known
    )
