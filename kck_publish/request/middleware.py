"""The middleware that makes each request the current one, while its streamed body is made, too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse

from ..public_names import public_in
from .context import GlobalRequest, current


@public_in("kck_publish.request")
class GlobalRequestMiddleware:
    """Makes each request the current one while it is answered, and its streamed body is made."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if self._is_async:
            return self._answer(request)
        context = GlobalRequest(request)
        with context:
            return _streamed(self.get_response(request))

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        with GlobalRequest(request):
            return _streamed(await self.get_response(request))


def _streamed(response: HttpResponseBase) -> HttpResponseBase:
    """The same response, whose body is made in the request's context, each part of it."""
    context = current()
    if (
        context is None
        or not isinstance(response, StreamingHttpResponse)
        or isinstance(response, FileResponse)  # which the server may send without us
    ):
        return response
    content: Any = response.streaming_content

    def parts() -> Iterator[Any]:
        iterator = iter(content)
        while True:
            with context.resumed():
                try:
                    part = next(iterator)
                except StopIteration:
                    return
            yield part

    async def aparts() -> AsyncIterator[Any]:
        iterator = aiter(content)
        while True:
            with context.resumed():
                try:
                    part = await anext(iterator)
                except StopAsyncIteration:
                    return
            yield part

    response.streaming_content = aparts() if response.is_async else parts()
    return response
