"""The read path: what is stored if it may be served, else a lazy prime.

``cache``, ``product_reader`` and ``rows`` read by it; the request's memo is looked at first.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import eq
from typing import Any

from django.db import DatabaseError, connections

from .. import stores
from ..conf import settings
from ..exceptions import NotPrimed, StoreUnreachable
from ..products import compute, encoding
from ..products.product import Computed, Parameters, Product, Wanted
from ..stores import Address, Own, Read, Reading, Stored
from . import near, own_writes, request_memo
from .freshness import Serving, Verdict, expired
from .own_writes import Ask
from .prime import in_transaction, prime

logger = logging.getLogger("kck_publish")

# The answer for a key: what is stored, or what has just been computed.
Answer = Stored | Computed


def reading_ahead(addresses: Sequence[Address], wrote: Sequence[str]) -> Ask:
    """Reads for keys of several products: the first asks for all of them, in one round trip.

    Args:
        addresses: everything that will be read.
        wrote: the session settings of all their products. To a session that has written under
            one of them, each product is read apart: what is its own write is told exactly.
    """
    read: list[Reading] = []

    def ahead(some: Sequence[Address], own: Sequence[str]) -> Reading:
        if not read:
            read.append(stores.current().read(addresses, wrote))
        if read[0].own is not None:
            return stores.current().read(some, own)
        entries = read[0].entries
        return Reading({one.key: entries[one.key] for one in some if one.key in entries}, None)

    return ahead


def answers(
    product: Product,
    wanted: Mapping[str, Parameters],
    allow: bool | None = None,
    strict: bool = True,
    ask: Ask | None = None,
) -> dict[str, Answer]:
    """The answers for keys of one product, in their order: one round trip for what is stored.

    Args:
        product: whose keys they are.
        wanted: parameters by key.
        allow: whether a miss may be primed; the product's own setting when None.
        strict: False to leave out what may not be primed instead of raising.
        ask: looks at the store; by default for these keys alone.

    Raises:
        NotPrimed: not stored, and may not be primed.
    """
    known = request_memo.current()
    # A compute must see what its own stamp sees, not what the request has seen before.
    if known is None or compute.current() is not None or not settings.ENABLED:
        return _answers(product, wanted, allow, strict, ask)
    if (ticket := known.ticket()) is None:
        return _answers(product, wanted, allow, strict, ask)
    seen = {key: one for key, one in known.look(wanted).items() if not _outdated(one)}
    unseen = {key: wanted[key] for key in wanted if key not in seen}
    if unseen:
        found = _answers(product, unseen, allow, strict, ask)
        known.keep(ticket, {key: one for key, one in found.items() if _is_whole(one)})
        seen |= found
    return {key: seen[key] for key in wanted if key in seen}


def answer_to(product: Product, key: str) -> Answer:
    """The answer for one key. Raises NotPrimed."""
    return answers(product, Wanted(product, [key]))[key]


def _outdated(answer: Answer) -> bool:
    return isinstance(answer, Stored) and expired(answer)


def _is_whole(answer: Answer) -> bool:
    return isinstance(answer, Stored) or (answer.error is None and answer.absent is None)


def _answers(
    product: Product,
    wanted: Mapping[str, Parameters],
    allow: bool | None,
    strict: bool,
    ask: Ask | None,
) -> dict[str, Answer]:
    scope = compute.current()
    if scope is None:
        return _in_order(wanted, _look(product, wanted, allow, strict, ask, None))
    for key in wanted:  # also what cannot be answered has been read
        scope.note(product.name, Read(Address(key, product.fingerprint)))
    found = _in_order(wanted, _look(product, wanted, allow, strict, ask, scope))
    for key, answer in found.items():
        note(scope, product.name, Address(key, product.fingerprint), answer)
    return found


def _in_order(wanted: Iterable[str], found: dict[str, Answer]) -> dict[str, Answer]:
    """As asked for, wherever each answer is from."""
    if all(map(eq, wanted, found)):
        return found
    return {key: found[key] for key in wanted if key in found}


def note(scope: compute.Scope, product: str, address: Address, answer: Answer) -> None:
    """Remember for the compute that runs what it has been given."""
    if isinstance(answer, Computed):
        scope.note(product, Read(address), answer.over)
        scope.inherit(answer)
    elif stores.current().outside:
        scope.note(product, Read(address, True, None, answer.stamp), _over(answer))
    else:
        scope.note(product, Read(address, True, answer.version), _over(answer))


def _over(stored: Stored) -> list[str]:
    return stored.over.split("|") if stored.over else []


def _look(
    product: Product,
    wanted: Mapping[str, Parameters],
    allow: bool | None,
    strict: bool,
    ask: Ask | None,
    scope: compute.Scope | None,
) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    if scope is not None and scope.batch is not None:
        for key, parameters in wanted.items():
            fresh = scope.batch.lookup(product, key, parameters)
            if fresh is not None:
                scope.saw.add(key)
                found[key] = fresh
        wanted = {key: value for key, value in wanted.items() if key not in found}
    if not wanted:
        return found
    if not settings.ENABLED:
        return found | _computed(product, wanted)
    if scope is None and settings.NEAR is not None:
        found |= near.held(product, wanted)
        if len(found) == len(wanted):
            return found
        wanted = {key: wanted[key] for key in wanted if key not in found} if found else wanted
    store = stores.current()
    # In a batch nothing is one's own: what it computes is the state of its snapshot.
    in_batch = scope is not None and scope.batch is not None
    addresses = [Address(key, product.fingerprint) for key in wanted]
    try:
        if in_batch:
            reading, own = (ask or store.read)(addresses, []), None
        else:
            reading, own = own_writes.read(product, store, addresses, ask)
    except StoreUnreachable:
        return found | _computed(product, wanted)
    except DatabaseError as error:
        return found | _without_store(product, wanted, error, store.alias)
    if scope is None and reading.entries:
        near.ask(product, reading.entries)
    if own is None and product.when_behind == "serve":
        entries = reading.entries
        if len(entries) == len(wanted) and not any(map(_expires, entries.values())):
            return found | {key: entries[key] for key in wanted}
    serving = Serving(product, store, own)
    verdicts = {key: serving.judge(stored) for key, stored in reading.entries.items()}
    found |= {key: reading.entries[key] for key in wanted if verdicts.get(key) is Verdict.SERVE}
    alone = {key: wanted[key] for key in wanted if verdicts.get(key) is Verdict.COMPUTE}
    if alone:
        found |= _computed(product, alone)
    misses = {key: wanted[key] for key in wanted if key not in found}
    if misses:
        found |= _missed(product, misses, own, allow, strict)
    return found


def _expires(stored: Stored) -> bool:
    return stored.soft_expire is not None or stored.hard_expire is not None


def _missed(
    product: Product,
    misses: Mapping[str, Parameters],
    own: Own | None,
    allow: bool | None,
    strict: bool,
) -> Mapping[str, Answer]:
    if not (product.prime_on_cache_miss if allow is None else allow):
        if strict:
            raise NotPrimed(next(iter(misses)))
        return {}
    return prime(product, misses, own is not None and own.uncommitted)


def _computed(product: Product, wanted: Mapping[str, Parameters]) -> dict[str, Answer]:
    return dict(zip(wanted, compute.compute(product, list(wanted.values())), strict=True))


_complained: set[str] = set()


def _without_store(
    product: Product, wanted: Mapping[str, Parameters], error: Exception, alias: str
) -> dict[str, Answer]:
    """The store cannot be read: compute, and say so once."""
    if in_transaction(connections[alias]):
        raise error  # the transaction is lost already: nothing can be read in it
    if alias not in _complained:
        _complained.add(alias)
        logger.error(
            "The store cannot be read (%s): every read is computed. Is kck_publish migrated in "
            "database %r?",
            type(error).__name__,
            alias,
        )
    return _computed(product, wanted)


def value_of(product: Product | None, key: str, answer: Answer) -> Any:
    """The reader's own copy of the value (a row: the request's); raises what the answer says."""
    known = _kept()
    if known is None:
        return _decoded(product, key, answer)
    return known.value(key, answer, lambda: _decoded(product, key, answer))


def _kept() -> request_memo.Memo | None:
    """The memo of which the values are that are read now; a compute's are its own."""
    return None if compute.current() is not None else request_memo.current()


def plain_body(answer: Answer) -> bytes | None:
    """The bytes of a stored value that is nobody else's: none of a request's, nor of an answer."""
    return None if isinstance(answer, Computed) or _kept() is not None else answer.body


def plain_bodies(found: Collection[Answer]) -> list[bytes] | None:
    """As ``plain_body``, of all the values among these; None where one must be looked at."""
    if _kept() is not None:
        return None
    stored = [one for one in found if isinstance(one, Stored)]
    return [one.body for one in stored if one.body] if len(stored) == len(found) else None


def _decoded(product: Product | None, key: str, answer: Answer) -> Any:
    if product is None:
        assert isinstance(answer, Stored)
        assert answer.body is not None
        return encoding.decode(answer.body, answer.shape)
    if isinstance(answer, Computed):
        # By its bytes, so that a miss and a hit give the same, and nothing is shared.
        return product.decode(*answer.encoded(product))
    if answer.body is None:
        raise product.absence(answer.shape, key)
    return product.decode(answer.body, answer.shape)


def bytes_of(product: Product, key: str, answer: Answer) -> bytes:
    """The stored bytes, not decoded; raises what the answer stands for."""
    if isinstance(answer, Computed):
        return answer.encoded(product).body
    if answer.body is None:
        raise product.absence(answer.shape, key)
    return answer.body
