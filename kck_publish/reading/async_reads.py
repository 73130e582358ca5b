"""Reads of asynchronous code: at once where nothing is asked, else in one hop a turn of the loop.

What the request has read, or the near store holds, needs no other thread. All other reads of one
turn of the event loop, which have the same context, go to Django's thread together, and ask the
store together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation

from ..capture import own_async_writes, own_session_writes
from ..exceptions import NotPrimed
from ..products.product import Parameters, Product, UnparsedKeys
from .near import NearLookup
from .read import Answers, answers, at_hand
from .several import ahead_of

# Makes of the answers what the reader is given; in Django's thread, or where nothing is asked.
Finish = Callable[[Answers], Any]


@dataclass
class _Wanted:
    """What one ``await`` waits for."""

    product: Product
    keys: Sequence[str]
    finish: Finish
    strict: bool
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def answer(self, found: Answers) -> None:
        """Make what the reader is given of the answers for all of a turn."""
        try:
            mine = {key: found[key] for key in self.keys if key in found}
            if self.strict and len(mine) < len(set(self.keys)):
                raise NotPrimed(next(key for key in self.keys if key not in mine))
            self.result = self.finish(mine)
        except Exception as error:  # noqa: BLE001 - what the compute raised, or the user's decoder
            self.error = error

    def answer_alone(self) -> None:
        """As ``answer``, with what is read for this reader alone."""
        try:
            found = answers(self.product, UnparsedKeys(self.product, self.keys), strict=False)
        except Exception as error:  # noqa: BLE001 - Behind, or the database's
            self.error = error
        else:
            self.answer(found)

    def settle(self) -> None:
        """Give the reader what there is, unless it has been cancelled."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def body_at_hand(lookup: NearLookup, parameters: Parameters) -> bytes | None:
    """The stored JSON of a near entry that may be served as it is; None: ``read``.

    Raises:
        KeyParameterMismatch: the parameters do not fit.
    """
    if not own_async_writes.is_quiet(lookup.name):
        return None
    try:
        return lookup.find(parameters)
    except SynchronousOnlyOperation:  # this thread's own session would have to be asked
        return None


async def read(product: Product, keys: Iterable[str], finish: Finish, strict: bool = True) -> Any:
    """What ``finish`` makes of the answers for keys of one product.

    Args:
        strict: False to leave out what may not be primed instead of raising.

    Raises:
        NotPrimed: not stored, and may not be primed.
        whatever ``finish`` raises.
    """
    asked = list(keys)
    known = at_hand(product, asked)
    if known is not None:
        return finish(known)
    loop = asyncio.get_running_loop()
    wanted = _Wanted(product, asked, finish, strict, loop.create_future())
    _Turn.join(loop, wanted)
    return await wanted.future


class _Turn:
    """The reads of one turn of a loop and of one context."""

    def __init__(self, loop: asyncio.AbstractEventLoop, context: Context) -> None:
        self._loop = loop
        self._context = context
        self._wanted: list[_Wanted] = []
        self._task: asyncio.Task[None] | None = None  # so that it is not lost while it runs

    @classmethod
    def join(cls, loop: asyncio.AbstractEventLoop, wanted: _Wanted) -> None:
        """Take part in a turn that has not begun to load, or begin one."""
        context, waiting = copy_context(), _waiting.setdefault(loop, [])
        turn = next((other for other in waiting if _is_same(other._context, context)), None)
        if turn is None:
            turn = cls(loop, context)
            waiting.append(turn)
            loop.call_soon(turn._load)
        turn._wanted.append(wanted)

    def _load(self) -> None:
        _waiting[self._loop].remove(self)
        wanted = [one for one in self._wanted if not one.future.done()]  # else it was cancelled
        if wanted:
            self._task = self._loop.create_task(self._loaded(wanted), context=self._context)
            _running.add(self._task)
            self._task.add_done_callback(_running.discard)

    async def _loaded(self, wanted: list[_Wanted]) -> None:
        before = own_async_writes.count()
        try:
            quiet = await sync_to_async(_load)(wanted)
        except BaseException as error:
            for one in wanted:
                one.error = error if isinstance(error, Exception) else asyncio.CancelledError()
            if not isinstance(error, Exception):
                raise
        else:
            own_async_writes.settle(quiet, before)
        finally:
            for one in wanted:
                one.settle()


def _is_same(one: Context, other: Context) -> bool:
    """Whether two contexts hold the same objects; equal ones may be two, or not comparable."""
    nothing = object()
    return len(one) == len(other) and all(
        other.get(variable, nothing) is value for variable, value in one.items()
    )


def _load(wanted: Sequence[_Wanted]) -> list[str]:
    """Answer some reads, in Django's thread; the products of which its session wrote nothing."""
    products = {one.product.name: one.product for one in wanted}
    keys: dict[str, dict[str, None]] = {name: {} for name in products}
    for one in wanted:
        keys[one.product.name].update(dict.fromkeys(one.keys))
    ask = ahead_of(keys, ()) if len(keys) > 1 else None
    for name, product in products.items():
        mine = [one for one in wanted if one.product is product]
        try:
            found = answers(product, UnparsedKeys(product, keys[name]), strict=False, ask=ask)
        except Exception:  # noqa: BLE001 - of one of them (it is behind): no other one fails by it
            for one in mine:
                one.answer_alone()
        else:
            for one in mine:
                one.answer(found)
    return [name for name in products if name in own_session_writes.here.quiet]


_waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, list[_Turn]] = WeakKeyDictionary()
_running: set[asyncio.Task[None]] = set()
