"""The auditor in the background: a listener recomputes a few keys now and then. Off by default.

It judges as ``kck_verify`` does: a difference counts only when it outlives the catch-up of all that
was committed before the look. It runs in a thread with a connection of its own, because it waits
for the very listener that it runs in; the batches go on meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time

from django.db import Error, connections

from .. import signals
from ..conf import settings
from ..log import refreshes
from ..products import registry
from ..refresh.errors import describe
from .verify import Report, audit_some

logger = logging.getLogger(__name__)

# Seconds from one sample to the next, at the least; and how long a sample waits for the listener.
PERIOD, PATIENCE = 1.0, 5.0
# How long the end of the thread is waited for, in seconds.
_FAREWELL = 5.0


class Auditing(threading.Thread):
    """Compares samples until told to stop."""

    def __init__(self) -> None:
        super().__init__(name="kck_publish-audit", daemon=True)
        self.compared = 0
        self.differing = 0
        self._stopped = threading.Event()
        self._failed = False

    def stop(self) -> None:
        """End it, in the midst of a sample's computes if these take long."""
        self._stopped.set()
        self.join(_FAREWELL)

    def run(self) -> None:
        """Sample, at the rate of the setting AUDIT."""
        while not self._stopped.is_set():
            rate = settings.AUDIT or 1
            keys = max(1, round(rate * PERIOD / 60))
            start = time.monotonic()
            try:
                self._sample(keys)
                self._failed = False
            except Error as error:  # the listener says so, and connects again
                self._complain(error)
            except Exception as error:  # noqa: BLE001 - an audit never ends the listener
                self._complain(error)
            finally:
                connections[settings.DATABASE].close()
            # As long a pause as the rate asks for, and never more than half of the time at work.
            took = time.monotonic() - start
            self._stopped.wait(max(keys * 60 / rate - took, took))

    def _sample(self, keys: int) -> None:
        report = audit_some(keys, PATIENCE)
        self.compared += report.compared
        self._tell(report)

    def _tell(self, report: Report) -> None:
        wrong = [finding for finding in report.findings if finding.kind == "different"]
        for finding in wrong:
            logger.error(
                "The audit found that %s is not what a compute gives: refreshed.", finding.key
            )
            product = registry.find(finding.key)
            if product is not None:
                signals.differed.send_robust(
                    product.sender,
                    product=product.name,
                    key=finding.key,
                    seconds=None,
                    bytes=None,
                    lag=None,
                    changes=None,
                    reason="audit",
                )
        self.differing += len(wrong)
        with connections[settings.DATABASE].cursor() as cursor:
            refreshes.log(cursor, refreshes.REFRESH, [finding.key for finding in wrong])

    def _complain(self, error: Exception) -> None:
        if not self._failed:
            logger.warning("The audit cannot look: it tries again. %s", describe(error))
        self._failed = True
