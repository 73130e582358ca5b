"""The auditor: recompute what is stored, and compare. ``kck_verify``.

A stored value may lag behind its sources for a moment; that is no fault. So a difference counts
only when nothing of what is committed waits for the listener that touches the key, twice: the
second time after everything that the first look saw has been handled.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.db import connections, transaction

from . import registry, requests, stores
from .changes import UNSEEN
from .computing import compute
from .conf import settings
from .exceptions import ConfigurationError, KeyParameterMismatch
from .following import LOCKS
from .listener import Listener
from .pending import pending
from .products import Computed, Parameters, Product
from .rows import RowProduct
from .stores import HAND, Address, Stored

# Keys that are computed in one snapshot.
CHUNK = 200
_SAVEPOINT = "kck_publish_audit"
_PAUSE = 0.02
_PLACES = "SELECT shard, done::text FROM kck_publish_shard"
_SEEN_BUT_UNHANDLED = f"""
SELECT EXISTS (SELECT FROM kck_publish_change
                WHERE ({UNSEEN}) AND pg_visible_in_snapshot(xid, %(until)s::pg_snapshot))
"""
_OWNED = """
SELECT array(SELECT objid::bigint FROM pg_locks JOIN pg_database d ON d.oid = pg_locks.database
              WHERE locktype = 'advisory' AND classid = %s AND objsubid = 2 AND granted
                AND d.datname = current_database())
"""


@dataclass(frozen=True)
class Finding:
    """What is said of one key.

    Attributes:
        kind: ``"different"``; ``"failing"`` (its compute raises); ``"behind"`` (its last refresh
            failed: known, and tried again or a dead letter); ``"waiting"`` (a change that touches
            it is not handled, so it cannot be judged).
        why: more about it; never a value.
    """

    key: str
    kind: str
    why: str = ""


@dataclass
class Report:
    """What an audit has found.

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
        return not any(one.kind in ("different", "failing") for one in self.findings)


def audit(
    names: Sequence[str] = (),
    sample: int | None = None,
    repair: bool = False,
    patience: float = 30.0,
    progress: Callable[[str, int], None] = lambda product, keys: None,
) -> Report:
    """Compare what is stored with a fresh compute.

    Args:
        names: of products; all of them when empty.
        sample: so many keys of each product, chosen at random; all of them when None.
        repair: have what differs refreshed, by the listener or, where none owns the shard, here.
        patience: seconds to wait for the listener before a key is reported as waiting.
        progress: called with a product's name and how many keys of it are compared.

    Raises:
        UnknownProduct: for a name that nobody computes.
        ConfigurationError: repair inside a transaction, where nothing can be waited for.
    """
    graph, report = registry.graph(), Report()
    if repair and connections[settings.DATABASE].in_atomic_block:
        raise ConfigurationError("A repair cannot be made inside a transaction.")
    products = [registry.get(name) for name in names] or list(graph.products.values())
    for product in products:
        if not names and kept_by_time(product):
            report.passed_over.append(product.name)
            continue
        keys = _keys(product, sample)
        progress(product.name, len(keys))
        report.compared += len(keys)
        for start in range(0, len(keys), CHUNK):
            report.findings += _judge(product, keys[start : start + CHUNK], patience)
    if repair:
        _repair(report, patience)
    return report


def kept_by_time(product: Product) -> bool:
    """Whether the value is meant to be older than its inputs: those are outside the database."""
    return bool(
        product.soft_expire or product.hard_expire or getattr(product, "refresh_every", None)
    )


def _keys(product: Product, sample: int | None) -> list[str]:
    store = stores.current()
    with connections[store.alias].cursor() as cursor:
        keys = sorted(store.enumerate(cursor, product.name, product.fingerprint))
    return keys if sample is None or sample >= len(keys) else random.sample(keys, sample)


def _judge(product: Product, keys: Sequence[str], patience: float) -> list[Finding]:
    """Look until each key is the same, differs twice, or cannot be judged in time."""
    until = time.monotonic() + patience
    todo, suspects = list(keys), dict[str, int]()
    judged: list[Finding] = []
    while todo:
        seen = _look(product, todo)
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
        for one in waiting:
            suspects.pop(one.key, None)
        if waiting and (time.monotonic() > until or not _followed()):
            judged += waiting
            waiting = []
        todo = again + [one.key for one in waiting]
        if todo and not _caught_up(seen.snapshot, until):
            judged += [Finding(key, "waiting", "the listener is not catching up") for key in todo]
            return judged
        if waiting:
            time.sleep(_PAUSE)
    return judged


@dataclass
class _Seen:
    """One look at some keys: the snapshot, and what is not as it should be, with its version."""

    snapshot: str
    findings: list[tuple[Finding, int]] = field(default_factory=list)


class _Look:
    """The batch that an audit's computes run in: one snapshot, and nothing stored is trusted."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._fresh: dict[str, Computed] = {}

    def recover(self) -> None:
        status = self._connection.connection.info.transaction_status
        if status == psycopg.pq.TransactionStatus.INERROR:
            with self._connection.cursor() as cursor:
                cursor.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            self._connection.needs_rollback = False

    def lookup(self, product: Product, key: str, parameters: Parameters) -> Computed | None:
        """What a compute sees of another product: a fresh compute of that, too.

        But the stored value where that is meant, or known, to be another one.
        """
        if key not in self._fresh:
            with self._connection.cursor() as cursor:
                address = Address(key, product.fingerprint)
                entry = stores.current().look(cursor, [address]).entries.get(key)
            if entry is not None and (entry.by == HAND or entry.behind or kept_by_time(product)):
                return None
            (self._fresh[key],) = compute(product, [parameters], self)
        return self._fresh[key]


@contextmanager
def _snapshot(connection: Any) -> Iterator[tuple[_Look, str]]:
    """One snapshot for what is stored, for the log, and for the computes."""
    nested = connection.in_atomic_block
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        if not nested:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_current_snapshot()::text")
        snapshot = str(cursor.fetchone()[0])
        cursor.execute(f"SAVEPOINT {_SAVEPOINT}")
        yield _Look(connection), snapshot


def _look(product: Product, keys: Sequence[str]) -> _Seen:
    connection, store = connections[settings.DATABASE], stores.current()
    with _snapshot(connection) as (look, snapshot):
        seen = _Seen(snapshot)
        with connection.cursor() as cursor:
            addresses = [Address(key, product.fingerprint) for key in keys]
            entries = store.look(cursor, addresses).entries
        wanted: dict[str, Parameters] = {}
        for key in [key for key in keys if key in entries]:  # what was removed is not wrong
            try:
                wanted[key] = product.parameters_of(key)
            except KeyParameterMismatch:
                why = "the product has other parameters by now: raise its version"
                seen.findings.append((Finding(key, "failing", why), 0))
        computed_now = compute(product, list(wanted.values()), look)
        fresh = {
            key: _storable(product, one) for key, one in zip(wanted, computed_now, strict=True)
        }
        doubtful = [
            key
            for key, computed in fresh.items()
            if entries[key].behind or not same(product, entries[key], computed)
        ]
        if not doubtful:
            return seen
        waiting = pending(connection, registry.graph(), look.recover)
        for key in doubtful:
            entry, computed = entries[key], fresh[key]
            waits = waiting.waits(product, wanted[key], entry)
            seen.findings.append((_finding(entry, computed, waits), entry.version))
    return seen


def _finding(entry: Stored, computed: Computed, waits: bool) -> Finding:
    key = entry.address.key
    if entry.behind:
        return Finding(key, "behind", "its last refresh failed: see kck_explain")
    if computed.error is not None:
        return Finding(key, "failing", f"its compute raises {type(computed.error).__name__}")
    if waits:
        return Finding(key, "waiting", "a change that touches it is not yet handled")
    if computed.absent is not None and entry.body is not None:
        return Finding(key, "different", "should not exist")
    return Finding(key, "different", "was set by hand" if entry.by == HAND else "")


def _storable(product: Product, computed: Computed) -> Computed:
    """As it is; or, for a value that cannot be stored, the error that says so."""
    try:
        if computed.error is None and computed.absent is None:
            product.encode(computed.value)
    except Exception as error:  # noqa: BLE001 - Unserializable, or the encoder of a user's product
        return Computed(error=error)
    return computed


def same(product: Product, entry: Stored, computed: Computed) -> bool:
    """Whether a stored entry holds what a compute gave."""
    if computed.error is not None:
        return False
    if computed.absent is not None:
        kept = product.keeps_absence and entry.body is None
        return kept and entry.shape == product.absence_shape(computed.absent)
    if entry.body is None:
        return False
    body, shape = product.encode(computed.value)
    if (body, shape) == (entry.body, entry.shape):
        return True
    if isinstance(product, RowProduct):
        return False  # instances are equal by their pk alone
    # The same value in another order of its dict's keys: an augment, or a query without order.
    return alike(product.decode(entry.body, entry.shape), product.decode(body, shape))


def alike(one: Any, other: Any) -> bool:
    """Equality that tells 1 from True and from 1.0, at any depth."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)


def _followed() -> bool:
    """Whether some listener owns a shard, so that waiting has a sense."""
    return bool(_owned())


def _owned() -> list[int]:
    with connections[settings.DATABASE].cursor() as cursor:
        cursor.execute(_OWNED, [LOCKS])
        found: list[int] = cursor.fetchone()[0]
        return found


def _caught_up(snapshot: str, until: float) -> bool:
    """Wait until all that a snapshot sees is handled, by those shards that anybody owns."""
    connection = connections[settings.DATABASE]
    while True:
        owned = _owned()
        with connection.cursor() as cursor:
            cursor.execute(_PLACES)
            places = [done for shard, done in cursor.fetchall() if shard in owned]
            behind = False
            for done in places:
                cursor.execute(_SEEN_BUT_UNHANDLED, {"since": done, "until": snapshot})
                behind = behind or bool(cursor.fetchone()[0])
        if not behind:
            return True
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE)


def _repair(report: Report, patience: float) -> None:
    """Ask for a refresh of what is wrong, have it done, and look again."""
    wrong = [one for one in report.findings if one.kind != "failing"]
    if not wrong:
        return
    connection = connections[settings.DATABASE]
    with connection.cursor() as cursor:
        requests.log(cursor, requests.REFRESH, [one.key for one in wrong])
        cursor.execute("SELECT pg_current_snapshot()::text")
        snapshot = str(cursor.fetchone()[0])
    if len(_owned()) < settings.SHARDS:
        Listener(settings.DATABASE, say=lambda line: None).once()
    _caught_up(snapshot, time.monotonic() + patience)
    left = [one for one in report.findings if one.kind == "failing"]
    by_product: dict[str, list[str]] = {}
    for one in wrong:
        by_product.setdefault(one.key.partition("/")[0], []).append(one.key)
    for name, keys in by_product.items():
        for start in range(0, len(keys), CHUNK):
            left += _judge(registry.get(name), keys[start : start + CHUNK], patience)
    still = {one.key for one in left}
    report.repaired = [one.key for one in wrong if one.key not in still]
    report.findings = left
