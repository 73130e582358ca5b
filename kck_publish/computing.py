"""What surrounds a running compute: the batch it belongs to, and what it has read so far.

The listener computes inside a batch, whose fresh values shadow the stored ones; a reader that
primes on a miss computes alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist

from .exceptions import InvalidPrimer
from .linting import watched
from .products import Computed, Parameters, Product


class Batch(Protocol):
    """What a compute inside a batch sees of other products."""

    def lookup(self, product: Product, key: str, parameters: Parameters) -> Computed | None:
        """The value as the batch has it, or None: the stored one holds."""

    def recover(self) -> None:
        """Make the batch's transaction usable again after a compute that failed in it."""

    def breathe(self) -> None:
        """Give a sign of life, if one is due: called before each compute."""


@dataclass
class Scope:
    """One compute: of which product, in which batch, and which keys it has read."""

    product: Product
    batch: Batch | None
    reads: dict[str, None] = field(default_factory=dict)


_scope: ContextVar[Scope | None] = ContextVar("kck_publish_scope", default=None)


def current() -> Scope | None:
    """The compute that is running here, if any."""
    return _scope.get()


@contextmanager
def scope(product: Product, batch: Batch | None = None) -> Iterator[Scope]:
    """Run one compute. A compute within a compute belongs to the same batch."""
    outer = _scope.get()
    inner = Scope(product, batch or (outer.batch if outer else None))
    token = _scope.set(inner)
    try:
        yield inner
    finally:
        _scope.reset(token)


def compute(
    product: Product, parameters: Sequence[Parameters], batch: Batch | None = None
) -> list[Computed]:
    """Compute several keys of one product; one that fails does not harm the others."""
    with scope(product, batch) as inner:
        if len(parameters) > 1:
            start = time.perf_counter()
            together = _attempt(lambda: product.prime_many(parameters), inner)
            if together.error is None and together.value is not None:
                return _shared(product, parameters, together.value, time.perf_counter() - start)
        # One by one: also when the pass for all failed, so that a bad key fails alone.
        return [
            _attempt(lambda each=each: product.prime_one(each), inner)  # type: ignore[misc]
            for each in parameters
        ]


def _attempt(run: Callable[[], Any], inner: Scope) -> Computed:
    if inner.batch is not None:
        inner.batch.breathe()
    start = time.perf_counter()
    try:
        with watched(inner.product):
            value = run()
    except (ObjectDoesNotExist, MultipleObjectsReturned) as absent:
        if isinstance(absent, ObjectDoesNotExist) or inner.product.keeps_absence:
            return Computed(absent=absent, seconds=time.perf_counter() - start)
        found = Computed(error=absent, seconds=time.perf_counter() - start)
    except Exception as error:  # noqa: BLE001 - the user's code: kept with the key, never stops the batch
        found = Computed(error=error, seconds=time.perf_counter() - start)
    else:
        return Computed(value, seconds=time.perf_counter() - start)
    if inner.batch is not None:
        inner.batch.recover()
    return found


def _shared(
    product: Product, parameters: Sequence[Parameters], values: Sequence[Any], seconds: float
) -> list[Computed]:
    if len(values) != len(parameters):
        error = InvalidPrimer(
            f"{product.name}.compute_many was given {len(parameters)} parameter dicts and "
            f"returned {len(values)} values: return one for each, in the same order."
        )
        return [Computed(error=error) for _ in parameters]
    share = seconds / len(values)
    return [
        replace(one, seconds=share) if isinstance(one, Computed) else Computed(one, seconds=share)
        for one in values
    ]
