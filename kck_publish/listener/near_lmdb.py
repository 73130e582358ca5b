"""The parts of the near store that need py-lmdb, which only the hosts of a near store have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..exceptions import ConfigurationError

if TYPE_CHECKING:
    from ..stores.near.writer import NearFile


def file_class() -> type[NearFile]:
    """The class of the file. Raises ConfigurationError where py-lmdb is missing."""
    try:
        from ..stores.near.writer import NearFile
    except ImportError:
        raise ConfigurationError(
            "KCK_PUBLISH['NEAR'] needs py-lmdb: pip install 'kck_publish[near]'."
        ) from None
    return NearFile


def error_class() -> type[Exception]:
    """The base of the errors that a write to the file raises."""
    import lmdb

    return lmdb.Error
