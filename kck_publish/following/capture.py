"""What a process that follows the log sees to first: that there is something to follow."""

from __future__ import annotations

import logging

from ..capture.install import faults, install
from ..products import registry

logger = logging.getLogger("kck_publish")


def see_to_capture(alias: str) -> None:
    """Install the triggers that are missing, and say which are not as they should be."""
    for done in install(alias, registry.sources(), only_missing=True):
        logger.warning("%s", done)
    for fault in faults(alias, registry.sources()):
        logger.error("%s", fault)
