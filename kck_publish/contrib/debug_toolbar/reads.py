"""The reads of one request: from which layer, how long they took, how old the values were."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ... import clock, stores
from ...log.keys import bucket_of
from ...log.lag import Lags
from ...products import compute
from ...products.product import Product
from ...stores import Stored

# So many keys are shown of a request; of more, the number.
SHOWN = 500
# Layers whose answers cost a round trip or a compute: several of one product could be one.
COSTLY = ("table", "cache", "computed")
PACKAGE = __name__.partition(".")[0]


@dataclass
class KeyRead:
    """One key that was read.

    Attributes:
        number: of the read; keys that were read at once have the same.
        layer: ``near``, ``memo``, ``cache``, ``table``, ``computed``, or ``batch`` of a compute.
        milliseconds: of all keys of this read that the layer has answered.
        age: seconds since the value was stored; None where it has just been computed.
        lag: seconds of the change that its shard has not handled, at the end of the request.
        inside: whether a compute has read it.
        where: file and line of who has read it.
    """

    number: int
    product: str
    key: str
    layer: str
    milliseconds: float
    age: float | None
    inside: bool
    where: str
    lag: float = 0.0


class Reads:
    """What an observer has been told.

    Attributes:
        count: of the keys.
        keys: those that are shown.
    """

    def __init__(self) -> None:
        self.count = 0
        self.keys: list[KeyRead] = []
        self._number = 0

    def note(self, product: Product, tier: str, answers: Mapping[str, Any], seconds: float) -> None:
        """Remember what a tier has answered."""
        inside, where, now = compute.current() is not None, _place(), clock.now()
        self._number += 1
        self.count += len(answers)
        for key, answer in list(answers.items())[: SHOWN - len(self.keys)]:
            primed_at = answer.primed_at if isinstance(answer, Stored) else None
            age = None if primed_at is None else max(0.0, (now - primed_at).total_seconds())
            layer = _layer(tier, answer)
            read = (self._number, product.name, key, layer, seconds * 1000, age, inside, where)
            self.keys.append(KeyRead(*read))

    def late(self, lags: Lags) -> None:
        """Tell of each key how far its shard is behind."""
        for read in self.keys:
            read.lag = lags.of_shard(bucket_of(read.key) % lags.shards)

    @property
    def products(self) -> int:
        """How many products were read."""
        return len({read.product for read in self.keys})

    def repeated(self) -> list[dict[str, Any]]:
        """The products that were read several times, where one read could have been enough.

        Each with how many ``reads`` it were, and the places (``where``) that they came from.
        """
        found: dict[str, dict[int, str]] = {}
        for read in self.keys:
            if read.layer in COSTLY and not read.inside:
                found.setdefault(read.product, {})[read.number] = read.where
        return [
            {"product": product, "reads": len(reads), "where": sorted(set(reads.values()))}
            for product, reads in sorted(found.items())
            if len(reads) > 1
        ]

    def as_dicts(self) -> list[dict[str, Any]]:
        """The keys that are shown, for JSON."""
        return [asdict(read) for read in self.keys]


def _layer(tier: str, answer: object) -> str:
    """The layer of an answer: a tier may have computed what it may not serve."""
    if tier in ("memo", "near", "batch"):
        return tier
    if tier in ("primed", "computed") or not isinstance(answer, Stored):
        return "computed"
    return "table" if stores.current().transactional else "cache"


def _place() -> str:
    """File and line of the code that reads: the first that is not the library's."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] != PACKAGE:
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
