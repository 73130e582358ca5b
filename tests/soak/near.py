"""The soak's near store: how it is harmed, who follows for it, and what it holds.

This process reads it at quiet points only, and closes it before anybody cuts it short: to read
pages that are not there any more ends a process, and LMDB can do nothing about that.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import DatabaseError, connections

if TYPE_CHECKING:
    from kck_publish.stores import Stored

# How a process falls that reads a file which is not what it was, and for how long it may.
FALLS = {-signal.SIGBUS, -signal.SIGSEGV, -signal.SIGABRT}
FALLING = 20.0
_PAGE = 4096


@dataclass
class Near:
    """The file, and what stands beside it.

    Attributes:
        harmed: when pages of it were last spoiled under those who read it.
    """

    path: Path
    harmed: float = float("-inf")

    @property
    def may_fall(self) -> bool:
        """Whether a process may just now end by what was done to the file."""
        return time.monotonic() < self.harmed + FALLING

    def follower(self) -> int:
        """The process that follows; 0 when none does."""
        with suppress(FileNotFoundError):
            inode = f":{os.stat(f'{self.path}-follower').st_ino}"
            for line in Path("/proc/locks").read_text().splitlines():
                fields = line.split()
                if fields[1] == "FLOCK" and fields[5].endswith(inode):
                    return int(fields[4])
        return 0

    def cut_short(self) -> None:
        """The pages of the tree are gone, or some of them."""
        self.harmed = time.monotonic()
        with suppress(FileNotFoundError):
            os.truncate(self.path, max(2 * _PAGE, self.path.stat().st_size // 2))

    def damage(self) -> None:
        """All pages but the first two are something else."""
        self.harmed = time.monotonic()
        with suppress(FileNotFoundError), self.path.open("r+b") as file:
            size = self.path.stat().st_size
            file.seek(2 * _PAGE)
            file.write(b"\xff" * max(0, size - 2 * _PAGE))

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)

    def replace(self, chance: random.Random) -> None:
        """Somebody else's file is there."""
        other = self.path.with_name("other")
        other.write_bytes(chance.randbytes(8 * _PAGE))
        other.rename(self.path)

    def close_door(self) -> None:
        self.path.with_name(f"{self.path.name}-ask").unlink(missing_ok=True)

    def is_followed(self) -> bool:
        """Whether who reads here now sees all that is stored."""
        from kck_publish.log.snapshot import take
        from kck_publish.stores.near import reader as near_reader

        reader = near_reader.reader(str(self.path))
        try:
            with connections["default"].cursor() as cursor:
                now = take(cursor)
        except DatabaseError:
            connections["default"].close()
            return False
        return reader._done() is not None and reader.includes(now)

    def held(self) -> Iterator[Stored]:
        """All entries. To be closed afterwards."""
        from kck_publish.stores.near import reader as near_reader

        reader = near_reader.reader(str(self.path))
        with reader._env.begin() as txn:
            names = [bytes(name) for name, _ in txn.cursor()]
        for name in names:
            # Not the records of the file itself, digested names, and bodies.
            if not name.startswith((b"\0", b"\1")) and not name.endswith(b"\0"):
                entry = reader.get(*name.decode().rsplit("\0", 1))
                if entry is not None:
                    yield entry

    def close(self) -> None:
        """Read no more for now."""
        from kck_publish.stores.near import reader as near_reader

        near_reader.reader(str(self.path)).close()
