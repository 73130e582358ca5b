"""The Unix owner of the near store's files: another user of the host must not plant values in them.

A file is ours if it is a regular file, no link, of the user that this process runs as, and nobody
else may write it. In a folder where others may write, with the sticky bit, they cannot touch what
is ours; without it they could put another file in its place.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ...exceptions import UntrustedNearFile

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def require_own(path: str) -> None:
    """Refuse a file that may be somebody else's, or be replaced by somebody else.

    Raises:
        UntrustedNearFile: it may be.
        FileNotFoundError: there is none.
    """
    require_own_folder(path)
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode):
        raise UntrustedNearFile(path, "is no regular file")
    if status.st_uid != os.geteuid():
        raise UntrustedNearFile(path, f"belongs to user {status.st_uid}")
    if status.st_mode & _OTHERS:
        raise UntrustedNearFile(path, "may be written by others")


def require_own_folder(path: str) -> None:
    """Refuse a folder in which others can replace our file. Raises UntrustedNearFile."""
    folder = _folder(path)
    status = os.stat(folder)
    if status.st_uid not in (0, os.geteuid()):
        raise UntrustedNearFile(path, f"is in a folder of user {status.st_uid}")
    if status.st_mode & _OTHERS and not status.st_mode & stat.S_ISVTX:
        raise UntrustedNearFile(path, "is in a folder that others may write")


def others_may_write(path: str) -> bool:
    """Whether others may write in the folder of this file, sticky or not."""
    try:
        return bool(os.stat(_folder(path)).st_mode & _OTHERS)
    except OSError:
        return False


def _folder(path: str) -> Path:
    return Path(path).absolute().parent
