"""BatchLoader: the values of many keys, in batches by a method that the user writes.

``fetcher`` keeps what is loaded; this module keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from inspect import iscoroutinefunction
from typing import Any, ClassVar

from asgiref.sync import sync_to_async
from django.db import DatabaseError

from ..exceptions import BatchMismatch, FetcherError, NoBatchLoad
from .async_batches import Key, Loaded


class BatchLoader:
    """Loads by ``batch_load`` or ``batch_load_dict``, whichever a subclass has."""

    max_batch_size: ClassVar[int] = 1000

    def batch_load(self, keys: Any) -> Any:
        """A value for each key, in their order; None where there is nothing."""
        raise NoBatchLoad(type(self))

    def batch_load_dict(self, keys: Any) -> Any:
        """The values by key; a key that is left out has None."""
        raise NoBatchLoad(type(self))

    def _load(self, keys: Sequence[Key]) -> Loaded:
        """Load in batches. When one fails, one by one: so that a bad key fails alone."""
        loaded = Loaded()
        for batch in self._batches(keys):
            try:
                loaded.values |= self._pairs(batch, self._loader()(batch))
            except Exception as error:
                if len(batch) > 1 and _concerns_a_key(error):
                    for key in batch:
                        self._load_one(key, loaded)
                elif len(keys) > 1 and _concerns_a_key(error):
                    loaded.errors[batch[0]] = error
                else:
                    raise
        return loaded

    def _load_one(self, key: Key, loaded: Loaded) -> None:
        try:
            loaded.values |= self._pairs([key], self._loader()([key]))
        except Exception as error:
            if not _concerns_a_key(error):
                raise
            loaded.errors[key] = error

    async def aload(self, keys: Sequence[Key]) -> Loaded:
        """Load in batches, from asynchronous code."""
        loader = self._method()
        if not iscoroutinefunction(loader):
            return await sync_to_async(self._load)(keys)
        loaded = Loaded()
        for batch in self._batches(keys):
            try:
                loaded.values |= self._pairs(batch, await loader(batch))
            except Exception as error:
                if not _concerns_a_key(error) or len(keys) == 1:
                    raise
                for key in batch:
                    try:
                        loaded.values |= self._pairs([key], await loader([key]))
                    except Exception as alone:  # noqa: BLE001 - raised to whoever asked for it
                        loaded.errors[key] = alone
        return loaded

    def _batches(self, keys: Sequence[Key]) -> Iterator[list[Key]]:
        for start in range(0, len(keys), self.max_batch_size):
            yield list(keys[start : start + self.max_batch_size])

    def _method(self) -> Callable[[list[Key]], Any]:
        if type(self).batch_load is not BatchLoader.batch_load:
            return self.batch_load
        return self.batch_load_dict

    def _loader(self) -> Callable[[list[Key]], Any]:
        method = self._method()
        if iscoroutinefunction(method):
            raise FetcherError(
                f"{type(self).__qualname__} loads asynchronously: await aget() or aget_many()."
            )
        return method

    def _pairs(self, keys: list[Key], result: Any) -> dict[Key, Any]:
        if self._method() == self.batch_load_dict:
            if not isinstance(result, Mapping):
                kind = type(result).__name__
                raise BatchMismatch(type(self), f"batch_load_dict returned {kind}, not a dict")
            return {key: result.get(key) for key in keys}
        if isinstance(result, Mapping | str | bytes) or not isinstance(result, Iterable):
            kind = type(result).__name__
            raise BatchMismatch(type(self), f"batch_load returned {kind}, not a list")
        values = list(result)
        if len(values) != len(keys):
            raise BatchMismatch(
                type(self), f"batch_load was given {len(keys)} keys and returned {len(values)}"
            )
        return dict(zip(keys, values, strict=True))


def _concerns_a_key(error: Exception) -> bool:
    """Whether loading the keys one by one may help: not when the database, or the class, fails."""
    return not isinstance(error, DatabaseError | FetcherError)
