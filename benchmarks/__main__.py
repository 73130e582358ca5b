"""All benchmarks, one after the other, or those that are named: ``python -m benchmarks read``."""

from __future__ import annotations

import subprocess
import sys

ALL = ["read", "push", "write", "drain", "doorbell", "scale", "horizon", "herd", "augment", "huge"]


def main() -> int:
    """Run each in a process of its own; the number of those that failed to run."""
    names = sys.argv[1:] or ALL
    if unknown := set(names) - set(ALL):
        print(f"There is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(ALL)}.")
        return 2
    return sum(
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode != 0
        for name in names
    )


if __name__ == "__main__":
    sys.exit(main())
