"""The tiers of a read, in the order in which they are asked: batch, near, stored, primed.

Each tier is given the keys that no tier before it has answered, and answers what it can. The
request's memo stands before all of them (see ``read``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping

import psycopg
from django.db import DatabaseError, connections

from .. import stores
from ..conf import settings
from ..exceptions import NotPrimed, StoreUnreachable
from ..postgres import describe
from ..products import compute
from ..products.product import Product, Wanted
from ..stores import Address, Own, Reading, Store, Stored
from . import near_entries, observed, read_with_own_writes
from .counts import counts
from .freshness import Serving, Verdict, in_transaction
from .prime import prime
from .read_with_own_writes import Ask
from .values import Answer

logger = logging.getLogger("kck_publish")

Tier = Callable[[Wanted], Mapping[str, Answer]]


class Tiers:
    """The tiers of one look for keys of a product.

    Args:
        product: whose keys they are.
        scope: the compute that reads; None outside one.
        allow: whether a miss may be primed; the product's own setting when None.
        strict: False to leave out what may not be primed instead of raising.
        ask: looks at the store; by default for these keys alone.
    """

    def __init__(
        self,
        product: Product,
        scope: compute.Scope | None,
        allow: bool | None,
        strict: bool,
        ask: Ask | None,
    ) -> None:
        self._product = product
        self._scope = scope
        self._allow = allow
        self._strict = strict
        self._ask = ask
        self._uncommitted = False

    def answers(self, wanted: Wanted) -> dict[str, Answer]:
        """The answers for keys, tier by tier.

        Raises:
            NotPrimed: a key is not stored, and may not be primed.
        """
        found: dict[str, Answer] = {}
        for tier in self._in_turn():
            if not wanted:
                break
            answers = observed.observe(self._product, tier, wanted) if observed.on else tier(wanted)
            found |= answers
            if len(answers) == len(wanted):
                break
            if answers:
                wanted = {key: wanted[key] for key in wanted if key not in answers}
        return found

    def _in_turn(self) -> Iterator[Tier]:
        scope = self._scope
        if scope is not None and scope.batch is not None:
            yield self._from_batch
        if not settings.ENABLED:
            yield self._computed
            return
        if scope is None and settings.NEAR is not None:
            yield self._near
        yield self._stored
        yield self._primed

    def _from_batch(self, wanted: Wanted) -> dict[str, Answer]:
        """The values that the computing batch has made already, or holds in its snapshot."""
        assert self._scope is not None
        assert self._scope.batch is not None
        answers: dict[str, Answer] = {}
        for key, parameters in wanted.items():
            fresh = self._scope.batch.lookup(self._product, key, parameters)
            if fresh is not None:
                self._scope.saw.add(key)
                answers[key] = fresh
        return answers

    def _near(self, wanted: Wanted) -> Mapping[str, Answer]:
        held = near_entries.held(self._product, wanted)
        counts.near_more += len(held)
        return held

    def _stored(self, wanted: Wanted) -> Mapping[str, Answer]:
        """The stored values that may be served, and those computed in place of the others."""
        store = stores.current()
        try:
            reading, own = self._look(store, wanted)
        except StoreUnreachable:
            return self._computed(wanted)
        except DatabaseError as error:
            _complain(error, store.alias)
            return self._computed(wanted)
        entries = reading.entries
        if self._scope is None and entries:
            near_entries.ask(self._product, entries)
        as_it_is = own is None and self._product.when_behind == "serve"
        if as_it_is and not any(map(_expires, entries.values())):
            counts.stored += len(entries)
            return entries
        self._uncommitted = own is not None and own.uncommitted
        return self._judged(wanted, entries, Serving(self._product, store, own))

    def _look(self, store: Store, wanted: Wanted) -> tuple[Reading, Own | None]:
        product, scope = self._product, self._scope
        addresses = [Address(key, product.fingerprint) for key in wanted]
        if scope is None or scope.batch is None:
            return read_with_own_writes.read(product, store, addresses, self._ask)
        # In a batch nothing is one's own: what it computes is the state of its snapshot.
        return (self._ask or store.read)(addresses, []), None

    def _judged(
        self, wanted: Wanted, entries: Mapping[str, Stored], serving: Serving
    ) -> dict[str, Answer]:
        verdicts = {key: serving.judge(entry) for key, entry in entries.items()}
        answers: dict[str, Answer] = {
            key: entries[key] for key, verdict in verdicts.items() if verdict is Verdict.SERVE
        }
        counts.stored += len(answers)
        alone = {key: wanted[key] for key in wanted if verdicts.get(key) is Verdict.COMPUTE}
        return answers | self._computed(alone) if alone else answers

    def _primed(self, wanted: Wanted) -> Mapping[str, Answer]:
        if self._product.prime_on_cache_miss if self._allow is None else self._allow:
            counts.primed += len(wanted)
            return prime(self._product, wanted, self._uncommitted)
        if self._strict:
            raise NotPrimed(next(iter(wanted)))
        return {}

    def _computed(self, wanted: Wanted) -> dict[str, Answer]:
        """Values for this reader alone: nothing is stored."""
        counts.computed += len(wanted)
        values = compute.compute(self._product, list(wanted.values()))
        return dict(zip(wanted, values, strict=True))


def _expires(stored: Stored) -> bool:
    return stored.soft_expire is not None or stored.hard_expire is not None


_complained: set[str] = set()


def _complain(error: DatabaseError, alias: str) -> None:
    """Say once that the store cannot be read.

    Raises:
        DatabaseError: within a transaction, which is lost: nothing can be read in it.
    """
    if in_transaction(connections[alias]):
        raise error
    if alias not in _complained:
        _complained.add(alias)
        missing = isinstance(error.__cause__, psycopg.errors.UndefinedTable)
        logger.error(
            "The store cannot be read (%s): every read is computed.%s",
            describe(error),
            f" Is kck_publish migrated in database {alias!r}?" if missing else "",
        )
