"""Stands still in the middle of reading the near store, so that its old pages cannot be used again.

python -m tests.soak.holder PATH
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress

import lmdb

from tests.soak.children import die_with_parent


def main() -> None:
    """The process; it is killed."""
    die_with_parent()
    while True:
        with suppress(lmdb.Error, OSError):  # not there just now, or damaged
            env = lmdb.open(
                sys.argv[1], subdir=False, readonly=True, create=False, map_size=0, max_readers=2048
            )
            txn = env.begin()
            txn.get(b"\0owner")
            print("holds", flush=True)
            time.sleep(3600)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
