"""Reading the near store: what of it may be served, without asking anybody.

``rows.reader`` looks here first, by a *way* (``body``, ``bodies``): a bare entry (see
``stores.near.format``) that is asked for outside a request and a compute is served in about a
microsecond. So these functions are flat, and what does not change between two reads is in the way.

``read`` looks here before it asks the store (``held``). What is not plain goes on to the store,
which judges it: what the session has itself written under, a value that expires or is behind, a
product that must not be served when the listener is behind. So does everything that is read inside
a compute: what is computed must not be older than its stamp says.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from django.db import DatabaseError, connections

from .. import clock, conf
from ..capture import request_writes, session_writes
from ..conf import kept
from ..products import compute, registry
from ..products.product import Product
from ..stores import Stored
from ..stores.near.format import body_name, name_of
from ..stores.near.reader import NearReader, reader
from . import request_memo
from .freshness import expired

# How many names of bodies are at hand, of each product.
NAMES = 4096
# The session's last transaction that stored or removed something itself (see the migration).
STORED = "kck_publish.stored"


class Way:
    """How the entries of one product are found.

    Attributes:
        product: whose they are.
        graph: of the registry, whose product it is: another one has other ways.
        name: the product's.
        declared: see ``Product.declared``.
        parameter: the name of the product's one parameter; "" when it has none, or several.
        kind: the type of its plain values (see ``Product.plain``); None: there are none.
        name_of: the name of the body of a plain value; None for another one. Those of the values
            that are read over and over are at hand.
    """

    __slots__ = ("declared", "graph", "kind", "name", "name_of", "parameter", "product")

    def __init__(self, product: Product) -> None:
        self.product = product
        self.graph = registry.graph()
        self.name = product.name
        self.declared = product.declared
        self.parameter = product.parameters[0].name if len(product.parameters) == 1 else ""
        self.kind = product.plain
        self.name_of = lru_cache(NAMES)(self._name_of)

    def _name_of(self, value: Any) -> bytes | None:
        key = self.product.plain_key(value)
        return None if key is None else body_name(name_of(key, self.product.fingerprint))


def way_of(product: Product) -> Way:
    """The way of a product."""
    found = _ways.get(product.name)
    if found is None or found.product is not product or found.graph is not registry.made:
        found = _ways[product.name] = Way(product)
    return found


_ways: dict[str, Way] = {}


def body(way: Way, value: Any) -> bytes | None:
    """The stored JSON of an entry, where it says all, and need not be looked at twice; else None.

    Args:
        way: of the product.
        value: of its one parameter.
    """
    near = _reader(way)
    if near is None:
        return None
    try:
        name = way.name_of(value)
    except (ValueError, TypeError):  # it cannot be: the store's path says why
        return None
    return None if name is None else near.read(name)


def body_of(way: Way, key: str) -> bytes | None:
    """As ``body``, by the key."""
    near = _reader(way)
    return None if near is None else near.read(body_name(name_of(key, way.product.fingerprint)))


def record(product: Product, key: str) -> tuple[bytes, bytes] | None:
    """What ``body_of`` gives, with the record that says the rest of the entry before it."""
    near = _reader(way_of(product))
    if near is None:
        return None
    name = name_of(key, product.fingerprint)
    rest, body = near.read_many([name, body_name(name)])
    return None if rest is None or body is None else (rest, body)


def bodies(way: Way, values: Sequence[Any]) -> Sequence[bytes | None]:
    """As ``body``, of many values, all of one moment; none at all if one of them is not plain."""
    nothing = [None] * len(values)
    near = _reader(way)
    if near is None:
        return nothing
    try:
        names = [name for name in map(way.name_of, values) if name is not None]
    except (ValueError, TypeError):
        return nothing
    return near.read_many(names) if len(names) == len(values) else nothing


def held(product: Product, keys: Iterable[str]) -> dict[str, Stored]:
    """The entries of these keys that may be served."""
    found = _reader(way_of(product), looked=True)
    if found is None:
        return {}
    fingerprint, entries = product.fingerprint, {}
    for key in keys:
        entry = found.get(key, fingerprint)
        if entry is not None and not _is_doubtful(product, entry):
            entries[key] = entry
    return entries


def ask(product: Product, keys: Iterable[str]) -> None:
    """Have what the store has, and the near store has not, held here too."""
    path = conf.settings.NEAR
    if path is not None:
        near = reader(path)
        for key in keys:
            near.ask(key, product.fingerprint)


_settings: conf.Reading | None = None
_near: NearReader | None = None


def _forget() -> None:
    """The reader is the parent's: a lock of it may be held by a thread that is not here."""
    global _settings
    _settings = None


os.register_at_fork(after_in_child=_forget)


def _look_again() -> None:
    global _settings, _near
    now = conf.current()
    if now is not _settings:
        session_writes.unsettle()  # it was another file, perhaps, that has what was written
    path = None if now.wrong or not now.values.ENABLED else now.values.NEAR
    _near = None if path is None else reader(path)
    _settings = now  # the last: another thread may be reading


def _reader(way: Way, looked: bool = False) -> NearReader | None:
    """Where to read; None where the store has to be asked.

    Args:
        looked: whether the caller has seen to the memo of a request, which would have to know what
            is read, and to a compute (see above).
    """
    if not looked and (request_memo.current() is not None or compute.current() is not None):
        return None
    now = conf.last  # as conf.current does, without a call
    if now is not _settings or now.source is not kept.get("KCK_PUBLISH") or now.copy != now.source:
        _look_again()
    near = _near
    if near is None:
        return None
    context = request_writes.current()
    if context is not None and (context.brings or context.has_written):
        return None
    if way.declared.when_behind != "serve":
        behind = way.product.max_lag - clock.moved()
        if near.lag > behind.total_seconds():
            return None
    return near if way.name in session_writes.here.quiet or _is_quiet(way.product, near) else None


def _is_quiet(product: Product, near: NearReader) -> bool:
    """Whether this session has written nothing under a product that the near store has not."""
    alias, quiet = conf.settings.DATABASE, session_writes.here.quiet
    try:
        wrote = [*registry.graph().wrote(product.name), STORED]
        found = session_writes.last_writes(connections[alias], wrote)
    except DatabaseError:
        return False  # the store is asked, and its error told
    stored = found.pop(STORED, None)
    if found or (stored is not None and not near.sees(stored)):
        return False
    quiet.add(product.name)
    return True


def _is_doubtful(product: Product, entry: Stored) -> bool:
    return (
        entry.behind
        # It stands on more than was thought, under which the session may have written.
        or (entry.over is not None and registry.graph().learn(product.name, entry.over))
        or expired(entry)
        or (entry.soft_expire is not None and entry.soft_expire <= clock.now())
    )
