"""What the store has shown, a near store shows within its lease, whatever has become of both."""

from __future__ import annotations

from collections import deque
from typing import Any

from django.db import connection

from kck_publish import stores
from kck_publish.conf import settings
from kck_publish.products import registry
from kck_publish.stores import Address
from kck_publish.stores.near.format import clock
from tests.soak.primers import complain


class Bound:
    """Looks at the store itself beside what a reader is given, for a value that only grows.

    Args:
        key: whose value it is.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self._seen: deque[tuple[float, int]] = deque()
        self._least = 0

    def look(self) -> int:
        """What the store has now; 0 for nothing."""
        product = registry.find(self.key)
        assert product is not None
        address = Address(self.key, product.fingerprint)
        with connection.cursor() as cursor:
            entry = stores.current().look(cursor, [address]).entries.get(self.key)
        found: Any = 0
        if entry is not None and entry.body is not None:
            found = product.decode(entry.body, entry.shape)
        if found < self._least or (self._seen and found < self._seen[-1][1]):
            self.forget()  # it was emptied
        self._seen.append((clock(), found))
        return int(found)

    def check(self, asked: float, value: int) -> None:
        """A reader who asked at that moment (of the host's clock) was given this."""
        while self._seen and self._seen[0][0] < asked - settings.NEAR_LEASE:
            self._least = max(self._least, self._seen.popleft()[1])
        if value < self._least <= self.look():
            complain(f"late: {self.key} is {value}, and was {self._least} in the store a lease ago")

    def forget(self) -> None:
        """What the server had may be lost."""
        self._seen.clear()
        self._least = 0
