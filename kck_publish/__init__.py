"""Data products for Django on PostgreSQL, kept true by pushing.

The public names, loaded when first used: a model's module cannot be imported before Django's
app registry is ready, and settings may import this package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cache import Cache as Cache
    from .cache import Entry as Entry
    from .cached_tables import CachedTable as CachedTable
    from .dependencies import ALL as ALL
    from .dependencies import Change as Change
    from .dependencies import Depends as Depends
    from .exceptions import Behind as Behind
    from .exceptions import CaptureMissing as CaptureMissing
    from .exceptions import ComputeTimeout as ComputeTimeout
    from .exceptions import ConfigurationError as ConfigurationError
    from .exceptions import DependencyCycle as DependencyCycle
    from .exceptions import DuplicateProduct as DuplicateProduct
    from .exceptions import Fenced as Fenced
    from .exceptions import FetchFailed as FetchFailed
    from .exceptions import InvalidPrimer as InvalidPrimer
    from .exceptions import KckPublishError as KckPublishError
    from .exceptions import KeyParameterMismatch as KeyParameterMismatch
    from .exceptions import MissingProduct as MissingProduct
    from .exceptions import NotPrimed as NotPrimed
    from .exceptions import Reprime as Reprime
    from .exceptions import RequestNeeded as RequestNeeded
    from .exceptions import StoreMissing as StoreMissing
    from .exceptions import StoreUnreachable as StoreUnreachable
    from .exceptions import TooLarge as TooLarge
    from .exceptions import UndeclaredLookup as UndeclaredLookup
    from .exceptions import UndeclaredRead as UndeclaredRead
    from .exceptions import UndeclaredReadWarning as UndeclaredReadWarning
    from .exceptions import Undecodable as Undecodable
    from .exceptions import UnknownProduct as UnknownProduct
    from .exceptions import Unserializable as Unserializable
    from .exceptions import VersionMismatch as VersionMismatch
    from .fetching import UNCHANGED as UNCHANGED
    from .fetching import Fetched as Fetched
    from .fetching import FileSource as FileSource
    from .fetching import HttpSource as HttpSource
    from .fragments import FragmentPrimer as FragmentPrimer
    from .keys import BooleanParameter as BooleanParameter
    from .keys import DateParameter as DateParameter
    from .keys import DateTimeParameter as DateTimeParameter
    from .keys import IntegerParameter as IntegerParameter
    from .keys import Parameter as Parameter
    from .keys import StringParameter as StringParameter
    from .keys import UUIDParameter as UUIDParameter
    from .methods import cached_method as cached_method
    from .methods import denormalized_field as denormalized_field
    from .models import CacheModel as CacheModel
    from .primers import Primer as Primer
    from .primers import primer as primer
    from .remote import RemotePrimer as RemotePrimer
    from .retry import Retry as Retry
    from .steering import origin as origin
    from .steering import suppress as suppress
    from .steering import unsuppress as unsuppress
    from .views import ProductView as ProductView

__version__ = "0.1.0"

_NAMES = {
    "Cache": "cache",
    "Entry": "cache",
    "CachedTable": "cached_tables",
    "ALL": "dependencies",
    "Change": "dependencies",
    "Depends": "dependencies",
    "UNCHANGED": "fetching",
    "Fetched": "fetching",
    "FileSource": "fetching",
    "HttpSource": "fetching",
    "FragmentPrimer": "fragments",
    "BooleanParameter": "keys",
    "DateParameter": "keys",
    "DateTimeParameter": "keys",
    "IntegerParameter": "keys",
    "Parameter": "keys",
    "StringParameter": "keys",
    "UUIDParameter": "keys",
    "CacheModel": "models",
    "cached_method": "methods",
    "denormalized_field": "methods",
    "Primer": "primers",
    "primer": "primers",
    "RemotePrimer": "remote",
    "Retry": "retry",
    "origin": "steering",
    "suppress": "steering",
    "unsuppress": "steering",
    "ProductView": "views",
}


__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        found = getattr(import_module(f".{_NAMES[name]}", __name__), name)
    elif not name.startswith("_") and hasattr(
        errors := import_module(".exceptions", __name__), name
    ):
        found = getattr(errors, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    errors = [name for name in vars(import_module(".exceptions", __name__)) if name[0].isupper()]
    return sorted({*globals(), *_NAMES, *errors})
