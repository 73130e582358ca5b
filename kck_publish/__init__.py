"""Data products for Django on PostgreSQL, kept true by pushing.

The public names, loaded when first used: a model's module cannot be imported before Django's
app registry is ready, and settings may import this package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .aggregates import Aggregate as Aggregate
    from .aggregates import AggregatePrimer as AggregatePrimer
    from .aggregates import Average as Average
    from .aggregates import Count as Count
    from .aggregates import Histogram as Histogram
    from .aggregates import Max as Max
    from .aggregates import Min as Min
    from .aggregates import Ordered as Ordered
    from .aggregates import Set as Set
    from .aggregates import Sum as Sum
    from .aggregates import Top as Top
    from .capture.suppress import origin as origin
    from .capture.suppress import suppress as suppress
    from .capture.suppress import unsuppress as unsuppress
    from .exceptions import BatchMismatch as BatchMismatch
    from .exceptions import Behind as Behind
    from .exceptions import ComputeTimeout as ComputeTimeout
    from .exceptions import ConfigurationError as ConfigurationError
    from .exceptions import ConnectionLost as ConnectionLost
    from .exceptions import ConnectRefused as ConnectRefused
    from .exceptions import DependencyCycle as DependencyCycle
    from .exceptions import DuplicateProduct as DuplicateProduct
    from .exceptions import Fenced as Fenced
    from .exceptions import FetcherError as FetcherError
    from .exceptions import FetchFailed as FetchFailed
    from .exceptions import Forgotten as Forgotten
    from .exceptions import InvalidPrimer as InvalidPrimer
    from .exceptions import KckPublishError as KckPublishError
    from .exceptions import KeyParameterMismatch as KeyParameterMismatch
    from .exceptions import MissingProduct as MissingProduct
    from .exceptions import MissingRequestContext as MissingRequestContext
    from .exceptions import NoBatchLoad as NoBatchLoad
    from .exceptions import NotPrimed as NotPrimed
    from .exceptions import Reprime as Reprime
    from .exceptions import RequestNeeded as RequestNeeded
    from .exceptions import ShardOccupied as ShardOccupied
    from .exceptions import StoreMissing as StoreMissing
    from .exceptions import StoreUnreachable as StoreUnreachable
    from .exceptions import TooLarge as TooLarge
    from .exceptions import UndeclaredLookup as UndeclaredLookup
    from .exceptions import UndeclaredRead as UndeclaredRead
    from .exceptions import UndeclaredReadWarning as UndeclaredReadWarning
    from .exceptions import Undecodable as Undecodable
    from .exceptions import UnknownDeclaration as UnknownDeclaration
    from .exceptions import UnknownProduct as UnknownProduct
    from .exceptions import UnreadableValue as UnreadableValue
    from .exceptions import Unserializable as Unserializable
    from .exceptions import UntrustedNearFile as UntrustedNearFile
    from .exceptions import VersionMismatch as VersionMismatch
    from .following.follower import Follower as Follower
    from .following.stored_products import StoredProduct as StoredProduct
    from .primers.base import Primer as Primer
    from .primers.fetching import UNCHANGED as UNCHANGED
    from .primers.fetching import Fetched as Fetched
    from .primers.file_source import FileSource as FileSource
    from .primers.fragment import FragmentPrimer as FragmentPrimer
    from .primers.function import primer as primer
    from .primers.http_source import HttpSource as HttpSource
    from .primers.remote import RemotePrimer as RemotePrimer
    from .products.depends import ALL as ALL
    from .products.depends import Change as Change
    from .products.depends import Depends as Depends
    from .products.parameters import BooleanParameter as BooleanParameter
    from .products.parameters import DateParameter as DateParameter
    from .products.parameters import DateTimeParameter as DateTimeParameter
    from .products.parameters import IntegerParameter as IntegerParameter
    from .products.parameters import Parameter as Parameter
    from .products.parameters import StringParameter as StringParameter
    from .products.parameters import UUIDParameter as UUIDParameter
    from .products.rights import Public as Public
    from .querysets.primer import QuerySetPrimer as QuerySetPrimer
    from .reading.cache import Cache as Cache
    from .reading.values import Entry as Entry
    from .retry_policy import Retry as Retry
    from .rows.cached_method import cached_method as cached_method
    from .rows.methods import denormalized_field as denormalized_field
    from .rows.model import CacheModel as CacheModel
    from .rows.table import CachedTable as CachedTable
    from .views import ProductView as ProductView

__version__ = "0.2.0"

_NAMES = {
    "Follower": "following.follower",
    "StoredProduct": "following.stored_products",
    "Cache": "reading.cache",
    "Entry": "reading.values",
    "CachedTable": "rows.table",
    "ALL": "products.depends",
    "Change": "products.depends",
    "Depends": "products.depends",
    "UNCHANGED": "primers.fetching",
    "Fetched": "primers.fetching",
    "FileSource": "primers.file_source",
    "HttpSource": "primers.http_source",
    "FragmentPrimer": "primers.fragment",
    "BooleanParameter": "products.parameters",
    "DateParameter": "products.parameters",
    "DateTimeParameter": "products.parameters",
    "IntegerParameter": "products.parameters",
    "Parameter": "products.parameters",
    "StringParameter": "products.parameters",
    "UUIDParameter": "products.parameters",
    "Public": "products.rights",
    "CacheModel": "rows.model",
    "cached_method": "rows.cached_method",
    "denormalized_field": "rows.methods",
    "Primer": "primers.base",
    "primer": "primers.function",
    "RemotePrimer": "primers.remote",
    "QuerySetPrimer": "querysets.primer",
    **dict.fromkeys(
        [
            "Aggregate",
            "AggregatePrimer",
            "Average",
            "Count",
            "Histogram",
            "Max",
            "Min",
            "Ordered",
            "Set",
            "Sum",
            "Top",
        ],
        "aggregates",
    ),
    "Retry": "retry_policy",
    "origin": "capture.suppress",
    "suppress": "capture.suppress",
    "unsuppress": "capture.suppress",
    "ProductView": "views",
    **dict.fromkeys(
        [
            "BatchMismatch",
            "Behind",
            "ComputeTimeout",
            "ConnectRefused",
            "ConnectionLost",
            "ConfigurationError",
            "DependencyCycle",
            "DuplicateProduct",
            "Fenced",
            "FetchFailed",
            "FetcherError",
            "Forgotten",
            "InvalidPrimer",
            "KckPublishError",
            "KeyParameterMismatch",
            "MissingProduct",
            "MissingRequestContext",
            "NoBatchLoad",
            "NotPrimed",
            "Reprime",
            "RequestNeeded",
            "ShardOccupied",
            "StoreMissing",
            "StoreUnreachable",
            "TooLarge",
            "UndeclaredLookup",
            "UndeclaredRead",
            "UndeclaredReadWarning",
            "Undecodable",
            "UnknownDeclaration",
            "UnknownProduct",
            "UnreadableValue",
            "Unserializable",
            "UntrustedNearFile",
            "VersionMismatch",
        ],
        "exceptions",
    ),
}


__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    thing = getattr(import_module(f".{_NAMES[name]}", __name__), name)
    globals()[name] = thing
    return thing


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})
