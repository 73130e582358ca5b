"""``cache_within_request``: what a function returns is kept until the request ends."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

from ..public_names import public_in
from .context import current

logger = logging.getLogger("kck_publish")
F = TypeVar("F", bound=Callable[..., Any])


@public_in("kck_publish.request")
def cache_within_request(function: F) -> F:
    """Keep what a function returns, by its arguments, until the request ends.

    For functions, static and class methods (in either order of the decorators), methods, and
    coroutine functions. What it returns is shared by all callers; what it raises is not kept. A
    list, dict or set among the arguments counts by what is in it; with other arguments that
    cannot be hashed, and outside a request, the function is simply called (the log says so at
    level debug).
    """
    if isinstance(function, classmethod | staticmethod):
        return cast("F", type(function)(cache_within_request(function.__func__)))
    signature = inspect.signature(function)
    place = object()  # this function's own, whatever else is named alike

    def slot(args: Any, kwargs: Any) -> tuple[dict[Any, Any], Any] | None:
        context = current()
        if context is None:
            logger.debug("%s is called outside a request: not kept.", function.__qualname__)
            return None
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return None  # which the function itself says better
        bound.apply_defaults()
        try:
            key = tuple(_frozen(argument) for argument in bound.arguments.values())
            hash(key)
        except TypeError as error:
            logger.debug("%s is not kept: %s.", function.__qualname__, error)
            return None
        return context.kept.setdefault(place, {}), key

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        entry = slot(args, kwargs)
        if entry is None:
            return function(*args, **kwargs)
        kept, key = entry
        if key not in kept:
            kept[key] = function(*args, **kwargs)
        return kept[key]

    @functools.wraps(function)
    async def acall(*args: Any, **kwargs: Any) -> Any:
        entry = slot(args, kwargs)
        if entry is None:
            return await function(*args, **kwargs)
        kept, key = entry
        key = (key, id(asyncio.get_running_loop()))
        if key not in kept:
            kept[key] = asyncio.ensure_future(function(*args, **kwargs))
        task: asyncio.Future[Any] = kept[key]
        try:
            return await asyncio.shield(task)
        finally:
            if task.done() and (task.cancelled() or task.exception()) and kept.get(key) is task:
                del kept[key]

    return cast("F", acall if inspect.iscoroutinefunction(function) else call)


def _frozen(value: Any) -> Any:
    """Something that can be hashed, and equal only for equal values of equal types."""
    if isinstance(value, list | tuple):
        return type(value), tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return dict, frozenset((_frozen(key), _frozen(item)) for key, item in value.items())
    if isinstance(value, set | frozenset):
        return frozenset, frozenset(_frozen(item) for item in value)
    return type(value), value
