"""Runs a script as ``python`` would, and ends it when whoever started it ends, however that ends.

    python with_parent.py script.py argument ...

The starter holds the other end of our stdin and never writes into it. When it dies, SIGKILL
included, the kernel closes that end: a thread sees it, asks this process to stop (SIGTERM) and
ends it if it does not. Nothing of the project is imported here. Used by ``demo_processes``.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

GRACE_SECONDS = 5.0


def end_with_parent() -> None:
    """Wait for the end of stdin, then end this process."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def main() -> None:
    """Watch, and become the script."""
    threading.Thread(target=end_with_parent, name="with-parent", daemon=True).start()
    sys.argv = sys.argv[1:]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
