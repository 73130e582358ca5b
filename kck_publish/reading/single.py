"""One key that is stored, and that nothing has to be asked about: the shortest way to it.

Most reads are such. What this does not serve goes the way of all others (see ``tiers``), with what
has been read here.
"""

from __future__ import annotations

from django.db import DatabaseError

from .. import conf, stores
from ..capture import own_request_writes, own_session_writes
from ..exceptions import StoreUnreachable
from ..products import registry
from ..products.product import Product
from ..stores import Address, Stored
from .read_with_own_writes import Ask


def at_once(product: Product, key: str) -> Stored | Ask | None:
    """The entry, if it may be served as it is; else what has been read, or None: nothing was.

    Outside of a request's memo and of a compute.
    """
    checked = conf.current()
    values = checked.values
    if checked.wrong or not values.ENABLED or values.NEAR is not None:
        return None
    if own_request_writes.current() is not None or product.options.when_behind != "serve":
        return None
    store = stores.of(values)
    if not own_session_writes.session_tells(store.alias):
        return None
    graph = registry.graph()
    try:
        reading = store.read([Address(key, product.fingerprint)], graph.wrote(product.name))
    except (StoreUnreachable, DatabaseError) as error:
        return _again(error)
    stored = reading.entries.get(key)
    if stored is not None and reading.own is None:
        if stored.over is not None and graph.learn(product.name, stored.over):
            return None  # it stands on more than was thought: that is asked, too
        if stored.soft_expire is None and stored.hard_expire is None:
            return stored
    return lambda addresses, wrote: reading


def _again(error: Exception) -> Ask:
    def ask(*_: object) -> stores.Reading:
        raise error

    return ask
