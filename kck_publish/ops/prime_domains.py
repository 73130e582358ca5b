"""Priming whole domains before anybody asks: ``kck_prime``.

The members are streamed: what of them is not stored is handed in portions to what computes (this
process, or those of ``prime_workers``). So an interrupted run is continued by running it again.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db import OperationalError, connections
from django.db.models import QuerySet

from .. import stores
from ..conf import settings
from ..exceptions import InvalidPrimer
from ..log import refreshes
from ..products import registry
from ..products.domain import pages
from ..products.product import Computed, Product
from ..reading.read import answers
from ..stores import Address

# How many keys are first handed out together, and how long a portion should take, in seconds:
# what is being computed when a process dies is lost.
FIRST, SECONDS = 8, 1.0
# How many keys that failed are kept by name.
NAMED = 10


@dataclass
class Warmed:
    """The progress of priming one domain, in keys.

    Attributes:
        total: the members; None while that is not known.
        primed: those that are stored, by this run or before it.
        failed: how many could not be stored.
        names: some of these, each with the error's name.
        left: keys that are stored and no members any more, which the listener was asked to remove.
        broken: what ``domain()`` has raised.
    """

    product: str
    total: int | None = None
    primed: int = 0
    failed: int = 0
    left: int = 0
    broken: Exception | None = None
    names: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Portion:
    """Some keys that were primed: how many, which of them failed and why, in how many seconds."""

    keys: int
    failed: Sequence[tuple[str, str]]
    seconds: float


class Pace:
    """The number of keys handed out together: as many as take about ``SECONDS``."""

    def __init__(self) -> None:
        self.keys = FIRST

    def learn(self, portion: Portion) -> None:
        """Adapt to how long a portion took."""
        each = max(portion.seconds, 1e-6) / max(portion.keys, 1)
        self.keys = max(1, min(int(SECONDS / each), self.keys * 2, settings.MAX_BATCH))


# Primes what it is given, in portions: in whatever order they are finished.
Primes = Callable[[Product, Iterator[str], Pace], Iterator[Portion]]


def domains(names: Sequence[str], all_: bool) -> list[Product]:
    """The products to prime, in the order of dependence.

    Args:
        names: of products; each must have a domain.
        all_: every product that has one.

    Raises:
        UnknownProduct: for a name that nobody computes.
        InvalidPrimer: for a product without a domain.
    """
    graph = registry.graph()
    products = list(dict.fromkeys(registry.get(name) for name in names))
    for product in products:
        if not product.has_domain:
            raise InvalidPrimer(f"{product.name} has no domain(): nobody knows its keys.")
    if all_:
        products += [
            product
            for product in graph.products.values()
            if product.warm and product not in products
        ]
    return sorted(products, key=lambda product: graph.order[product.name])


def here(product: Product, keys: Iterator[str], pace: Pace) -> Iterator[Portion]:
    """Prime in this process."""
    while batch := list(islice(keys, pace.keys)):
        yield prime_keys(product, batch)


def prime_domain(
    product: Product, progress: Callable[[Warmed], None], primes: Primes = here
) -> Warmed:
    """Prime what of a domain is not stored; have removed what has left an eager one."""
    done = Warmed(product.name)
    seen: set[uuid.UUID] | None = set() if product.eager else None
    pace, count = Pace(), 0

    def missing() -> Generator[str, None, None]:
        nonlocal count
        for keys in _domain(product, done):
            count += len(keys)
            if seen is not None:
                seen.update(Address(key, "").digest for key in keys)
            there = _present(product, keys)
            done.primed += len(there)
            progress(done)
            yield from (key for key in keys if key not in there)

    progress(done)
    with closing(missing()) as keys:
        for portion in primes(product, keys, pace):
            pace.learn(portion)
            done.failed += len(portion.failed)
            done.primed += portion.keys - len(portion.failed)
            done.names += portion.failed[: NAMED - len(done.names)]
            progress(done)
    done.total = count if done.broken is None else None
    if seen is not None and done.broken is None:
        done.left = _ask_to_remove(product, seen)
    return done


def prime_keys(product: Product, keys: Sequence[str]) -> Portion:
    """Prime these keys; what is stored meanwhile is taken as it is."""
    start = time.monotonic()
    wanted = {key: product.parameters_of(key) for key in keys}
    outcomes = answers(product, wanted, allow=True, strict=False)
    failed = [
        (key, type(outcome.error).__name__)
        for key, outcome in outcomes.items()
        if isinstance(outcome, Computed) and outcome.error is not None
    ]
    new = [
        key
        for key, outcome in outcomes.items()
        if isinstance(outcome, Computed) and outcome.error is None and outcome.absent is None
    ]
    there = _present(product, new)  # not there: too large, or the store does not answer
    failed += [(key, "NotStored") for key in new if key not in there]
    return Portion(len(keys), failed, time.monotonic() - start)


def _domain(product: Product, done: Warmed) -> Iterator[list[str]]:
    """The keys of a domain, a page at a time, until it ends or fails."""
    try:
        members = product.members()
        if members is None:
            members = ()
        done.total = _size(product, members)
        yield from pages(product, members)
    except OperationalError:  # the database's own
        raise
    except Exception as error:  # noqa: BLE001 - the user's: the other domains are primed
        done.broken = error


def _size(product: Product, members: Any) -> int | None:
    if isinstance(members, QuerySet):
        return members.count()
    return len(members) if hasattr(members, "__len__") else product.count_members()


def _present(product: Product, keys: Sequence[str]) -> set[str]:
    store = stores.current()
    if not keys:
        return set()
    with connections[store.alias].cursor() as cursor:
        return store.present(cursor, [Address(key, product.fingerprint) for key in keys])


def _ask_to_remove(product: Product, members: set[uuid.UUID]) -> int:
    """Ask the listener for what is stored and no member: it looks again, in its own snapshot."""
    store, after, asked = stores.current(), uuid.UUID(int=0), 0
    with connections[store.alias].cursor() as cursor:
        while page := store.table.page(
            cursor, product.name, product.fingerprint, after, settings.MAX_BATCH
        ):
            after = page[-1][0]
            left = [key for digest, key in page if digest not in members]
            refreshes.log(cursor, refreshes.REFRESH, left)
            asked += len(left)
    return asked
