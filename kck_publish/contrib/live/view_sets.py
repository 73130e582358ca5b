"""``LiveViewSet``: the list and the rows of a view set as streams, for who accepts them.

The view itself is asked, as by any request, when something has changed that it may show: with its
own permissions, filters, pages and serializer. So nothing is shown that it would not show, and what
its answer depends on need not be known exactly: the hub says when rows of its model, or values of
its serializer's product, were stored, and the view is asked again each LIVE_RECHECK seconds anyway.
"""

from __future__ import annotations

import asyncio
import copy
from hashlib import blake2b
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework.generics import GenericAPIView
from rest_framework.viewsets import ReadOnlyModelViewSet

from ...exceptions import ConfigurationError
from ...products import registry
from ...public_names import public_in
from ...reading.compressed import accepted
from ...rows.model import CacheModel
from . import access, limits, workers
from .parsing import RefusedError
from .session_end import watch_logouts
from .stopping import end_streams_on_sigterm
from .view import NO_STREAMS
from .view_states import Asked, Watcher, states

STREAM = "text/event-stream"
# Of what the streaming request says, this is not for the view.
_NOT_FORWARDED = {
    "HTTP_ACCEPT_ENCODING",
    "HTTP_IF_NONE_MATCH",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_LAST_EVENT_ID",
}


@public_in("kck_publish.contrib.live")
class LiveMixin(GenericAPIView):
    """Put it before a generic view set whose model is a CacheModel.

    Attributes:
        live_products: names of further products whose values its answers show.
        live_interval: seconds that are left between two looks of one stream.
    """

    live_products: tuple[str, ...] = ()
    live_interval: float = 0.1

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """A stream to who accepts one; anything else as ever."""
        asked = STREAM in request.headers.get("Accept", "")
        action = getattr(self, "action_map", {}).get("get")
        if not asked or request.method != "GET" or action not in ("list", "retrieve"):
            return super().dispatch(request, *args, **kwargs)
        try:
            return self._stream(request, args, kwargs)
        except RefusedError as refused:
            response = HttpResponse(str(refused), status=refused.status, content_type="text/plain")
            if refused.status in (429, 503):
                response.headers["Retry-After"] = limits.RETRY_AFTER
            return response

    def _stream(self, request: HttpRequest, args: Any, kwargs: Any) -> HttpResponseBase:
        access.check_origin(request)
        if not isinstance(request, ASGIRequest):
            raise RefusedError(501, NO_STREAMS)
        products = self._products()
        assert request.resolver_match is not None
        view = request.resolver_match.func

        def ask(fresh: HttpRequest) -> HttpResponseBase:
            response = view(_plain(fresh), *args, **kwargs)
            if hasattr(response, "render"):
                response.render()
            return response

        first = ask(request)
        if first.status_code != 200:
            return first
        user: Any = getattr(request, "user", None)
        who = user.pk if user is not None and user.is_authenticated else None
        limits.check(who)
        watch_logouts()
        end_streams_on_sigterm()

        async def again(client: Watcher) -> HttpResponseBase | None:
            fresh = access.without_session if client.session_ended else access.again
            try:
                asked = workers.submit(lambda: ask(fresh(request)))
                return await asyncio.wrap_future(asked)
            except DatabaseError:
                return None

        asked = Asked(
            key=request.get_full_path(),
            products=products,
            since=request.headers.get("Last-Event-ID") or request.GET.get("since", ""),
            interval=self.live_interval,
            reader=_reader(request, who),
            user=who,
            session=getattr(getattr(request, "session", None), "session_key", None),
            packed=accepted(request, ["gzip"]) is not None,
        )
        response = StreamingHttpResponse(
            states(asked, again),
            content_type=STREAM,
            headers={"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"},
        )
        if asked.packed:
            response.headers["Content-Encoding"] = "gzip"
        return response

    def _products(self) -> frozenset[str]:
        """The products whose values tell that an answer may be another."""
        model = self.get_queryset().model
        if not issubclass(model, CacheModel):
            raise ConfigurationError(
                f"{type(self).__name__}: {model._meta.label} is no CacheModel, whose rows are "
                "published, so that nothing says when its lists change."
            )
        names = {model._meta.concrete_model._meta.label_lower, *self.live_products}
        return frozenset(registry.get(name).name for name in names)


@public_in("kck_publish.contrib.live")
class LiveViewSet(LiveMixin, ReadOnlyModelViewSet):
    """A view set that only reads, with streams."""


def _reader(request: HttpRequest, who: object) -> bytes:
    """A digest of who asks, and how: a view may know its readers by any header, as a token."""
    headers = sorted(
        (name, said)
        for name, said in request.META.items()
        if name.startswith("HTTP_") and name not in _NOT_FORWARDED
    )
    return blake2b(repr((who, headers)).encode(), digest_size=16).digest()


def _plain(request: HttpRequest) -> HttpRequest:
    """The request as one for JSON."""
    plain = copy.copy(request)
    plain.META = {name: what for name, what in request.META.items() if name not in _NOT_FORWARDED}
    plain.META["HTTP_ACCEPT"] = "application/json"
    plain.__dict__.pop("headers", None)
    query = request.GET.copy()
    query.pop("since", None)
    plain.__dict__["GET"] = query
    return plain
