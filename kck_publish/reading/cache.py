"""``Cache``: products by key text, read, written by hand, and refreshed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar

from django.db import connections

from .. import clock, stores
from ..exceptions import ConfigurationError, KeyParameterMismatch, NotPrimed
from ..log import keys, refreshes
from ..log.snapshot import NOTHING
from ..postgres import Cursor
from ..products import compute, encoding, registry
from ..products.product import Parameters, Product
from ..public_names import public_in
from ..stores import HAND, Address, Stored
from . import manual_values, manual_write
from .entries import check_size
from .freshness import expired
from .prime import anew
from .read import answers
from .several import several
from .values import Entry, as_entry, value_of

logger = logging.getLogger("kck_publish")


@public_in("kck_publish")
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

        One round trip for what is stored, of however many products. A key that is unknown, or
        fails, spoils nothing for the others.
        """
        if isinstance(keys, str) or not isinstance(keys, Iterable):
            raise KeyParameterMismatch(f"get_many takes a list of keys, not {keys!r}")
        asked = list(dict.fromkeys(key for key in keys if isinstance(key, str)))
        grouped: dict[str, dict[str, Parameters]] = {}
        by_hand: list[Address] = []
        for key in asked:
            with suppress(KeyParameterMismatch):
                product, parameters = self._parse(key)
                if product is None:
                    by_hand.append(manual_values.address_of(None, key))
                else:
                    grouped.setdefault(product.name, {})[key] = parameters
        values = several(grouped, by_hand, prime_on_cache_miss)
        return {key: values[key] for key in asked if key in values}

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
            raise registry.unknown(key)
        return as_entry(product, key, stored)

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
            soft_expire, hard_expire: None for the primer's own; where there is none, for never.

        Raises:
            VersionMismatch: the entry has moved on, or is gone.
            Unserializable: the value cannot be stored, or is no row where rows are.
            TooLarge: it has more bytes than may be stored.
            ConfigurationError: an expiry is no timedelta.
        """
        product, parameters = self._parse(key)
        for name, expiry in {"soft_expire": soft_expire, "hard_expire": hard_expire}.items():
            if not isinstance(expiry, timedelta | None):
                raise ConfigurationError(f"{name} takes a timedelta, not {expiry!r}.")
        if product is not None:
            product.check_set(value)
        body, shape = product.encode(value) if product else encoding.encode(value)
        check_size(key, body, product.max_bytes if product else None)
        if product is not None:
            product.before_set(value, parameters)
            soft_expire = product.soft_expire if soft_expire is None else soft_expire
            hard_expire = product.hard_expire if hard_expire is None else hard_expire
        stored = manual_write.put(
            Stored(
                manual_values.address_of(product, key),
                body,
                shape,
                NOTHING,
                HAND,
                soft_expire=clock.after(soft_expire),
                hard_expire=clock.after(hard_expire),
                reason="set",
            ),
            check_version,
        )
        if product is not None:
            product.after_set(value, parameters)
        return self.entry(key) if stored is None else as_entry(product, key, stored)

    def unset(self, key: str) -> bool:
        """Remove what is stored under a key; whether there was something.

        A product's key is removed after the commit of the caller's transaction, if there is one.
        """
        product, _ = self._parse(key)
        return manual_write.take_away(manual_values.address_of(product, key))

    def clear(self, product: str | None = None) -> None:
        """Remove everything that is stored, or all of one product; when, is as for ``unset``.

        Args:
            product: its name.
        """
        manual_write.clear(None if product is None else _text(product, "a product's name"))

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
            raise registry.unknown(key)
        if queued:
            with self._cursor() as cursor:
                refreshes.log(cursor, refreshes.REFRESH, [key])
            return
        anew(product, key, parameters)

    def is_refreshing(self, key: str) -> bool:
        """Whether a refresh has been asked for that is not yet done."""
        address = Address(_text(key), "")
        with self._cursor() as cursor:
            return refreshes.pending(cursor, key, address.bucket)

    def build_key(self, product: str, /, **parameters: Any) -> str:
        """The key of a product with these parameters.

        Raises:
            UnknownProduct: nobody computes it.
            KeyParameterMismatch: the parameters do not fit.
        """
        return registry.get(_text(product, "a product's name")).key_of(parameters)

    def parse_key(self, key: str) -> tuple[str, dict[str, Any]]:
        """A key's product and typed parameters; the inverse of ``build_key``."""
        product = registry.get(keys.product_of(_text(key)))
        return product.name, product.parameters_of(key)

    def _parse(self, key: str) -> tuple[Product | None, Parameters]:
        product = registry.find(_text(key))
        if product is None:
            return None, {}
        return product, product.parameters_of(key)

    def _stored(self, product: Product | None, key: str) -> Stored | None:
        store = stores.current()
        with stores.named_errors(store.alias), self._cursor() as cursor:
            reading = store.look(cursor, [manual_values.address_of(product, key)])
        stored = reading.entries.get(key)
        return None if stored is None or expired(stored) else stored

    def _by_hand(self, key: str) -> Any:
        stored, scope = self._stored(None, key), compute.current()
        if scope is not None:
            manual_values.note_read(scope, manual_values.address_of(None, key), stored)
        if stored is None:
            raise registry.unknown(key)
        return value_of(None, key, stored)

    def _cursor(self) -> Cursor:
        return connections[stores.current().alias].cursor()


def _text(given: Any, what: str = "a key") -> str:
    """What names something stored. Raises KeyParameterMismatch."""
    if not isinstance(given, str) or not given or "\0" in given:
        raise KeyParameterMismatch(f"{what} is a text that is not empty, not {given!r}")
    return given
