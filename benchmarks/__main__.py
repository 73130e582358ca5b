"""All benchmarks, one after the other, or those that are named: ``python -m benchmarks read``.

With ``--write`` what each printed goes into docs/benchmarks.md, and its picture beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks import documents

ALL = [
    *("read", "http", "push", "write", "drain", "growth"),
    *(
        "doorbell",
        "scale",
        "shards",
        "horizon",
        "herd",
        "augment",
        "querysets",
        "needless",
        "huge",
        "kafka",
        "live",
        "operating",
        "flames",
    ),
]


def main() -> int:
    """Run each in a process of its own; the number of those that failed to run."""
    write = "--write" in sys.argv
    names = [name for name in sys.argv[1:] if name != "--write"] or ALL
    if unknown := set(names) - set(ALL):
        print(f"There is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(ALL)}.")
        return 2
    return sum(not _run(name, write) for name in names)


def _run(name: str, write: bool) -> bool:
    pictures = {"KCK_BENCH_PICTURES": str(documents.PICTURES)} if write else {}
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", f"benchmarks.{name}"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | pictures,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    if process.wait() != 0:
        return False
    if write:
        documents.keep(name, "".join(lines))
    return True


if __name__ == "__main__":
    sys.exit(main())
