"""``python -m tests.soak``: takes the arguments, and runs."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from tests.soak.faults import KINDS, NEAR_KINDS
from tests.soak.run import Plan, run


def main() -> int:
    """The exit status: 0 when all was true, 1 when not, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--changes", type=int, default=20_000, help="changed rows, at the least")
    parser.add_argument("--seed", type=int, default=1, help="of all that is left to chance")
    parser.add_argument("--store", choices=["postgres", "redis"], default="postgres")
    parser.add_argument("--near", action="store_true", help="read through a near store")
    parser.add_argument(
        "--pgbouncer", action="store_true", help="all but listeners behind one, transaction mode"
    )
    parser.add_argument("--no-faults", action="store_true", help="let everybody live")
    parser.add_argument(
        "--only", action="append", choices=[*KINDS, *NEAR_KINDS], help="a kind of fault; again"
    )
    arguments = parser.parse_args()
    every = [*KINDS, *(NEAR_KINDS if arguments.near else ())]
    kinds = [] if arguments.no_faults else arguments.only or every
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    version = int(os.environ.get("KCK_TEST_POSTGRES", "18"))
    plan = Plan(
        arguments.changes,
        arguments.seed,
        arguments.store,
        arguments.near,
        kinds,
        version,
        arguments.pgbouncer,
    )
    try:
        return run(plan)
    except KeyboardInterrupt:
        print("Interrupted.", flush=True)
        return 130


if __name__ == "__main__":
    sys.exit(main())
