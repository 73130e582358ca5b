"""``LiveView``: the keys of a request as a stream of events, or as they are now."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.views.generic.base import View

from ...conf import settings
from ...reading.compressed import accepted
from . import access, limits, workers
from .client import Client
from .events import GONE, Event
from .parsing import RefusedError, Wanted, parse
from .polling import answer
from .session_end import watch_logouts
from .sse import BEAT, alive, denied, events
from .stopping import end_streams_on_sigterm

logger = logging.getLogger("kck_publish")

NO_STREAMS = (
    "Streams need ASGI: run the project under uvicorn, granian or daphne (see docs/live.md). "
    "Clients that ask for application/json are told what is stored now, by ETag."
)


# It asks itself who may see: LoginRequiredMiddleware would redirect a stream to a page.
@method_decorator(login_not_required, name="dispatch")
class LiveView(View):
    """``path("live/", LiveView.as_view())``: streams of events; see docs/live.md.

    Who may see a key is what its primer's ``live`` says. Where no session tells who asks, override
    ``again``.
    """

    http_method_names = ["get", "options"]

    async def get(self, request: HttpRequest) -> HttpResponseBase:
        """A stream; or, to ``Accept: application/json``, what is stored now."""
        try:
            access.check_origin(request)
            wanted = parse(request)
            if "application/json" in request.headers.get("Accept", ""):
                return await sync_to_async(self.now)(request, wanted)
            if not isinstance(request, ASGIRequest):
                raise RefusedError(501, NO_STREAMS)
            return await self.stream(request, wanted)
        except RefusedError as refused:
            response = HttpResponse(str(refused), status=refused.status, content_type="text/plain")
            if refused.status in (429, 503):
                response.headers["Retry-After"] = limits.RETRY_AFTER
            return response

    def again(self, request: HttpRequest) -> HttpRequest:
        """The request with who asks as known now; asked again and again while a stream is open.

        It runs in a thread, and may query.
        """
        return access.again(request)

    def now(self, request: HttpRequest, wanted: Wanted) -> HttpResponse:
        """What is stored now, as JSON."""
        allowed = access.allowed(request, wanted)
        if not allowed:
            raise RefusedError(403, "You may see none of these.")
        return answer(request, wanted, allowed)

    async def stream(self, request: HttpRequest, wanted: Wanted) -> HttpResponseBase:
        """The stream.

        Raises:
            RefusedError: 403 where none of the keys may be seen, 429 or 503 at a limit.
        """
        allowed, user, session = await sync_to_async(_ask)(request, wanted)
        if not allowed:
            raise RefusedError(403, "You may see none of these.")
        limits.check(user)
        watch_logouts()
        end_streams_on_sigterm()
        client = Client(
            allowed,
            {key: version for key, version in wanted.known.items() if key in allowed},
            wanted.since,
            _intervals(wanted),
        )
        client.user, client.session = user, session
        answered = time.monotonic()

        async def check(client: Client) -> set[str]:
            nonlocal answered
            keys = set(client.keys)
            try:
                found = await asyncio.wrap_future(
                    workers.submit(self._allowed, request, wanted, client, keys)
                )
            except DatabaseError:
                # Not known: what was known holds for a while, and then no longer.
                if time.monotonic() - answered < 2 * settings.LIVE_RECHECK:
                    return keys
                logger.warning("Rights cannot be asked for: a stream has ended.")
                return set()
            answered = time.monotonic()
            return found

        packed = accepted(request, ["gzip"]) is not None
        first = [denied(key) for key in wanted.keys if key not in allowed]
        first += [Event(key, GONE, None).brief for key in wanted.unknown]
        beat = alive() if wanted.beat else BEAT
        first += [beat] if wanted.beat else []
        response = StreamingHttpResponse(
            events(client, check, wanted.body, packed, first, beat),
            content_type="text/event-stream",
            # No proxy may keep it, nor hold it back until there is more of it.
            headers={"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"},
        )
        if packed:
            response.headers["Content-Encoding"] = "gzip"
        patch_vary_headers(response, ["Accept", "Accept-Encoding", "Cookie"])
        return response

    def _allowed(
        self, request: HttpRequest, wanted: Wanted, client: Client, keys: set[str]
    ) -> set[str]:
        ended = client.session_ended
        now = access.without_session(request) if ended else self.again(request)
        return access.allowed(now, wanted, keys)


def _ask(request: HttpRequest, wanted: Wanted) -> tuple[set[str], object, str | None]:
    """What may be seen, and by whom, as the request says at first."""
    user: Any = getattr(request, "user", None)
    user = user.pk if user is not None and user.is_authenticated else None
    session: Any = getattr(request, "session", None)
    return access.allowed(request, wanted), user, getattr(session, "session_key", None)


def _intervals(wanted: Wanted) -> dict[str, float]:
    seconds = {
        key: product.live_interval.total_seconds() for key, (product, _) in wanted.keys.items()
    }
    return {key: interval for key, interval in seconds.items() if interval > 0}
