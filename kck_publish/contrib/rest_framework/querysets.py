"""What a view's queryset says of its rows: all of the model, or those that a query must tell."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.db.models.query import ModelIterable

from ...conf import settings
from .products import SerializerProduct


def fits(queryset: Any, product: SerializerProduct) -> bool:
    """Whether its rows are those of the product, so that a pk is all that is needed of them."""
    return (
        isinstance(queryset, QuerySet)
        and queryset._iterable_class is ModelIterable
        and queryset.model._meta.concrete_model is product.model
        and not queryset.query.combinator
        and queryset._db in (None, settings.DATABASE)  # type: ignore[attr-defined]
    )


def is_whole(queryset: QuerySet[Any]) -> bool:
    """Whether every row of the model is in it, as far as it has a condition to tell."""
    query: Any = queryset.query
    return not (
        query.where
        or query.is_sliced
        or query.distinct_fields
        or query.extra_tables
        or query.extra
        or query.select_for_update
        or type(queryset).get is not QuerySet.get
    )


def bare(queryset: QuerySet[Any]) -> QuerySet[Any]:
    """The same rows in the same order, to be asked for a few of their columns."""
    return queryset.prefetch_related(None)
