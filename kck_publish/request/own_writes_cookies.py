"""Read-your-writes across requests: the browser carries its own last writes as signed tokens.

A request that has written hands out a cookie with the numbers of its transactions and what they
wrote; ``reading.read_with_own_writes`` holds later requests of the same browser to it, until the
listener has passed them. Each token has a cookie of its own, named after its transaction: requests
that run at the same time must not take away, or overwrite, what another of them has handed out.

With near stores, the next request may be answered by a host whose copy is older than this one's, by
the length of a lease at the most. For so long another cookie has the browser's reads go round them.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings as django_settings
from django.core import signing
from django.db import Error
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ..capture import own_request_writes
from ..capture.own_request_writes import OwnWrites, Writes
from ..capture.source import wrote_setting
from ..conf import settings
from ..products import registry
from ..public_names import public_in

logger = logging.getLogger("kck_publish")
PREFIX = "kck_own_"
_NAME = re.compile(PREFIX + "[0-9a-f]{1,16}", re.ASCII)
_LATELY = f"{PREFIX}lately"
_SALT = "kck_publish.read_your_writes"
# How many sources a token names before it stands for all of them, and how many tokens are looked
# at: a browser sends no more than a few kilobytes.
_SOURCES, _TOKENS = 60, 20


@public_in("kck_publish.request")
class ReadYourWritesMiddleware:
    """A browser that has written is never shown, by ``.cached``, what is older than its write.

    Sync and async. Put it first, so that what other middleware writes counts too. Subclass it to
    change the attributes.

    Attributes:
        patience: for how long a request waits, at the most, for the listener to pass the browser's
            own earlier writes, in seconds; then it computes what is older than these.
        max_age: for how long a browser keeps a token, in seconds. It goes as soon as a request
            finds that the listener has passed it.
    """

    sync_capable = True
    async_capable = True
    patience: float = 0.2
    max_age: int = 3600

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if self._is_async:
            return self._answer(request)
        refused, mine = self._opened(request)
        token = own_request_writes.activate(mine)
        try:
            response = self.get_response(request)
        finally:
            own_request_writes.restore(token)
        if mine.has_written:
            self._hand_out(response, mine)
        return self._take_back(response, refused, mine)

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        refused, mine = self._opened(request)
        token = own_request_writes.activate(mine)
        try:
            response = await self.get_response(request)
        finally:
            own_request_writes.restore(token)
        if mine.has_written:  # its connections are those of the request's thread
            await sync_to_async(self._hand_out)(response, mine)
        return self._take_back(response, refused, mine)

    def _opened(self, request: HttpRequest) -> tuple[list[str], OwnWrites]:
        names = [name for name in request.COOKIES if _NAME.fullmatch(name)][:_TOKENS]
        brought = list(self._brought(request, names))
        known = {writes.name for writes in brought}
        mine = OwnWrites(brought, self.patience, lately=_LATELY in request.COOKIES)
        return [name for name in names if name not in known], mine

    def _brought(self, request: HttpRequest, names: list[str]) -> Iterator[Writes]:
        """The writes that the browser's tokens name; foreign and old tokens are left out."""
        for name in names:
            try:
                cluster, xids, sources = signing.loads(
                    request.COOKIES[name], salt=_SALT, max_age=self.max_age
                )
            except signing.BadSignature:
                continue
            wrote = None if sources is None else frozenset(sources.split())
            yield Writes(tuple(xids), wrote, cluster, name)

    def _hand_out(self, response: HttpResponseBase, mine: OwnWrites) -> None:
        sources = registry.graph().sources
        try:
            wrote = mine.collect(settings.DATABASE, [wrote_setting(table) for table in sources])
        except Error as error:
            logger.warning(
                "What the request has written is not known (%s): the browser gets no token, and "
                "may be shown older values until the listener has passed the write.",
                type(error).__name__,
            )
            return
        if wrote is None:
            return
        names = None if wrote.sources is None else sorted(wrote.sources)
        said = None if names is None or len(names) > _SOURCES else " ".join(names)
        name = f"{PREFIX}{max(wrote.xids):x}"
        token = signing.dumps([wrote.cluster, wrote.xids, said], salt=_SALT)
        self._set(response, name, token, self.max_age)

    def _set(self, response: HttpResponseBase, name: str, value: str, max_age: int) -> None:
        response.set_cookie(
            name,
            value,
            max_age=max_age,
            domain=django_settings.SESSION_COOKIE_DOMAIN,
            secure=django_settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )

    def _take_back(
        self, response: HttpResponseBase, refused: list[str], mine: OwnWrites
    ) -> HttpResponseBase:
        for name in {*refused, *(writes.name for writes in mine.settled)} - set(response.cookies):
            response.delete_cookie(
                name, domain=django_settings.SESSION_COOKIE_DOMAIN, samesite="Lax"
            )
        if mine.settled and settings.NEAR is not None:
            self._set(response, _LATELY, "1", math.ceil(settings.NEAR_LEASE) + 1)
        return response
