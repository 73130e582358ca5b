"""The near stores' files that this process has open, by path.

LMDB forbids a process to open a file twice, so a follower lends what it has opened for writing to
the readers of its own process. Nothing may be open when a process forks.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .reader import NearReader

#: The readers of this process.
readers: dict[str, NearReader] = {}
#: What the follower of this process has opened for writing; None while it has closed it.
lent: dict[str, Any] = {}
#: Whether a fork is on its way: no reader opens its file.
forking = False


def lend(path: str, env: Any) -> None:
    """Have the readers of this process read in this environment; None: not at all."""
    lent.setdefault(path, None)
    if path in readers:
        readers[path].close()
    lent[path] = env


def take_back(path: str) -> None:
    """This process follows no more: its readers open the file themselves."""
    lend(path, None)
    lent.pop(path, None)


def _before_fork() -> None:
    global forking
    forking = True
    for reader in readers.values():
        reader.close()


def _after_fork() -> None:
    global forking
    forking = False


def _after_fork_in_child() -> None:
    _after_fork()
    readers.clear()  # a lock may have been held by a thread that is not here


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child
)
