"""What a process does that becomes a service."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, os, signal
from django.conf import settings
settings.configure()
from kck_publish.following.process import keep_what_is_loaded, obey_signals
ended = []
assert not gc.get_freeze_count()
obey_signals(lambda: ended.append(True))
keep_what_is_loaded()
os.kill(os.getpid(), signal.SIGHUP)
assert not ended
os.kill(os.getpid(), signal.SIGTERM)
assert ended
print(gc.get_freeze_count())
"""


def test_what_it_has_loaded_is_not_looked_through_for_garbage() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10_000
