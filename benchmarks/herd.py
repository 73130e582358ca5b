"""A herd: 50 threads in each of 3 processes miss one cold, slow key. How many computes?

Counted by ``tests/acceptance/test_herd.py``, which is run here as it is: the figure is no time.
"""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.figures import target

TEST = "tests/acceptance/test_herd.py"


def main() -> None:
    """Run it and print."""
    print("\n== herd: 150 readers miss one cold key that takes 0.5 s")
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", TEST], capture_output=True, check=False
    )
    met = done.returncode == 0
    print(f"   {'one compute, 150 equal answers' if met else done.stdout.decode()[-2000:]}")
    target("computes", "1", 1 if met else 0, f" in {time.perf_counter() - start:.1f} s", met)


if __name__ == "__main__":
    main()
