"""Fingerprints of what is stored: they tell a table's values from the rows of a cache's index.

Where the values are in a cache, the rows of ``kck_publish_entry`` hold none, and a row without a
value is the answer that there is none. So STORE belongs to the fingerprint, as FORMAT does: when it
is changed, neither side reads the other's rows, and everything is primed again.
"""

from __future__ import annotations

from .. import conf
from . import encoding


def fingerprint_of(*parts: str) -> str:
    """As ``encoding.fingerprint``, and another one where the values are in a cache."""
    kind = conf.current().values.STORE.partition(":")[0]
    return encoding.fingerprint(*parts if kind == "postgres" else (kind, *parts))
