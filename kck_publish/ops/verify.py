"""The auditor: recompute what is stored, and compare. ``kck_verify``.

A stored value may lag behind its sources for a moment; that is no fault. So a difference counts
only when nothing of what is committed waits for the listener that touches the key, twice: the
second time after everything that the first look saw has been handled.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import connections

from .. import stores
from ..conf import settings
from ..log.keys import product_of
from ..log.reader import UNSEEN
from ..products import registry
from ..products.product import Product
from .compare import Finding, Seen, kept_by_time, look_at

# Keys that are computed in one snapshot.
CHUNK = 200
# Keys of each product that ``audit_products`` looks at, at the most.
SAMPLED = 100
_PAUSE = 0.02
_AT_LEAST = 5.0  # seconds that second looks may wait for the listener, whatever the patience
_PLACES = "SELECT shard, done::text FROM kck_publish_shard"
_SEEN_BUT_UNHANDLED = f"""
SELECT EXISTS (SELECT FROM kck_publish_change
                WHERE ({UNSEEN}) AND pg_visible_in_snapshot(xid, %(until)s::pg_snapshot))
"""
_PUT_ASIDE = "SELECT EXISTS (SELECT FROM kck_publish_backlog WHERE shard = ANY (%s))"
_OWNED = """
SELECT array(SELECT objid::bigint FROM pg_locks JOIN pg_database d ON d.oid = pg_locks.database
              WHERE locktype = 'advisory' AND classid = 'kck_publish_shard'::regclass
                AND objsubid = 2 AND granted AND d.datname = current_database())
"""


@dataclass
class Report:
    """The findings of an audit.

    Attributes:
        compared: keys that were recomputed.
        passed_over: products that are kept by time and were not asked for by name.
        findings: what is to be said of single keys.
        repaired: keys that differed and are right now.
    """

    compared: int = 0
    passed_over: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether no key is wrong, as far as could be told."""
        return not any(finding.kind in ("different", "failing") for finding in self.findings)


def audit(
    names: Sequence[str] = (),
    sample: int | None = None,
    patience: float = 30.0,
    progress: Callable[[str, int], None] = lambda product, keys: None,
) -> Report:
    """Compare what is stored with a fresh compute.

    Args:
        names: of products; all of them when empty.
        sample: so many keys of each product, chosen at random; all of them when None.
        patience: seconds to wait for the listener, over all keys, before those that are written
            again and again are reported as waiting.
        progress: called with a product's name and how many keys of it are compared.

    Raises:
        UnknownProduct: for a name that nobody computes.
    """
    graph, report = registry.graph(), Report()
    left = Patience(patience)
    products = [registry.get(name) for name in names] or list(graph.products.values())
    for product in products:
        if not names and kept_by_time(product):
            report.passed_over.append(product.name)
            continue
        keys = _keys(product, sample)
        progress(product.name, len(keys))
        report.compared += len(keys)
        for start in range(0, len(keys), CHUNK):
            report.findings += judge(product, keys[start : start + CHUNK], left)
    return report


def audit_some(count: int, patience: float) -> Report:
    """Compare a few keys, chosen at random over all products, with a fresh compute.

    What is kept by time and what was set by hand is passed over.

    Args:
        count: how many keys.
        patience: seconds to wait for the listener before a key is reported as waiting.
    """
    graph, report, left = registry.graph(), Report(), Patience(patience)
    by_product: dict[str, list[str]] = {}
    with connections[settings.DATABASE].cursor() as cursor:
        for name, key in stores.current().table.sample(cursor, graph.fingerprints, count):
            by_product.setdefault(name, []).append(key)
    for name, keys in by_product.items():
        product = graph.products.get(name)
        if product is not None and not kept_by_time(product):
            report.compared += len(keys)
            report.findings += judge(product, keys, left)
    return report


def audit_products(names: Iterable[str], patience: float, seconds: float) -> Report:
    """Compare some keys of each of these products, from a random place on: see ``audit_keys``."""
    store, keys = stores.current(), []
    with connections[store.alias].cursor() as cursor:
        for name in names:
            fingerprint, some = registry.get(name).fingerprint, dict[str, None]()
            for place in (uuid.uuid4(), uuid.UUID(int=0)):  # at the end on from the beginning
                page = store.table.page(cursor, name, fingerprint, place, SAMPLED - len(some))
                some |= dict.fromkeys(key for _, key in page)
            keys += list(some)
    return audit_keys(keys, patience, seconds)


def audit_keys(keys: Iterable[str], patience: float, seconds: float) -> Report:
    """Compare these keys with a fresh compute, as far as the time allows.

    Keys that no product computes are passed over.

    Args:
        patience: seconds to wait for the listener, over all keys.
        seconds: after so many no more keys are begun; ``compared`` tells how many were.
    """
    products, report, left = registry.graph().products, Report(), Patience(patience)
    until = time.monotonic() + seconds
    by_product: dict[str, list[str]] = {}
    for key in keys:
        if product_of(key) in products:
            by_product.setdefault(product_of(key), []).append(key)
    for name, those in by_product.items():
        for start in range(0, len(those), CHUNK):
            if time.monotonic() > until:
                return report
            some = those[start : start + CHUNK]
            report.compared += len(some)
            report.findings += judge(products[name], some, left)
    return report


def _keys(product: Product, sample: int | None) -> list[str]:
    store = stores.current()
    with connections[store.alias].cursor() as cursor:
        keys = sorted(store.table.keys(cursor, product.name, product.fingerprint))
    return keys if sample is None or sample >= len(keys) else random.sample(keys, sample)


@dataclass
class Patience:
    """How many seconds an audit may still spend on waiting for the listener, over all keys.

    Attributes:
        grace: so many more, over all keys as well, for the second look at what seems to be wrong.
    """

    seconds: float
    grace: float = field(default_factory=lambda: _AT_LEAST)

    @contextmanager
    def waiting(self) -> Iterator[tuple[float, float]]:
        """Spend some of it; gives the times of the monotonic clock at which both end."""
        start = time.monotonic()
        until = start + self.seconds
        try:
            yield until, max(until, start + self.grace)
        finally:
            over = time.monotonic() - until
            self.seconds = max(0.0, -over)
            self.grace = max(0.0, self.grace - max(0.0, over))


def judge(product: Product, keys: Sequence[str], patience: Patience) -> list[Finding]:
    """Look until each key is the same, differs twice, or cannot be judged in time."""
    seen = look_at(product, keys)
    if not seen.findings:
        return []
    with patience.waiting() as (until, at_last):
        return _look_again(product, seen, until, at_last)


def _look_again(product: Product, seen: Seen, until: float, at_last: float) -> list[Finding]:
    suspects: dict[str, int] = {}
    judged: list[Finding] = []
    while True:
        again: list[str] = []
        waiting: list[Finding] = []
        for finding, version in seen.findings:
            if finding.kind == "waiting":
                waiting.append(finding)
            elif finding.kind != "different" or suspects.get(finding.key) == version:
                judged.append(finding)
            elif finding.key in suspects and time.monotonic() > until:
                judged.append(Finding(finding.key, "waiting", "it is written again and again"))
            else:
                suspects[finding.key] = version
                again.append(finding.key)
        for finding in waiting:
            suspects.pop(finding.key, None)
        if waiting and (time.monotonic() > until or not _followed()):
            judged += waiting
            waiting = []
        todo = again + [finding.key for finding in waiting]
        if not todo:
            return judged
        # What seems to be wrong is worth a wait of its own.
        if not caught_up(seen.snapshot, at_last if again else until):
            judged += [Finding(key, "waiting", "the listener is not catching up") for key in todo]
            return judged
        if waiting:
            time.sleep(_PAUSE)
        seen = look_at(product, todo)


def _followed() -> bool:
    """Whether some listener owns a shard, so that waiting has a sense."""
    return bool(owned())


def owned() -> list[int]:
    """The shards that some listener owns."""
    with connections[settings.DATABASE].cursor() as cursor:
        cursor.execute(_OWNED)
        shards: list[int] = cursor.fetchone()[0]
        return shards


def caught_up(snapshot: str, until: float) -> bool:
    """Wait until all that a snapshot sees is handled, by those shards that anybody owns."""
    connection = connections[settings.DATABASE]
    while True:
        followed = owned()
        with connection.cursor() as cursor:
            cursor.execute(_PLACES)
            places = [done for shard, done in cursor.fetchall() if shard in followed]
            behind = False
            for done in places:
                cursor.execute(_SEEN_BUT_UNHANDLED, {"since": done, "until": snapshot})
                behind = behind or bool(cursor.fetchone()[0])
            cursor.execute(_PUT_ASIDE, [followed])
            behind = behind or bool(cursor.fetchone()[0])
        if not behind:
            return True
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE)
