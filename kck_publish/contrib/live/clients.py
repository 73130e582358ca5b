"""The clients of a hub: whose they are, and which whole products they watch. Its caller locks."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Set

from .client import Client


class Clients:
    """Those who watch.

    Attributes:
        all: each of them.
        by_user: how many are of each user.
        by_product: how many watch each product as a whole.
    """

    def __init__(self) -> None:
        self.all: set[Client] = set()
        self.by_user: Counter[object] = Counter()
        self.by_product: Counter[str] = Counter()
        self._idle_since = time.monotonic()  # infinite while somebody watches

    def add(self, client: Client) -> None:
        """A client has come."""
        self.all.add(client)
        self.by_user[client.user] += 1
        self.by_product.update(client.products)
        self._idle_since = math.inf

    def remove(self, client: Client) -> bool:
        """A client has gone; whether it had been here."""
        was_here = client in self.all
        if was_here:
            self.all.remove(client)
            self.by_user[client.user] -= 1
            self.by_product.subtract(client.products)
        if not self.all:
            self._idle_since = time.monotonic()
        return was_here

    def is_idle(self, seconds: float) -> bool:
        """Whether nobody has watched for so long."""
        return time.monotonic() - self._idle_since > seconds

    def touch(self, products: Set[str] | None) -> list[Client]:
        """Mark, and return, those who watch one of these products, or (None) any, as a whole."""
        touched = [
            client
            for client in self.all
            if client.products and (products is None or client.products & products)
        ]
        for client in touched:
            client.touched = True
        return touched
