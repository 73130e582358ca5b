"""``.cached.watch``: the values of one key as they come, without asking.

What follows the store stands above the read path (``contrib.live``); it is passed in when Django
starts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from ..exceptions import ConfigurationError
from ..products.product import Product

# The stored bytes of a key, with their shape: now, and each time that they have changed.
Watch = Callable[[Product, str], AsyncIterator[tuple[bytes, bytes | None]]]

_watch: list[Watch] = []


def connect(watch: Watch) -> None:
    """What follows the store for those who watch."""
    _watch[:] = [watch]


def bodies(product: Product, key: str) -> AsyncIterator[tuple[bytes, bytes | None]]:
    """The stored bytes of a key as they come.

    Raises:
        ObjectDoesNotExist, MultipleObjectsReturned: there is no such value, or not any more.
        ConfigurationError: Django has not started the library.
    """
    if not _watch:
        raise ConfigurationError("'kck_publish' is not in INSTALLED_APPS.")
    return _watch[0](product, key)
