"""The surroundings of a running compute: its batch, and its reads so far.

The listener computes inside a batch, whose fresh values shadow the stored ones; a reader that
primes on a miss computes alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist

from .. import tracing
from ..exceptions import ComputeTimeout, DependencyCycle, InvalidPrimer
from ..log.keys import identify
from ..stores import Read
from . import cycles, registry, time_limit
from .product import Computed, Parameters, Product
from .undeclared_reads import watched

logger = logging.getLogger("kck_publish")

# A pass over many keys whose edges would be more than these is done key by key.
MANY_EDGES = 10_000


class Batch(Protocol):
    """The other products, as a compute inside a batch sees them.

    Attributes:
        memory: what was read in the batch's one snapshot; None: there may be several.
    """

    memory: dict[Any, Any] | None

    def lookup(self, product: Product, key: str, parameters: Parameters) -> Computed | None:
        """The value as the batch has it, or None: the stored one holds."""

    def recover(self, keys: Sequence[str] = ()) -> None:
        """Make the batch's transaction usable again after a compute of these keys failed in it.

        Raises:
            OperationalError: the connection is lost.
        """

    def admit(self, product: Product, parameters: Sequence[Parameters], alone: bool) -> None:
        """See whether a compute may begin, or has to fail. Raises ConnectionLost."""

    def check(self) -> None:
        """See that a compute has left the connection. Raises OperationalError."""

    def breathe(self, seconds: float = 0.0) -> None:
        """Give a sign of life, if one is due; there may be none for so long: before a compute."""


@dataclass
class Scope:
    """One compute: of which product, in which batch, and what it has read without declaring it.

    Attributes:
        alone: the parameters, where it is the compute of one key.
        outer: the compute that this one is a part of.
        reads: by key, of products that are not declared.
        over: the products of these, and what their values are over.
        saw: the keys that were read as the batch has them, declared or not.
    """

    product: Product
    batch: Batch | None
    alone: Parameters | None = None
    outer: Scope | None = None
    reads: dict[str, Read] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    saw: set[str] = field(default_factory=set)

    def note(self, product: str, read: Read, over: Iterable[str] = ()) -> None:
        """Remember that a key was read, of whatever is declared to be refreshed before."""
        if product not in registry.graph().upstream(self.product.name):
            self.reads[read.address.key] = read
            self.over |= {product, *over}

    def reported(self, error: Exception) -> bool:
        """Whether an error is this compute's own, and its message says more than the traceback."""
        if isinstance(error, ComputeTimeout):
            return error.what == self.name
        mine = isinstance(error, DependencyCycle) and self.name == error.cycle[0]
        return mine and all(scope.name != self.name for scope in self.around())

    def around(self) -> Iterator[Scope]:
        """The computes that this one is a part of, the innermost first."""
        outer = self.outer
        while outer is not None:
            yield outer
            outer = outer.outer

    @property
    def name(self) -> str:
        """Of the key; of the product, for a pass over many."""
        return self.product.name if self.alone is None else self.product.key_of(self.alone)

    def inherit(self, computed: Computed) -> None:
        """A value computed within, and not stored, stands on nothing of its own."""
        self.reads |= {read.address.key: read for read in computed.reads}
        self.over |= computed.over
        self.saw |= computed.saw


_scope: ContextVar[Scope | None] = ContextVar("kck_publish_scope", default=None)
# The compute that is running here, if any. Each read asks: it is no function of ours.
current = _scope.get


@contextmanager
def scope(
    product: Product, batch: Batch | None = None, alone: Parameters | None = None
) -> Iterator[Scope]:
    """Run one compute. A compute within a compute belongs to the same batch."""
    outer = _scope.get()
    inner = Scope(product, batch or (outer.batch if outer else None), alone, outer)
    token = _scope.set(inner)
    try:
        yield inner
    finally:
        _scope.reset(token)


def compute(
    product: Product, parameters: Sequence[Parameters], batch: Batch | None = None
) -> list[Computed]:
    """Compute several keys of one product; one that fails does not harm the others."""
    if len(parameters) > 1:
        with scope(product, batch) as inner:
            start = time.perf_counter()
            together = _attempt(lambda: product.prime_many(parameters), inner, parameters)
        # What a pass has read, each of its keys has: if that is much, they are told apart.
        few = len(inner.reads) * len(parameters) <= MANY_EDGES
        if few and together.error is None and together.value is not None:
            seconds = time.perf_counter() - start
            return _shared(product, parameters, together, seconds)
    # One by one: also when the pass for all failed, so that a bad key fails alone.
    answers = []
    for each in parameters:
        with scope(product, batch, each) as inner:
            answers.append(_attempt(partial(_alone, inner, each), inner, [each]))
    return answers


def _alone(inner: Scope, parameters: Parameters) -> Any:
    """Compute one key. Raises DependencyCycle when that is on its way already."""
    path = [inner]
    for outer in inner.around():
        path.append(outer)
        if outer.product is inner.product and outer.alone == parameters:
            raise DependencyCycle([running.name for running in reversed(path)][:-1])
    return inner.product.prime_one(parameters)


def _attempt(run: Callable[[], Any], inner: Scope, parameters: Sequence[Parameters]) -> Computed:
    product = inner.product
    if inner.batch is not None:
        inner.batch.breathe(time_limit.seconds_of(product.time_limit) or 0.0)
    start = time.perf_counter()
    try:
        try:
            if inner.batch is not None:
                inner.batch.admit(product, parameters, inner.alone is not None)
            watching = _watching(run, inner, parameters)
            answer = Computed(time_limit.within(inner.name, product.time_limit, watching))
        except (ObjectDoesNotExist, MultipleObjectsReturned) as absent:
            if isinstance(absent, MultipleObjectsReturned) and not product.keeps_absence:
                raise
            answer = Computed(absent=absent)
        answer = _with_reads(answer, inner, parameters)
        if inner.batch is not None:
            inner.batch.check()  # the user's code may have kept the loss to itself
    except Exception as error:  # the user's code: kept with the key, never stops the batch
        if time_limit.is_of_another(error):
            raise
        if inner.reported(error):
            logger.error("%s", error)
        answer = Computed(error=error)
        if inner.batch is not None:
            inner.batch.recover([*map(product.key_of, parameters)])
            time_limit.again()
    answer.seconds = time.perf_counter() - start
    return answer


def _watching(
    run: Callable[[], Any], inner: Scope, parameters: Sequence[Parameters]
) -> Callable[[], Any]:
    def watching() -> Any:
        with watched(inner.product, inner.alone):
            if tracing.tracer is None:
                return run()
            digest = identify(inner.product.key_of(parameters[0]))
            with tracing.span(
                "compute", product=inner.product.name, keys=len(parameters), key_digest=digest
            ):
                return run()

    return watching


def _with_reads(computed: Computed, inner: Scope, parameters: Sequence[Parameters]) -> Computed:
    """The computed value with its reads: those of the key, and not of its own product.

    Raises:
        DependencyCycle: it was computed from itself.
    """
    if inner.saw:
        computed.saw = frozenset(inner.saw)
    if not inner.reads:
        return computed
    keys = map(inner.product.key_of, parameters)
    cycles.refuse(inner.product.name, keys, inner.reads, inner.over)
    registry.graph().learn(inner.product.name, "|".join(inner.over))
    computed.reads, computed.over = tuple(inner.reads.values()), frozenset(inner.over)
    return computed


def _shared(
    product: Product, parameters: Sequence[Parameters], together: Computed, seconds: float
) -> list[Computed]:
    values: Sequence[Any] = together.value
    if len(values) != len(parameters):
        error = InvalidPrimer(
            f"{product.name}.compute_many was given {len(parameters)} parameter dicts and "
            f"returned {len(values)} values: return one for each, in the same order."
        )
        return [Computed(error=error) for _ in parameters]
    share = seconds / len(values)
    answers = [value if isinstance(value, Computed) else Computed(value) for value in values]
    for answer in answers:
        answer.seconds = share
        answer.reads, answer.over, answer.saw = together.reads, together.over, together.saw
    return answers
