"""The context of a request: which request runs here, and what is kept until it ends.

``middleware`` opens one, ``fetcher`` keeps its values in it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import Token
from types import TracebackType
from typing import Any

from django.http import HttpRequest

from ..public_names import public_in
from ..reading import request_memo


class Context(request_memo.Memo):
    """One request: its memo, and what fetchers and cached functions keep.

    Attributes:
        request: the request; an empty one where a task or a test has none.
        kept: by whatever owns them, the values of fetchers and cached functions.
        bound: the fetcher classes that are bound to a value.
    """

    def __init__(self, request: HttpRequest, outer: request_memo.Memo | None) -> None:
        super().__init__(outer)
        self.request = request
        self.kept: dict[Hashable, Any] = {}
        self.bound: dict[Hashable, type[Any]] = {}
        self._entered = 0

    def begin(self) -> None:
        """Somebody is in it."""
        with self._lock:
            self._entered += 1
            self.ended = False

    def end(self) -> None:
        """One who was in it has left; when all have, nobody reads from it (see ``Memo.ended``)."""
        with self._lock:
            self._entered -= 1
            self.ended = not self._entered

    def clear(self) -> None:
        """Forget all of it, by hand as it were."""
        self.kept = {}
        self.forget()

    @contextmanager
    def resumed(self) -> Iterator[None]:
        """Make it current again for a while."""
        self.begin()
        token = request_memo.activate(self)
        try:
            yield
        finally:
            request_memo.restore(token)
            self.end()


def current() -> Context | None:
    """The context that runs here, if any: not that of a request which a task has outlived."""
    memo = request_memo.current()
    return memo if isinstance(memo, Context) and not memo.ended else None


@public_in("kck_publish.request")
def get_request() -> HttpRequest | None:
    """The request that is being answered here; None outside one."""
    running = current()
    return None if running is None else running.request


@public_in("kck_publish.request")
def clear_request_caches() -> None:
    """Forget what the request has read, its fetchers' values and its cached functions'."""
    running = current()
    if running is not None:
        running.clear()


@public_in("kck_publish.request")
class GlobalRequest:
    """Makes a request current: ``with GlobalRequest(): ...`` in tests, tasks and commands.

    Contexts nest; the inner one starts empty, and the outer one is there again after it. What a
    context has read is kept until it ends: in a task that runs for long, open one for each item.

    Args:
        request: an empty request when None.
    """

    def __init__(self, request: HttpRequest | None = None) -> None:
        self.request = HttpRequest() if request is None else request
        self._entered: list[tuple[Context, Token[request_memo.Memo | None]]] = []

    def __enter__(self) -> HttpRequest:
        context = current()
        if context is None or context.request is not self.request:
            context = Context(self.request, request_memo.current())
        context.begin()
        self._entered.append((context, request_memo.activate(context)))
        return self.request

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        context, token = self._entered.pop()
        request_memo.restore(token)
        context.end()

    async def __aenter__(self) -> HttpRequest:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)
