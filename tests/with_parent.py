"""A server that a test starts ends when the test's process does, SIGKILL included."""

from __future__ import annotations

import sys

_LAUNCH = (
    "from tests.soak.children import die_with_parent; import os, sys; "
    "die_with_parent(); os.execvp(sys.argv[1], sys.argv[1:])"
)


def with_parent(*command: str) -> list[str]:
    """The command, started through a Python that asks the kernel for it and then becomes it."""
    return [sys.executable, "-c", _LAUNCH, *command]
