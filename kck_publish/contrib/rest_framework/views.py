"""CachedViewMixin: generic views and viewsets that answer reads from their serializer's product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.utils.cache import patch_cache_control
from rest_framework.exceptions import APIException
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.response import Response
from rest_framework.views import APIView

from ...exceptions import Behind
from ...public_names import public_in
from ...reading.compressed import compressed, say_coding
from ...reading.http import Tagged, conditional, etag_of
from .actions import Action, Plain
from .listing import rows
from .preconditions import if_unmoved
from .primers import SerializerPrimer
from .products import SerializerProduct
from .rendering import envelope, is_plain, parse
from .responses import StoredResponse
from .retrieving import PlainWay, retrieve
from .serving import product_for

if TYPE_CHECKING:
    from rest_framework.generics import GenericAPIView as _View
else:
    _View = object


class _Behind(APIException):
    status_code = 503
    default_detail = "The answer is being refreshed; ask again."
    default_code = "behind"
    wait = 1  # seconds; the exception handler makes Retry-After of it


def _retrieve(view: Any, plain: Plain, request: Any, *args: Any, **kwargs: Any) -> Any:
    """One row's stored bytes."""
    product = product_for(view)
    if product is None:
        return plain(request, *args, **kwargs)
    try:
        answer = retrieve(view, product)
    except (PlainWay, ObjectDoesNotExist):
        return plain(request, *args, **kwargs)
    except Behind:
        raise _Behind from None
    response = StoredResponse(answer.body, lambda: parse(answer.body))
    return _validated(view, product, response, answer)


def _list(view: Any, plain: Plain, request: Any, *args: Any, **kwargs: Any) -> Any:
    """The stored bytes of the list's rows, put together."""
    product = product_for(view)
    if product is None:
        return plain(request, *args, **kwargs)
    try:
        listed, paged = rows(view, product)
    except PlainWay:
        return plain(request, *args, **kwargs)
    except Behind:
        raise _Behind from None
    if not paged:
        plain_list = StoredResponse(listed.render(), lambda: list(listed))
        return _listed(view, product, plain_list)
    response = view.get_paginated_response(listed)
    body = envelope(response.data, listed) if type(response) is Response else None
    if body is None:  # an envelope of a form not known: it is given the data itself
        return view.get_paginated_response(list(listed))
    data = response.data
    stored = StoredResponse(
        body,
        lambda: (
            list(listed)
            if data is listed
            else {name: list(listed) if value is listed else value for name, value in data.items()}
        ),
        status=response.status_code,
        headers=response.headers,
    )
    return _listed(view, product, stored)


def _listed(view: Any, product: SerializerProduct, response: StoredResponse) -> HttpResponseBase:
    # No Last-Modified: a row that left the list leaves no newer one behind.
    body = response._body or b""
    return _validated(view, product, response, Tagged(body, etag_of(body), None))


def _validated(
    view: Any, product: SerializerProduct, response: StoredResponse, answer: Tagged
) -> HttpResponseBase:
    """The response with its validators, or 304; just as it is when more may be done to it."""
    request = view.request
    ours = type(view).finalize_response is APIView.finalize_response
    if not ours or not is_plain(request.accepted_renderer, request.accepted_media_type):
        return response
    # With a Last-Modified a browser would keep it for a while without asking.
    if "Cache-Control" in response.headers:  # a paginator's
        patch_cache_control(response, no_cache=True)
    else:
        response.headers["Cache-Control"] = "no-cache"
    if codings := product.content_encodings:
        answer = compressed(request._request, codings, answer)
        response._body = answer.body
        say_coding(response, answer)
    return conditional(request._request, response, answer.etag, answer.modified)


@public_in("kck_publish.contrib.rest_framework")
class CachedViewMixin(_View):
    """Put it before the generic view; its ``list`` and ``retrieve`` then answer from the product.

        class BookViewSet(CachedViewMixin, ModelViewSet):
            queryset = Book.objects.all()
            serializer_class = BookSerializer      # which a SerializerPrimer makes a product of

    Authentication, permissions, throttles, filters, pagination and content negotiation are the
    view's own. Writes, other actions and the browsable API go the plain way, and so does a ``list``
    or ``retrieve`` that a class behind the mixin has written itself. A write with If-Match is
    refused by a 412 when the row's answer is another by then.

    Attributes:
        primer: the SerializerPrimer, where the serializer alone does not tell.
        cached_reads: False switches it off.
        object_permissions_from_cache: object permissions look at the row that a CacheModel keeps.
            That saves a query, and a right that was taken back lasts until the listener has
            handled the change. False: they look at the row in its table.
    """

    primer: type[SerializerPrimer] | None = None
    cached_reads: bool = True
    object_permissions_from_cache: bool = False

    def list_pks(self, queryset: QuerySet[Any]) -> Sequence[Any] | None:
        """The primary keys of the list, in its order, where a product has them.

        Args:
            queryset: what the view lists, filters and all; not evaluated.

        Returns:
            None: they are asked from the queryset, by one query.
        """
        return None

    retrieve = Action(_retrieve, RetrieveModelMixin.retrieve)
    list = Action(_list, ListModelMixin.list)
    update = Action(if_unmoved)
    partial_update = Action(if_unmoved)
    destroy = Action(if_unmoved)
