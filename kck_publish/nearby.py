"""Reading the near store: what of it may be served, without asking anybody.

``reading`` looks here before it asks the store. What is not plain goes on to the store, which
judges it: what the session has itself written under, a value that expires or is behind, a product
that must not be served when the listener is behind. So does everything that is read inside a
compute: what is computed must not be older than its stamp says.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import DatabaseError, connections

from . import clock, computing, conf, marks, memo, own_writes, registry
from .products import Product
from .serving import expired
from .stores import Stored
from .stores.near import NearReader, reader
from .stores.near_format import BODY, HEAD, PLAIN, unpack

# The session's last transaction that stored or removed something itself (see the migration).
STORED = "kck_publish.stored"


def text(product: Product, key: str) -> bytes | None:
    """The stored bytes of a key, where nothing about them needs a second look; else None.

    For one read outside a request, whose memo would have to know it.
    """
    data = _plain(product, key)
    return data[int.from_bytes(data[1:HEAD]) :] if data is not None and data[0] in PLAIN else None


def body(product: Product, key: str) -> bytes | None:
    """As ``text``, of a value that is plain JSON."""
    data = _plain(product, key)
    return data[int.from_bytes(data[1:HEAD]) :] if data is not None and data[0] == BODY else None


def _plain(product: Product, key: str) -> bytes | None:
    if memo.current() is not None or computing.current() is not None:
        return None
    found = _reader(product)
    return None if found is None else found.get(key, product.fingerprint)


def held(product: Product, keys: Iterable[str]) -> dict[str, Stored]:
    """The entries of these keys that may be served."""
    found = _reader(product)
    if found is None:
        return {}
    fingerprint, entries = product.fingerprint, {}
    for key in keys:
        data = found.get(key, fingerprint)
        entry = None if data is None else unpack(key, fingerprint, data)
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


def _reader(product: Product) -> NearReader | None:
    """Where to read; None where the store has to be asked."""
    now = conf.current()
    if now is None or now.NEAR is None or not now.ENABLED:
        return None
    context = own_writes.current()
    if context is not None and (context.brings or context.has_written):
        return None
    found = reader(now.NEAR)
    if product.when_behind != "serve":
        behind = product.max_lag - clock.moved()
        if found.lag > behind.total_seconds():
            return None
    return found if marks.is_quiet(product.name) or _is_quiet(product, found) else None


def _is_quiet(product: Product, near: NearReader) -> bool:
    """Whether this session has written nothing under a product that the near store has not."""
    noted, alias = marks.noted(), conf.settings.DATABASE
    try:
        wrote = [*registry.graph().wrote(product.name), STORED]
        found = marks.last_writes(connections[alias], wrote)
    except DatabaseError:
        return False  # the store is asked, and its error told
    stored = found.pop(STORED, None)
    if found or (stored is not None and not near.sees(stored)):
        return False
    marks.quiet(product.name, noted)
    return True


def _is_doubtful(product: Product, entry: Stored) -> bool:
    return (
        entry.behind
        # It stands on more than was thought, under which the session may have written.
        or (entry.over is not None and registry.graph().learn(product.name, entry.over))
        or expired(entry)
        or (entry.soft_expire is not None and entry.soft_expire <= clock.now())
    )
