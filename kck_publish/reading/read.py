"""The read path: the request's memo, then the tiers (see ``tiers``).

``.cached``, ``Cache`` and cached methods read by ``answers``; ``values`` makes of an answer what
they return.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import eq

from django.core.exceptions import SynchronousOnlyOperation

from .. import stores
from ..capture import own_async_writes
from ..conf import settings
from ..products import compute
from ..products.product import Computed, Product, UnparsedKeys, Wanted
from ..stores import Address, Read, Reading, Stored
from . import near_entries, observed, request_memo
from .counts import counts
from .freshness import expired
from .read_with_own_writes import Ask
from .single import at_once
from .tiers import Tiers
from .values import Answer

Answers = dict[str, Answer]


def reading_ahead(addresses: Sequence[Address], wrote: Sequence[str]) -> Ask:
    """Reads for keys of several products: the first asks for all of them, in one round trip.

    Args:
        addresses: everything that will be read.
        wrote: the session settings of all their products. To a session that has written under
            one of them, each product is read apart: what is its own write is told exactly.
    """
    read: list[Reading] = []

    def ahead(asked: Sequence[Address], own: Sequence[str]) -> Reading:
        if not read:
            read.append(stores.current().read(addresses, wrote))
        if read[0].own is not None:
            return stores.current().read(asked, own)
        entries = read[0].entries
        return Reading({key: entries[key] for key, _ in asked if key in entries}, None)

    return ahead


def answers(
    product: Product,
    wanted: Wanted,
    allow: bool | None = None,
    strict: bool = True,
    ask: Ask | None = None,
) -> Answers:
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
    memo, scope = request_memo.current(), compute.current()
    tiers = Tiers(product, scope, allow, strict, ask)
    if scope is not None:
        # A compute must see what its own stamp sees, not what the request has seen before.
        return _noted(scope, tiers, product, wanted)
    if memo is None or not settings.ENABLED or (ticket := memo.ticket()) is None:
        return _in_order(wanted, tiers.answers(wanted))
    known = memo.look(ticket, wanted)
    seen = {key: answer for key, answer in known.items() if not _outdated(answer)}
    counts.memo += len(seen)
    if observed.on:
        observed.note(product, "memo", seen)
    unseen = {key: wanted[key] for key in wanted if key not in seen}
    if unseen:
        new = tiers.answers(unseen)
        memo.keep(ticket, {key: answer for key, answer in new.items() if _is_whole(answer)})
        seen |= new
    return {key: seen[key] for key in wanted if key in seen}


def at_hand(product: Product, keys: Sequence[str]) -> Answers | None:
    """The answers, if the request's memo or the near store has all of them: nothing is asked.

    For asynchronous code, which may not ask the database where it runs.
    """
    memo = request_memo.current()
    if compute.current() is not None or not settings.ENABLED:
        return None
    ticket = None if memo is None else memo.ticket()
    known: Answers = {}
    if memo is not None and ticket is not None:
        known = {k: known for k, known in memo.look(ticket, keys).items() if not _outdated(known)}
    from_memo = known
    unseen = [key for key in keys if key not in known]
    if unseen:
        if settings.NEAR is None or not own_async_writes.is_quiet(product.name):
            return None
        try:
            found = near_entries.held(product, unseen)
        except SynchronousOnlyOperation:  # this thread's own session would have to be asked
            return None
        if len(found) < len(unseen):
            return None
        counts.near_more += len(found)
        if observed.on:
            observed.note(product, "near", found)
        if memo is not None and ticket is not None:
            memo.keep(ticket, found)
        known = {**known, **found}
    if observed.on:
        observed.note(product, "memo", from_memo)
    return {key: known[key] for key in keys}


def answer_to(product: Product, key: str) -> Answer:
    """The answer for one key. Raises NotPrimed."""
    ask = None
    if request_memo.current() is None and compute.current() is None and not observed.on:
        stored = at_once(product, key)
        if isinstance(stored, Stored):
            counts.stored += 1
            return stored
        ask = stored
    return answers(product, UnparsedKeys(product, [key]), ask=ask)[key]


def _outdated(answer: Answer) -> bool:
    return isinstance(answer, Stored) and expired(answer)


def _is_whole(answer: Answer) -> bool:
    return isinstance(answer, Stored) or (answer.error is None and answer.absent is None)


def _noted(scope: compute.Scope, tiers: Tiers, product: Product, wanted: Wanted) -> Answers:
    """The answers of the tiers to a compute, which remembers what it has read."""
    for key in wanted:  # also what cannot be answered has been read
        scope.note(product.name, Read(Address(key, product.fingerprint)))
    answers = _in_order(wanted, tiers.answers(wanted))
    for key, answer in answers.items():
        note(scope, product.name, Address(key, product.fingerprint), answer)
    return answers


def _in_order(wanted: Iterable[str], answers: Answers) -> Answers:
    """As asked for, wherever each answer is from."""
    if all(map(eq, wanted, answers)):
        return answers
    return {key: answers[key] for key in wanted if key in answers}


def note(scope: compute.Scope, product: str, address: Address, answer: Answer) -> None:
    """Remember for the compute that runs what it has been given."""
    if isinstance(answer, Computed):
        scope.note(product, Read(address), answer.over)
        scope.inherit(answer)
    else:
        scope.note(product, stores.current().as_read(answer), _over(answer))


def _over(stored: Stored) -> list[str]:
    return stored.over.split("|") if stored.over else []
