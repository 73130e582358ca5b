"""DataFetcher: many small questions become few large ones, each asked once a request.

A subclass says how many keys are loaded in one go; ``model_fetchers`` has the common ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

from ..exceptions import MissingRequestContext
from ..public_names import public_in
from . import context as request_context
from .async_batches import Key, Values
from .batch_loader import BatchLoader


@public_in("kck_publish.request")
class DataFetcher(BatchLoader):
    """Loads values by key in batches; within a request each key once.

    Write ``batch_load(self, keys)``, which returns a list with a value for each key, or
    ``batch_load_dict(self, keys)``, which returns a dict and may leave keys out (None). Either may
    be ``async def``; then only the methods that begin with ``a`` can be used. Keys arrive in the
    order in which they were asked for, each once.

    In a request the values belong to the request, not to the instance, and are forgotten when it
    writes (as far as ``forgets_writes``) or calls ``clear_request_caches()``. Outside one they
    belong to the instance, and ``get_instance()`` gives a new one each time.

    Attributes:
        max_batch_size: how many keys ``batch_load`` is given at most.
        forgets_writes: whether a write of the request makes it load again; False for values that
            do not come from the database.
    """

    forgets_writes: ClassVar[bool] = True

    def __init__(self) -> None:
        self._alone = Values()

    @classmethod
    def get_instance(cls, raise_on_no_context: bool = False) -> Self:
        """The request's instance; outside a request a new one.

        Raises:
            MissingRequestContext: outside a request, when asked to.
        """
        context = request_context.current()
        if context is None:
            if raise_on_no_context:
                raise MissingRequestContext(f"The instance of {cls.__qualname__}")
            return cls()
        instance: Self = context.kept.setdefault(("instance", cls), cls())
        return instance

    # What a user writes

    def clean_key(self, key: Any) -> Any:
        """The one form of a key, so that ``1`` and ``"1"`` are asked for once. As it is here."""
        return key

    def give(self, value: Any) -> Any:
        """The caller's own form of a kept value: the value itself, or a copy."""
        return value

    # What a user calls

    def get(self, key: Any) -> Any:
        """The value of a key; None where there is none. Raises what loading it raised."""
        return self.get_many([key])[0]

    def get_many(self, keys: Iterable[Any]) -> list[Any]:
        """The values of several keys, as asked, by as few batches as can be."""
        cleaned = [self.clean_key(key) for key in keys]
        known = self._find(cleaned)
        return [self.give(known[key]) for key in cleaned]

    def get_many_as_dict(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """The values by the keys, as they were asked for."""
        asked = list(keys)
        return dict(zip(asked, self.get_many(asked), strict=True))

    def prefetch_keys(self, keys: Iterable[Any]) -> None:
        """Load what is not known yet, for reads to come."""
        self._find([self.clean_key(key) for key in keys])

    def prime(self, key: Any, value: Any) -> None:
        """Say what the value of a key is; it is not loaded until the caches are cleared."""
        values = self.values()
        key = self.clean_key(key)
        values.primed[key] = value
        values.queue.pop(key, None)

    def enqueue_keys(self, keys: Iterable[Any]) -> None:
        """Have these loaded with the next batch, whoever asks for it, or by ``fetch_queued``."""
        values = self.values()
        for key in map(self.clean_key, keys):
            if not values.has(key):
                values.queue[key] = None

    def fetch_queued(self) -> None:
        """Load what is queued, now."""
        self._find([], flush=True)

    def get_lazy(self, key: Any) -> LazyFetchedValue:
        """A value that is loaded when its ``get()`` is called, with all others that wait."""
        self.enqueue_keys([key])
        return LazyFetchedValue(self, self.clean_key(key))

    def get_many_lazy(self, keys: Iterable[Any]) -> LazyFetchedValues:
        """A lazy value for each key; its own ``get()`` gives all values."""
        return LazyFetchedValues(self.get_lazy(key) for key in keys)

    async def aget(self, key: Any) -> Any:
        """``get`` for asynchronous code: what one turn of the event loop asks for is one batch."""
        (value,) = await self.aget_many([key])
        return value

    async def aget_many(self, keys: Iterable[Any]) -> list[Any]:
        """``get_many`` for asynchronous code, in the batch of the same turn."""
        cleaned = [self.clean_key(key) for key in keys]
        values = self.values()
        known = {key: values.get(key) for key in cleaned if values.has(key)}
        missing = [key for key in dict.fromkeys(cleaned) if key not in known]
        futures = [values.join(self, key) for key in missing]
        known |= zip(missing, await asyncio.gather(*futures), strict=True)
        return [self.give(known[key]) for key in cleaned]

    # How it is done

    def values(self) -> Values:
        """The known values: of this request, or outside a request of this instance."""
        context = request_context.current()
        if context is None:
            return self._alone
        values: Values = context.kept.setdefault(("values", type(self)), Values())
        if self.forgets_writes:
            values.follow(context.ticket())
        return values

    def _find(self, keys: Sequence[Key], flush: bool = False) -> dict[Key, Any]:
        """What is known of these, and what is not: loaded in one batch with all that is queued."""
        values = self.values()
        wanted: list[Key] = []
        if flush or not all(map(values.has, keys)):
            wanted = [key for key in {**values.queue, **dict.fromkeys(keys)} if not values.has(key)]
            values.queue.clear()
        known = {key: values.get(key) for key in dict.fromkeys(keys) if values.has(key)}
        if wanted:
            ticket = values.ticket
            loaded = self._load(wanted)
            if self.values() is values:
                values.keep(ticket, loaded.values)
            known |= loaded.values
            # Whoever asked for a key gets its error; of keys that only wait, they ask themselves.
            for key in keys:
                if key in loaded.errors:
                    raise loaded.errors[key]
        return known


@public_in("kck_publish.request")
class LazyFetchedValue:
    """A value that is loaded once it is needed, together with all that wait by then."""

    def __init__(self, fetcher: DataFetcher, key: Key) -> None:
        self._fetcher = fetcher
        self._key = key

    def get(self) -> Any:
        """The value. The first one asked for loads all that wait, in one batch."""
        fetcher, key = self._fetcher, self._key
        return fetcher.give(fetcher._find([key])[key])


@public_in("kck_publish.request")
class LazyFetchedValues(list[LazyFetchedValue]):
    """Lazy values, as they were asked for."""

    def get(self) -> list[Any]:
        """All the values, in one batch with all that wait by then."""
        return [value.get() for value in self]
