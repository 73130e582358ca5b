"""One row of a view: whether it is the view's to give, whether this reader may have it, its key.

For a queryset without conditions the product itself tells whether there is such a row: nothing
else is asked. Otherwise one query by the view's own queryset decides.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet
from django.http import Http404
from rest_framework.generics import GenericAPIView, get_object_or_404
from rest_framework.permissions import BasePermission
from rest_framework.views import APIView

from ...exceptions import KeyParameterMismatch, NotPrimed, UndeclaredLookup
from ...reading.http import Tagged, tagged
from ...rows.model import CacheModel
from .products import SerializerProduct
from .querysets import bare, fits, is_whole
from .serving import user_of


class PlainWay(Exception):  # noqa: N818 - no error: the view does what it does without a product
    """A product cannot answer this request."""


def retrieve(view: Any, product: SerializerProduct) -> Tagged:
    """The bytes of the row that the URL names, with their validators.

    Raises:
        PlainWay: the view's own code has to find it.
        Http404, PermissionDenied, ...: as the view raises without a product.
    """
    if type(view).get_object is not GenericAPIView.get_object:
        raise PlainWay  # it may give another row than the one that is stored, or change it
    queryset = view.filter_queryset(view.get_queryset())
    if not fits(queryset, product):
        raise PlainWay
    name, value = _lookup(view)
    asked = asks_for_objects(view)
    pk = _permitted(view, queryset, name, value) if asked else _key(queryset, name, value)
    try:
        return _answer(view, product, pk)
    except ObjectDoesNotExist:
        if asked or not is_whole(queryset) or product.row_reads.chosen:
            raise PlainWay from None  # there is one: what is stored does not know it, or not yet
        raise _missing(queryset) from None


def asks_for_objects(view: Any) -> bool:
    """Whether somebody looks at the row itself before it is given."""
    return type(view).check_object_permissions is not APIView.check_object_permissions or any(
        map(_looks, view.get_permissions())
    )


def _looks(permission: Any) -> bool:
    """Whether a permission has a say of its own about rows; NOT has, whatever it denies."""
    operands = [getattr(permission, name, None) for name in ("op1", "op2")]
    if type(permission).__module__ == BasePermission.__module__ and None not in operands:
        return any(map(_looks, operands))
    kind: Any = type(permission)
    return kind.has_object_permission is not BasePermission.has_object_permission


def _lookup(view: Any) -> tuple[str, Any]:
    argument = view.lookup_url_kwarg or view.lookup_field
    if argument not in view.kwargs:
        raise PlainWay  # whose message says what is wrong
    return view.lookup_field, view.kwargs[argument]


def _answer(view: Any, product: SerializerProduct, pk: Any) -> Tagged:
    """Raises ObjectDoesNotExist where the product says that there is none."""
    try:
        return tagged(product, parameters(product, pk) | user_of(product, view.request))
    except (KeyParameterMismatch, NotPrimed):
        raise PlainWay from None


def parameters(product: SerializerProduct, pk: Any) -> dict[str, Any]:
    """The parameters of a row's primary key."""
    if len(product.row_parameters) == 1:
        return {product.row_parameters[0].name: pk}
    names = [parameter.name for parameter in product.row_parameters]
    return dict(zip(names, pk, strict=True))


def _cached(queryset: QuerySet[Any], name: str, value: Any) -> Any:
    """The row by a lookup that its model keeps; None where it keeps none by that."""
    if not issubclass(queryset.model, CacheModel):
        return None
    try:
        return queryset.model.cached.get(**{name: value})
    except ObjectDoesNotExist:
        raise _missing(queryset) from None
    except UndeclaredLookup:
        return None
    except KeyParameterMismatch:
        raise PlainWay from None


def _permitted(view: Any, queryset: QuerySet[Any], name: str, value: Any) -> Any:
    """The primary key of a row that this reader may have.

    The row is asked of its table: a right that is taken back ends at once.
    """
    kept = view.object_permissions_from_cache and issubclass(queryset.model, CacheModel)
    if kept and not queryset.query.annotations:
        row = _kept(queryset, _key(queryset, name, value))
    else:
        row = get_object_or_404(queryset, **{name: value})
    view.check_object_permissions(view.request, row)
    return row.pk


def _key(queryset: QuerySet[Any], name: str, value: Any) -> Any:
    """The primary key of the row; as it was asked for, where the product tells whether it is."""
    if is_whole(queryset):
        if name in ("pk", queryset.model._meta.pk.name):
            return value
        row = _cached(queryset, name, value)
        if row is not None:
            return row.pk
    return get_object_or_404(bare(queryset).values_list("pk", flat=True), **{name: value})


def _kept(queryset: QuerySet[Any], pk: Any) -> Any:
    """The row that its model keeps."""
    try:
        return queryset.model.cached.get(pk=pk)
    except ObjectDoesNotExist:
        raise _missing(queryset) from None
    except KeyParameterMismatch:
        raise PlainWay from None


def _missing(queryset: QuerySet[Any]) -> Http404:
    return Http404(f"No {queryset.model._meta.object_name} matches the given query.")
