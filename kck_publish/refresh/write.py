"""The short transaction in which a chunk of a batch's results is written, and told to others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .. import signals
from ..log import refreshes
from ..products.graph import Graph
from ..stores import Address, Outgoing, Store, edges
from ..stores.near import journal
from . import failures
from .results import Results, Session


def write(
    graph: Graph,
    store: Store,
    session: Session,
    results: Results,
    until: str,
    last: bool,
    whole: Iterable[str] = (),
    token: str | None = None,
) -> int:
    """Write what one chunk of keys gave, tell the dependents, and run the hooks.

    Args:
        graph: the products.
        store: where values live.
        session: where the batch writes.
        results: of the chunk.
        until: the snapshot that the batch is computed in.
        last: whether the cursor of the log moves with it.
        whole: products of which other versions of the code keep nothing.
        token: of the batch, for the rows that tell the dependents.

    Returns:
        how many keys were told to their dependents.

    Raises:
        Fenced: the shard has moved to another worker; nothing was written.
        StoreUnreachable: the cursor has not moved.
    """
    wholes = [(name, graph.products[name].fingerprint) for name in whole]
    # A store outside the database first: cut off in between, the batch is repeated.
    with session.cursor() as cursor:
        store.send(
            cursor,
            Outgoing(
                until,
                results.writes + results.renewals,
                results.removals,
                results.touched,
                wholes,
                session.fence,
            ),
        )
    with session.writing(last) as cursor:
        if results.writes:
            store.write(cursor, results.writes)
        if results.removals:
            store.remove(cursor, results.removals, until)
        if results.adopted:
            store.adopt(cursor, results.adopted)
        if results.renewals:
            store.renew(cursor, results.renewals)
        changed = [one.address for one in results.writes] + results.removals
        if results.touched or results.removals:
            store.remove_foreign(cursor, results.touched + results.removals)
        for name, fingerprint in wholes:
            store.remove_foreign_of(cursor, name, fingerprint)
        told = changed + results.told
        cascading = _depended_on(graph, told)
        refreshes.log(cursor, refreshes.REFRESHED, cascading, token)
        edges.keep(cursor, results.reads, until, replace=True)
        known = set(cascading)
        edges.tell(cursor, [one.key for one in told if one.key not in known])
        if store.outside and results.touched:
            # The cache may have lost a value that a near store still has: the table tells nothing.
            journal.tell(cursor, [one.key for one in results.touched])
        if results.failures:
            failures.mark_behind(cursor, [one.address for one in results.failures])
    session.stored([one.key for one in changed])
    for product, value, parameters in results.values:
        product.after_set(value, parameters)
    errors = {one.address.key: one.error for one in results.failures}
    for signal, product, key in results.events:
        what = {"error": errors[key]} if signal is signals.failed else {}
        signal.send_robust(product.sender, product=product.name, key=key, **what)
    return len(cascading)


def _depended_on(graph: Graph, addresses: Sequence[Address]) -> list[str]:
    depended = graph.by_product
    return [one.key for one in addresses if depended.get(one.key.partition("/")[0])]
