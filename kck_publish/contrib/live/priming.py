"""Watched keys that are not stored, or expire: somebody has to read them, so that they are primed.

A hub reads the store itself and computes nothing; who only watches would never cause a prime.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist

from ...exceptions import KckPublishError
from ...products import registry
from ...products.product import Product
from ...reading.read import answer_to
from ...reading.values import bytes_of
from . import workers

logger = logging.getLogger("kck_publish")

# Seconds before a key is primed again that was primed and is missing all the same, or has failed.
AGAIN = 2.0


class Priming:
    """Reads keys as any reader does, in the workers' threads; each key once at a time.

    Args:
        done: called with a key and whether it has a value.
    """

    def __init__(self, done: Callable[[str, bool], None]) -> None:
        self._done = done
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self._tried: dict[str, float] = {}
        self._later: set[str] = set()
        self._said: set[str] = set()

    def ask(self, key: str) -> None:
        """Have a key primed that is not stored."""
        now = time.monotonic()
        with self._lock:
            if key in self._running:
                self._later.add(key)
                return
            if now - self._tried.get(key, -AGAIN) < AGAIN:
                self._later.add(key)
                return
            self._running.add(key)
            self._tried[key] = now
        workers.submit(self._prime, key)

    def renew(self, watched: Iterable[str]) -> None:
        """Called now and then: those whose turn has come again, and those that expire."""
        now = time.monotonic()
        watched = set(watched)
        with self._lock:
            later, self._later = self._later & watched, set()
            self._tried = {key: at for key, at in self._tried.items() if key in watched}
            due = {key for key in watched if now - self._tried.get(key, -AGAIN) >= _interval(key)}
        for key in later | due:
            self.ask(key)

    def _prime(self, key: str) -> None:
        exists: bool | None = None
        try:
            product = registry.find(key)
            exists = product is not None and _has_value(product, key)
        except Exception as error:  # noqa: BLE001 - the compute's; it is tried again
            self._say(key, error)
            with self._lock:
                self._later.add(key)
        finally:
            with self._lock:
                self._running.discard(key)
        if exists is not None:
            self._said.discard(key)
            self._done(key, exists)

    def _say(self, key: str, error: Exception) -> None:
        """Once of each key."""
        if key not in self._said:
            self._said.add(key)
            logger.warning("%s is watched and cannot be computed (%s).", key, type(error).__name__)


def _has_value(product: Product, key: str) -> bool:
    try:
        bytes_of(product, key, answer_to(product, key))
    except (ObjectDoesNotExist, MultipleObjectsReturned, KckPublishError):
        return False
    return True


def _interval(key: str) -> float:
    """Seconds after which a key is to be read again though nothing has changed."""
    product = registry.find(key)
    lasts = [product.soft_expire, product.hard_expire] if product else []
    seconds = [span.total_seconds() for span in lasts if span is not None]
    return max(min(seconds), AGAIN) if seconds else float("inf")
