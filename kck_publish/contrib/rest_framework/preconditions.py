"""Writes that hold only while a row's answer is the one that the client has seen.

Source: RFC 9110, section 13. The row is locked and its answer computed anew, for what is stored may
be older: of two clients that both saw the same answer, the second is refused.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.http import HttpRequest
from django.utils.cache import get_conditional_response
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.generics import GenericAPIView

from ...conf import settings
from ...exceptions import Behind, NotPrimed
from ...products.compute import compute
from ...products.product import Parameters
from ...reading.compressed import without_codings
from ...reading.http import etag_of, tagged
from ...reading.values import bytes_of
from .actions import Plain
from .products import SerializerProduct
from .querysets import fits
from .retrieving import parameters
from .serving import product_of, user_of

_CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_UNMODIFIED_SINCE")


class PreconditionFailed(APIException):
    """The row is another by now than the request says."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = "It has changed since; read it again."
    default_code = "precondition_failed"


def if_unmoved(view: Any, plain: Plain, request: Any, *args: Any, **kwargs: Any) -> Any:
    """A write of a row, refused when the request's conditions do not hold.

    Raises:
        PreconditionFailed: they do not.
    """
    product = _judge(view, request)
    if product is None:
        return plain(request, *args, **kwargs)
    with transaction.atomic(using=settings.DATABASE):
        _check(view, product)
        view.kck_publish_checked = True  # partial_update calls update
        return plain(request, *args, **kwargs)


def _judge(view: Any, request: Any) -> SerializerProduct | None:
    """The product whose tags the conditions are about; None where there are no conditions."""
    if getattr(view, "kck_publish_checked", False):
        return None
    if not any(name in request.META for name in _CONDITIONS):
        return None
    product = product_of(view)
    tags = (
        product is not None
        and type(view).get_object is GenericAPIView.get_object
        and fits(view.filter_queryset(view.get_queryset()), product)
    )
    return product if tags else None


def _check(view: Any, product: SerializerProduct) -> None:
    """Raises PreconditionFailed; Http404 and PermissionDenied as the view would."""
    row = view.get_object()  # who may not have it is not told whether it has changed
    rows = type(row)._base_manager.using(settings.DATABASE).select_for_update()
    rows.filter(pk=row.pk).values_list("pk").first()
    named = parameters(product, row.pk) | user_of(product, view.request)
    key = product.key_of(named)
    (computed,) = compute(product, [product.parameters_of(key)])
    if computed.absent is not None:
        return
    etag = etag_of(bytes_of(product, key, computed))
    request = _in_no_coding(view.request._request)
    response = get_conditional_response(request, etag, _modified(product, named, etag))
    if response is not None and response.status_code == PreconditionFailed.status_code:
        raise PreconditionFailed


def _modified(product: SerializerProduct, named: Parameters, etag: str) -> int | None:
    """When the stored value was made, if it is the present one."""
    try:
        stored = tagged(product, named)
    except (ObjectDoesNotExist, NotPrimed, Behind):
        return None
    return stored.modified if stored.etag == etag else None


def _in_no_coding(request: HttpRequest) -> HttpRequest:
    """The request whose conditions name the tags of bodies, whichever coding the client has."""
    asked = copy(request)
    asked.META = {
        name: without_codings(value) if name in _CONDITIONS else value
        for name, value in request.META.items()
    }
    return asked
