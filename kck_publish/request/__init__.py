"""In a request: the middleware, the current request, functions kept for it, and the fetchers.

The public names of the room. In: Django's requests and responses, and the reads of ``reading``.
Out: what a view may ask for while a request is answered (``context`` holds it). The room must not
know how a value is computed, stored or refreshed.
"""

from __future__ import annotations

from .cached_functions import cache_within_request
from .context import GlobalRequest, clear_request_caches, get_request
from .fetcher import DataFetcher, LazyFetchedValue, LazyFetchedValues
from .middleware import GlobalRequestMiddleware
from .model_fetchers import (
    AbstractChildModelByAttrFetcher,
    AbstractModelByIdFetcher,
    PrimaryKeyFetcherFactory,
    ValueBoundDataFetcher,
)
from .own_writes_cookies import ReadYourWritesMiddleware

__all__ = [
    "AbstractChildModelByAttrFetcher",
    "AbstractModelByIdFetcher",
    "DataFetcher",
    "GlobalRequest",
    "GlobalRequestMiddleware",
    "LazyFetchedValue",
    "LazyFetchedValues",
    "PrimaryKeyFetcherFactory",
    "ReadYourWritesMiddleware",
    "ValueBoundDataFetcher",
    "cache_within_request",
    "clear_request_caches",
    "get_request",
]
