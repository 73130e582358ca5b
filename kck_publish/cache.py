"""The read path: what is stored if it may be served, else a lazy prime; and writing by hand.

``Cache`` speaks in key texts; ``managers`` gives models and primers their ``.cached`` on it.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from django.db import DatabaseError, connections, transaction

from . import clock, computing, encoding, keys, memo, registry, requests, stores
from .conf import settings
from .exceptions import KeyParameterMismatch, NotPrimed, UnknownProduct, VersionMismatch
from .prime import anew, in_transaction, prime
from .products import Computed, Parameters, Product
from .serving import Serving, Verdict, expired
from .snapshots import take
from .stores import HAND, Address, Own, Stored

logger = logging.getLogger("kck_publish")

# What entries without a primer are filed under: their format alone.
_HAND_MADE = encoding.fingerprint("hand")

# The answer for a key: what is stored, or what has just been computed.
Answer = Stored | Computed


@dataclass(frozen=True)
class Entry:
    """One stored value with what is known of it.

    Attributes:
        stamp: the snapshot that the value reflects.
        version: used once; give it to ``set(check_version=...)``.
        primed_at: when it was stored.
        soft_expire: from when on a read asks for a refresh; None for never.
        hard_expire: from when on it is not served; None for never.
    """

    key: str
    value: Any
    stamp: str
    version: int
    primed_at: datetime | None
    soft_expire: datetime | None
    hard_expire: datetime | None


class Cache:
    """Products by key text. Stateless; ``Cache.get_instance()`` gives the one there is."""

    _instance: ClassVar[Cache | None] = None

    @classmethod
    def get_instance(cls) -> Cache:
        """The cache."""
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance

    def get(self, key: str, prime_on_cache_miss: bool | None = None) -> Any:
        """The value of a key.

        Args:
            key: product name and parameters, as ``build_key`` makes it.
            prime_on_cache_miss: whether to compute what is not stored; the primer's own
                setting when None.

        Raises:
            UnknownProduct: nobody computes it and nothing is set there.
            NotPrimed: it is not stored, and may not be primed.
            KeyParameterMismatch: the parameters do not fit.
            ObjectDoesNotExist: the primer says that there is none.
        """
        product, parameters = self._parse(key)
        if product is None:
            return self._by_hand(key)
        answer = answers(product, {key: parameters}, prime_on_cache_miss)[key]
        return value_of(product, key, answer)

    def get_many(
        self, keys: Iterable[str], prime_on_cache_miss: bool | None = None
    ) -> dict[str, Any]:
        """The values of several keys, in the order asked for; what is absent is left out.

        A key that is unknown, or fails, spoils nothing for the others.
        """
        asked = list(dict.fromkeys(keys))
        grouped: dict[str, dict[str, Parameters]] = {}
        found: dict[str, Any] = {}
        for key in asked:
            try:
                product, parameters = self._parse(key)
                if product is None:
                    found[key] = self._by_hand(key)
                else:
                    grouped.setdefault(product.name, {})[key] = parameters
            except (UnknownProduct, KeyParameterMismatch):
                continue
        for name, wanted in grouped.items():
            product = registry.get(name)
            for key, answer in answers(product, wanted, prime_on_cache_miss, strict=False).items():
                try:
                    found[key] = value_of(product, key, answer)
                except (ObjectDoesNotExist, MultipleObjectsReturned):
                    continue
                except Exception as error:  # noqa: BLE001 - a compute that fails for one key
                    logger.warning("%s could not be read: %s", key, type(error).__name__)
        return {key: found[key] for key in asked if key in found}

    def entry(self, key: str) -> Entry:
        """The stored entry of a key; primed first where that is allowed.

        Raises:
            as ``get``.
        """
        product, _ = self._parse(key)
        stored = self._stored(product, key)
        if stored is None and product is not None:
            self.get(key)
            stored = self._stored(product, key)
            if stored is None:
                raise NotPrimed(key)
        if stored is None:
            raise UnknownProduct(key, difflib.get_close_matches(key, registry.graph().products))
        value = value_of(product, key, stored)
        return Entry(
            key, value, stored.stamp, stored.version, stored.primed_at,
            stored.soft_expire, stored.hard_expire,
        )  # fmt: skip

    def set(
        self,
        key: str,
        value: Any,
        *,
        check_version: int | None = None,
        soft_expire: timedelta | None = None,
        hard_expire: timedelta | None = None,
    ) -> Entry:
        """Store a value by hand. A primer's next refresh of the key overwrites it.

        Args:
            check_version: store only if the entry still has this version.

        Raises:
            VersionMismatch: the entry has moved on, or is gone.
            Unserializable: the value cannot be stored.
        """
        product, parameters = self._parse(key)
        store = stores.current()
        body, shape = product.encode(value) if product else encoding.encode(value)
        if product is not None:
            product.before_set(value, parameters)
        with (
            stores.named_errors(store.alias),
            transaction.atomic(using=store.alias),
            self._cursor() as cursor,
        ):
            address = self._address(product, key)
            if check_version is not None:
                version = store.lock_version(cursor, address)
                if version != check_version:
                    raise VersionMismatch(key, check_version, version)
            stamp = take(cursor)
            stored = Stored(
                address, keys.product_of(key), body, shape, stamp, HAND,
                soft_expire=clock.after(soft_expire), hard_expire=clock.after(hard_expire),
                reason="set",
            )  # fmt: skip
            store.write(cursor, [stored])
            self._tell(cursor, key)
        if product is not None:
            product.after_set(value, parameters)
        return self.entry(key)

    def unset(self, key: str) -> bool:
        """Remove what is stored under a key; whether there was something."""
        product, _ = self._parse(key)
        store = stores.current()
        with (
            stores.named_errors(store.alias),
            transaction.atomic(using=store.alias),
            self._cursor() as cursor,
        ):
            removed = store.remove(cursor, [self._address(product, key)]) > 0
            if removed:
                self._tell(cursor, key)
        return removed

    def clear(self, product: str | None = None) -> None:
        """Remove everything that is stored, or all of one product."""
        store = stores.current()
        with stores.named_errors(store.alias), self._cursor() as cursor:
            store.clear(cursor, product)

    def is_set(self, key: str) -> bool:
        """Whether something is stored under the key. Never primes."""
        product, _ = self._parse(key)
        return self._stored(product, key) is not None

    def refresh(self, key: str, queued: bool = True) -> None:
        """Have a key computed anew.

        Args:
            queued: by the listener (many requests make one compute); False: here and now,
                unless the caller's transaction is open.

        Raises:
            UnknownProduct: nobody computes it.
            what the compute raises, when it is not queued; what is stored then stays.
        """
        product, parameters = self._parse(key)
        if product is None:
            raise UnknownProduct(key, difflib.get_close_matches(key, registry.graph().products))
        if queued:
            with self._cursor() as cursor:
                requests.log(cursor, requests.REFRESH, [key])
            return
        anew(product, key, parameters)

    def is_refreshing(self, key: str) -> bool:
        """Whether a refresh has been asked for that is not yet done."""
        address = Address(key, "")
        with self._cursor() as cursor:
            return requests.pending(cursor, key, address.bucket)

    def build_key(self, product: str, /, **parameters: Any) -> str:
        """The key of a product with these parameters.

        Raises:
            UnknownProduct: nobody computes it.
            KeyParameterMismatch: the parameters do not fit.
        """
        return registry.get(product).key_of(parameters)

    def parse_key(self, key: str) -> tuple[str, dict[str, Any]]:
        """A key's product and typed parameters; the inverse of ``build_key``."""
        product = registry.get(keys.product_of(key))
        return product.name, product.parameters_of(key)

    def _parse(self, key: str) -> tuple[Product | None, Parameters]:
        if not isinstance(key, str) or not key or "\0" in key:
            raise KeyParameterMismatch(f"a key is a text that is not empty, not {key!r}")
        product = registry.find(key)
        if product is None:
            return None, {}
        return product, product.parameters_of(key)

    def _address(self, product: Product | None, key: str) -> Address:
        return Address(key, product.fingerprint if product else _HAND_MADE)

    def _stored(self, product: Product | None, key: str) -> Stored | None:
        store = stores.current()
        with stores.named_errors(store.alias):
            reading = store.read([self._address(product, key)], ())
        stored = reading.entries.get(key)
        return None if stored is None or expired(stored) else stored

    def _by_hand(self, key: str) -> Any:
        stored = self._stored(None, key)
        if stored is None:
            raise UnknownProduct(key, difflib.get_close_matches(key, registry.graph().products))
        return value_of(None, key, stored)

    def _tell(self, cursor: Any, key: str) -> None:
        if registry.graph().by_product.get(keys.product_of(key)):
            requests.log(cursor, requests.REFRESHED, [key])

    def _cursor(self) -> Any:
        return connections[stores.current().alias].cursor()


def answers(
    product: Product,
    wanted: Mapping[str, Parameters],
    allow: bool | None = None,
    strict: bool = True,
) -> dict[str, Answer]:
    """The answers for keys of one product: one round trip for what is stored.

    Args:
        product: whose keys they are.
        wanted: parameters by key.
        allow: whether a miss may be primed; the product's own setting when None.
        strict: False to leave out what may not be primed instead of raising.

    Raises:
        NotPrimed: not stored, and may not be primed.
    """
    known = memo.current()
    # A compute must see what its own stamp sees, not what the request has seen before.
    if known is None or computing.current() is not None or not settings.ENABLED:
        return _answers(product, wanted, allow, strict)
    if (ticket := known.ticket()) is None:
        return _answers(product, wanted, allow, strict)
    seen = {key: one for key, one in known.look(wanted).items() if not _outdated(one)}
    unseen = {key: wanted[key] for key in wanted if key not in seen}
    if unseen:
        read = _answers(product, unseen, allow, strict)
        known.keep(ticket, {key: one for key, one in read.items() if _is_whole(one)})
        seen |= read
    return {key: seen[key] for key in wanted if key in seen}


def _outdated(answer: Answer) -> bool:
    return isinstance(answer, Stored) and expired(answer)


def _is_whole(answer: Answer) -> bool:
    return isinstance(answer, Stored) or (answer.error is None and answer.absent is None)


def _answers(
    product: Product, wanted: Mapping[str, Parameters], allow: bool | None, strict: bool
) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    scope = computing.current()
    if scope is not None:
        scope.reads.update(dict.fromkeys(wanted))
        if scope.batch is not None:
            for key, parameters in wanted.items():
                fresh = scope.batch.lookup(product, key, parameters)
                if fresh is not None:
                    found[key] = fresh
            wanted = {key: value for key, value in wanted.items() if key not in found}
    if not wanted:
        return found
    if not settings.ENABLED:
        return found | _computed(product, wanted)
    store = stores.current()
    # In a batch nothing is one's own: what it computes is the state of its snapshot.
    in_batch = scope is not None and scope.batch is not None
    wrote = [] if in_batch else registry.graph().wrote(product.name)
    try:
        reading = store.read([Address(key, product.fingerprint) for key in wanted], wrote)
    except DatabaseError as error:
        return found | _without_store(product, wanted, error, store.alias)
    own = None if reading.own is None else store.own(reading.own, wrote)
    serving = Serving(product, store, own)
    verdicts = {key: serving.judge(stored) for key, stored in reading.entries.items()}
    found |= {key: reading.entries[key] for key in wanted if verdicts.get(key) is Verdict.SERVE}
    alone = {key: wanted[key] for key in wanted if verdicts.get(key) is Verdict.COMPUTE}
    if alone:
        found |= _computed(product, alone)
    misses = {key: value for key, value in wanted.items() if key not in found}
    if misses:
        found |= _missed(product, misses, own, allow, strict)
    return found


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
    return dict(zip(wanted, computing.compute(product, list(wanted.values())), strict=True))


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
            "database %r?", type(error).__name__, alias,
        )  # fmt: skip
    return _computed(product, wanted)


def value_of(product: Product | None, key: str, answer: Answer) -> Any:
    """The reader's own copy of the value (a row: the request's); raises what the answer says."""
    known = memo.current()
    if known is None or computing.current() is not None:
        return _decoded(product, key, answer)
    return known.value(key, answer, lambda: _decoded(product, key, answer))


def _decoded(product: Product | None, key: str, answer: Answer) -> Any:
    if product is None:
        assert isinstance(answer, Stored)
        assert answer.body is not None
        return encoding.decode(answer.body, answer.shape)
    if isinstance(answer, Computed):
        # By its bytes, so that a miss and a hit give the same, and nothing is shared.
        return product.decode(*product.encode(answer.get()))
    if answer.body is None:
        raise product.absence(answer.shape, key)
    return product.decode(answer.body, answer.shape)


def bytes_of(product: Product, key: str, answer: Answer) -> bytes:
    """The stored bytes, not decoded; raises what the answer stands for."""
    if isinstance(answer, Computed):
        return product.encode(answer.get()).body
    if answer.body is None:
        raise product.absence(answer.shape, key)
    return answer.body


def _is_absence(error: Exception) -> bool:
    from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist

    return isinstance(error, ObjectDoesNotExist | MultipleObjectsReturned)
