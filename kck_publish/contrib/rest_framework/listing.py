"""The rows of a view's list: one query for the page's primary keys, one round trip for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.core.paginator import Paginator
from django.db.models import QuerySet
from rest_framework.generics import GenericAPIView
from rest_framework.pagination import (
    CursorPagination,
    LimitOffsetPagination,
    PageNumberPagination,
)

from ...exceptions import KeyParameterMismatch, NotPrimed
from ...products.compute import compute
from ...products.product import UnparsedKeys
from ...reading.near import lookup_of
from ...reading.read import answers
from ...reading.values import bytes_of
from .products import SerializerProduct
from .querysets import bare, fits
from .rendering import Bodies
from .retrieving import PlainWay, parameters
from .serving import user_of


def rows(view: Any, product: SerializerProduct) -> tuple[Bodies, bool]:
    """The rows of the list, or of its page, and whether it is a page.

    Raises:
        PlainWay: the view's own code has to find them.
        Http404, ...: as the view raises without a product.
    """
    if not product.whole_lists:
        raise PlainWay
    queryset = view.filter_queryset(view.get_queryset())
    if not fits(queryset, product):
        raise PlainWay
    page = _page(view, queryset)
    if page is not None:
        return _bodies(view, product, page), True
    pks = view.list_pks(queryset)
    if pks is None:
        pks = bare(queryset).values_list("pk", flat=True)
    return _bodies(view, product, list(pks)), False


def _page(view: Any, queryset: QuerySet[Any]) -> list[Any] | None:
    """The primary keys of the page; None where there are no pages.

    Raises:
        PlainWay: the pages are made in a way of their own.
    """
    paginator = view.paginator
    if paginator is None:
        return None
    if type(view).paginate_queryset is not GenericAPIView.paginate_queryset:
        raise PlainWay
    method = type(paginator).paginate_queryset
    if method is CursorPagination.paginate_queryset:
        return _following(view, queryset)
    numbered = method is PageNumberPagination.paginate_queryset and _cuts(paginator)
    if not numbered and method is not LimitOffsetPagination.paginate_queryset:
        raise PlainWay
    pks = view.list_pks(queryset)
    pks = bare(queryset).values_list("pk", flat=True) if pks is None else list(pks)
    page: Sequence[Any] | None = view.paginate_queryset(pks)
    return None if page is None else list(page)


def _cuts(paginator: Any) -> bool:
    """Whether Django's own code cuts the pages, so that it takes keys for rows."""
    kind = paginator.django_paginator_class
    return all(getattr(kind, name) is getattr(Paginator, name) for name in ("page", "_get_page"))


def _following(view: Any, queryset: QuerySet[Any]) -> list[Any] | None:
    """The primary keys of a cursor's page: it looks at the column that the rows are ordered by."""
    paginator = view.paginator
    name = paginator.get_ordering(view.request, queryset, view)[0].lstrip("-")
    position = type(paginator)._get_position_from_instance
    if position is not CursorPagination._get_position_from_instance:
        raise PlainWay
    if _is_column(queryset, name):
        page = view.paginate_queryset(bare(queryset).values("pk", name))
        return None if page is None else [row["pk"] for row in page]
    page = view.paginate_queryset(queryset)  # it asks a row for what is no column
    return None if page is None else [row.pk for row in page]


def _is_column(queryset: QuerySet[Any], name: str) -> bool:
    """Whether a row's attribute of this name is what a query of the name gives."""
    try:
        return not queryset.model._meta.get_field(name).is_relation and name != "pk"
    except FieldDoesNotExist:
        return False


def _bodies(view: Any, product: SerializerProduct, pks: Sequence[Any]) -> Bodies:
    """The bytes of these rows, in this order; a row deleted meanwhile is left out."""
    user = user_of(product, view.request)
    near: Sequence[Any] = [None] if user else lookup_of(product).find_many(pks)
    if None not in near:
        return Bodies(near)
    try:
        keys = [product.key_of(parameters(product, pk) | user) for pk in pks]
        answered = answers(product, UnparsedKeys(product, keys)) if keys else {}
    except (KeyParameterMismatch, NotPrimed):
        raise PlainWay from None
    bodies: dict[str, bytes] = {}
    unknown = []
    for key in answered:
        try:
            bodies[key] = bytes_of(product, key, answered[key])
        except ObjectDoesNotExist:
            unknown.append(key)  # the query has seen it, what is stored has not: perhaps gone
    again = compute(product, [product.parameters_of(key) for key in unknown])
    for key, computed in zip(unknown, again, strict=True):
        if computed.absent is not None and product.row_reads.chosen:
            raise PlainWay
        if computed.absent is None:
            bodies[key] = bytes_of(product, key, computed)
    return Bodies(bodies[key] for key in keys if key in bodies)
