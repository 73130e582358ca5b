"""The near store as readers enter it: what it may serve without a question to the database.

``.cached`` asks a ``NearLookup`` first: a bare entry (see ``stores.near.format``) that is read
outside a request and a compute is served in about a microsecond. So these methods are flat, and
what does not change between two reads is kept in the lookup.

The store is asked for what may not be served: what the session itself has written under, a product
that must not be served when the listener is behind, every read inside a compute (what is computed
must not be older than its stamp says). ``near_entries`` judges what is not plain, for the tiers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar, overload

from django.db import DatabaseError, connections

from .. import clock, conf, search_path
from ..capture import own_session_writes
from ..capture.own_pooled_writes import STORED
from ..capture.own_request_writes import current as own_writes
from ..conf import kept
from ..products import registry
from ..products.compute import current as running
from ..products.product import Parameters, Product
from ..stores.near.file_path import near_store
from ..stores.near.format import body_name, name_of
from ..stores.near.reader import NearReader
from . import observed
from .counts import counts
from .request_memo import current as memo

T = TypeVar("T")

# How many names of bodies are kept, of each lookup.
NAMES = 4096


class NearLookup:
    """One way to look up values of a product in the near store.

    Args:
        product: whose values they are.
        parameter: the name by which the one parameter is given; the parameter's own when "".
        key_of: the key text of what ``find`` is asked for; the product's own when None.

    Attributes:
        graph: the registry's when the lookup was made; another graph needs another lookup.
        name: the product's.
        options: see ``Product.options``.
        kind: the type of the product's plain values (see ``Product.plain``); None: it has none.
        name_of: the name of a plain value's body; None for another value. The names of the values
            that are read most are kept.
    """

    __slots__ = (
        "graph",
        "key_of",
        "kind",
        "name",
        "name_of",
        "options",
        "parameter",
        "product",
    )

    def __init__(
        self,
        product: Product,
        parameter: str = "",
        key_of: Callable[[Parameters], str] | None = None,
    ) -> None:
        single = len(product.parameters) == 1
        self.product = product
        self.graph = registry.graph()
        self.name = product.name
        self.options = product.options
        self.parameter = parameter or (product.parameters[0].name if single else "")
        self.key_of = key_of or product.key_of
        self.kind = product.plain
        self.name_of = lru_cache(NAMES)(self._name_of)
        counts.watch(self.name_of)

    @overload
    def find(self, parameters: Parameters) -> bytes | None: ...

    @overload
    def find(
        self, parameters: Parameters, read: Callable[[NearReader, bytes], T | None]
    ) -> T | None: ...

    def find(self, parameters: Parameters, read: Any = NearReader.read) -> Any:
        """The stored JSON of an entry that may be served as it is; None: ask the store.

        Args:
            read: what is read instead, by the name of the body.

        Raises:
            KeyParameterMismatch: the parameters do not fit.
        """
        near = self.reader()
        if near is None:
            return None
        if len(parameters) == 1 and type(value := parameters.get(self.parameter)) is self.kind:
            try:
                name = self.name_of(value)
            except (ValueError, TypeError):  # it cannot be: the store's path says why
                return None
            if name is not None:
                body = read(near, name)
                if body is None:
                    counts.near_missed += 1
                return body
        key = self.key_of(parameters)
        body = read(near, body_name(name_of(key, self.product.fingerprint)))
        if body is not None:
            counts.near_more += 1
        return body

    def find_many(self, values: Sequence[Any]) -> Sequence[bytes | None]:
        """As ``find``, of many values of the one parameter, all of one moment.

        No value is found if one of them is not plain.
        """
        nothing = [None] * len(values)
        near = self.reader()
        if near is None:
            return nothing
        try:
            names = [name for name in map(self.name_of, values) if name is not None]
        except (ValueError, TypeError):
            return nothing
        found = near.read_many(names) if len(names) == len(values) else nothing
        counts.near_missed += found.count(None)
        return found

    def reader(self, looked: bool = False) -> NearReader | None:
        """The near store if it may be read; None where the store has to be asked.

        Args:
            looked: whether the caller has seen to the memo of a request, which would have to know
                what is read, and to a compute (see above).
        """
        if not looked and (memo() is not None or running() is not None):
            return None
        now = conf.last  # as conf.current does, without a call
        if (
            now is not _settings
            or now.source is not kept.get("KCK_PUBLISH")
            or now.copy != now.source
        ):
            near = _look_again()
            if observed.on and not looked:
                return None  # the tiers ask here again, and tell who observes
        else:
            near = _near
        if near is None:
            return None
        context = own_writes()
        if context is not None and (context.brings or context.has_written):
            return None
        if self.options.when_behind != "serve":
            behind = self.options.max_lag - clock.moved()
            if max(near.lag, self.options.lag_outside()) > behind.total_seconds():
                return None
        if self.name not in own_session_writes.here.quiet and not _is_quiet(self.product, near):
            return None
        return near

    def _name_of(self, value: Any) -> bytes | None:
        key = self.product.plain_key(value)
        return None if key is None else body_name(name_of(key, self.product.fingerprint))


def lookup_of(product: Product) -> NearLookup:
    """The lookup of a product by its own parameters."""
    lookup = _lookups.get(product.name)
    if lookup is None or lookup.product is not product or lookup.graph is not registry.made:
        lookup = _lookups[product.name] = NearLookup(product)
    return lookup


_lookups: dict[str, NearLookup] = {}


_settings: conf.CheckedSettings | None = None
_settled: conf.CheckedSettings | None = None
_near: NearReader | None = None


def _forget() -> None:
    """After a fork a lock of the reader may be held by a thread that is not here."""
    global _settings
    _settings = None


os.register_at_fork(after_in_child=_forget)
search_path.subscribers.append(_forget)
observed.subscribers.append(_forget)


def _look_again() -> NearReader | None:
    global _settings, _settled, _near
    now = conf.current()
    if now is not _settled:
        own_session_writes.unsettle()  # it was another file, perhaps, that has what was written
        _settled = now
    wanted = not now.wrong and now.values.ENABLED and now.values.NEAR is not None
    near = near_store() if wanted else None
    if wanted and near is None:
        return None  # the database is not reached: it is looked for again
    if not search_path.switches():
        _near = near
        _settings = now  # the last: another thread may be reading
    if observed.on or search_path.switches():  # each look is for the schema of the moment
        _forget()
    return near


def _is_quiet(product: Product, near: NearReader) -> bool:
    """Whether this session has written nothing under a product that the near store has not."""
    alias, quiet = conf.settings.DATABASE, own_session_writes.here.quiet
    try:
        wrote = [*registry.graph().wrote(product.name), STORED]
        found = own_session_writes.last_writes(connections[alias], wrote)
    except DatabaseError:
        return False  # the store is asked, and its error told
    stored = found.pop(STORED, None)
    if found or (stored is not None and not near.sees(stored)):
        return False
    quiet.add(product.name)
    return True
