"""A near store for the benchmarks, with a listener that follows for it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from benchmarks.world import listening


@contextmanager
def near_store() -> Iterator[str | None]:
    """Its path; None, and a line that says so, where there is none to be had."""
    if find_spec("kck_publish.stores.near") is None or find_spec("lmdb") is None:
        print("   left out: kck_publish over the near store, which is not in this tree")
        yield None
        return
    folder = tempfile.mkdtemp(prefix="kck-bench-")
    path = str(Path(folder, "near"))
    try:
        os.environ["KCK_BENCH_NEAR"] = path
        with listening():
            del os.environ["KCK_BENCH_NEAR"]
            yield path
    finally:
        os.environ.pop("KCK_BENCH_NEAR", None)
        shutil.rmtree(folder, ignore_errors=True)
