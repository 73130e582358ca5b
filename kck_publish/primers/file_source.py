"""FileSource: a file that a remote product is read from."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import clock
from ..exceptions import FetchFailed
from ..public_names import public_in
from .fetching import UNCHANGED, Fetched, Unchanged, check_limits, placeholders, read_limited

# Seconds for which a file that was just written may be written again under the same time: file
# systems count in some milliseconds, some in seconds.
_GRAIN = 2


@public_in("kck_publish")
@dataclass(frozen=True)
class FileSource:
    """A file that another program writes.

    Args:
        path: ``{parameter}`` in it is filled with the key's parameter, which may name no folder.
        max_bytes: a longer file is a failure.

    Raises:
        InvalidPrimer: for a limit that is not positive.
    """

    path: str | os.PathLike[str]
    max_bytes: int = 10_000_000

    def __post_init__(self) -> None:
        check_limits("FileSource", 1, self.max_bytes)
        placeholders(os.fspath(self.path))

    @property
    def names(self) -> set[str]:
        """The parameters that fill the path."""
        return placeholders(os.fspath(self.path))

    def fetch(
        self, state: Mapping[str, Any], parameters: Mapping[str, str]
    ) -> Fetched[bytes] | Unchanged:
        """Read it, unless its times, size and place are those of the last time.

        Raises:
            FetchFailed: it cannot be read, is too long or no file, or a parameter names a folder.
        """
        for value in parameters.values():
            if value in ("", ".", "..") or any(character in value for character in "/\\\0"):
                raise FetchFailed("a file", "a parameter that is no part of a file's name")
        path = Path(os.fspath(self.path).format_map(dict(parameters)))
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
                raise FetchFailed(path.name, "not a file")
            with path.open("rb") as file:
                now = _state(os.fstat(file.fileno()))
                if now and state == now:
                    return UNCHANGED
                return Fetched(read_limited(file, self.max_bytes, path.name), now)
        except OSError as error:
            raise FetchFailed(path.name, type(error).__name__) from None


def _state(status: os.stat_result) -> dict[str, int]:
    """What tells a file from what it will be; {} while it may be written within the same tick."""
    if status.st_ctime > clock.now().timestamp() - _GRAIN:
        return {}
    # Programs that copy files set mtime back; ctime nobody sets.
    return {
        "mtime": status.st_mtime_ns,
        "ctime": status.st_ctime_ns,
        "size": status.st_size,
        "inode": status.st_ino,
    }
