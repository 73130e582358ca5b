"""A quiet point: wait until all is handled, and compare everything with everything.

The library's own auditor looks at each stored key, and so does `truth`. What is eager must be
there; the ledger must agree; no augment may have complained, and nobody's log may hold an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import DatabaseError, connections, models

from kck_publish import stores
from kck_publish.log import reader
from kck_publish.ops.verify import audit
from kck_publish.products import registry
from kck_publish.stores import READER, Address
from tests.soak.near import Near
from tests.soak.truth import ABSENT, Truth

UNHANDLED = """
SELECT count(*) FROM kck_publish_change c
 WHERE EXISTS (SELECT FROM kck_publish_shard s WHERE NOT pg_visible_in_snapshot(c.xid, s.done))
"""
# How long it may take until somebody follows for the near store again, at a quiet point.
NEAR_SECONDS = 30.0
# What was too much for a batch: behind the shard's place, and not yet handled.
PUT_ASIDE = "SELECT count(*) FROM kck_publish_backlog"
FAILING = "SELECT count(*) FROM kck_publish_failure"


@dataclass
class Verdict:
    """What a quiet point has found.

    Attributes:
        wrong: keys with what is wrong with them.
        other: what is wrong beside keys.
        late: those of the wrong keys that a reader has added: one that was killed before it could
            look is made good when the listener next keeps house.
    """

    compared: int = 0
    copied: int = 0
    wrong: dict[str, str] = field(default_factory=dict)
    other: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.wrong and not self.other


def drained(shards: int) -> bool:
    """Whether every shard has handled everything, and nothing is to be tried again."""
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT done::text FROM kck_publish_shard")
            places = [row[0] for row in cursor.fetchall()]
            if len(places) < shards or any(reader.any_unseen(cursor, one) for one in places):
                return False
            cursor.execute(FAILING)
            failing = cursor.fetchone()[0]
            cursor.execute(UNHANDLED)
            unhandled = cursor.fetchone()[0]
            cursor.execute(PUT_ASIDE)
            return bool(failing == unhandled == cursor.fetchone()[0] == 0)
    except (psycopg.Error, DatabaseError):
        connections["default"].close()
        return False


def compare(
    dsn: str, emptied: bool, violations: Path, near: Near | None, check: Callable[[], None]
) -> Verdict:
    """Look at everything, once all is handled.

    Args:
        emptied: whether the store was emptied since the last time: then what is eager is primed
            first, as whoever empties it is told to do.
        check: called now and then; raises when the soak is to end.
    """
    connections["default"].close()
    verdict = Verdict()
    if emptied:
        call_command("kck_prime", "--all", stdout=StringIO(), stderr=StringIO())
    check()
    report = audit(patience=10)
    for finding in report.findings:
        verdict.wrong[finding.key] = f"auditor: {finding.kind} {finding.why}"
    check()
    with psycopg.connect(dsn, autocommit=True) as connection:
        truth = Truth.read(connection)
    for account, mine, its in truth.disputed():
        verdict.other.append(f"account {account}: the table says {mine}, the ledger {its}")
    stored = _stored()
    for key, (product, entry) in stored.items():
        verdict.compared += 1
        expected = truth.expected(product.name, product.parameters_of(key))
        found = ABSENT if entry.body is None else plain(product.decode(entry.body, entry.shape))
        if found != expected:
            if entry.by == READER:
                verdict.late.append(key)
            verdict.wrong.setdefault(key, "")
            verdict.wrong[key] += f" stored {found!r}, true {expected!r}"
    if near is not None:
        _compare_near(near, truth, verdict, check)
    for key in _eager(truth):
        if key not in stored or stored[key][1].body is None:
            verdict.wrong.setdefault(key, "should be stored, and is not")
    if violations.exists():
        verdict.other += violations.read_text().splitlines()
    return verdict


def _compare_near(near: Near, truth: Truth, verdict: Verdict, check: Callable[[], None]) -> None:
    """All that the near store holds is true, too; and it is followed again."""
    try:
        if not wait(near.is_followed, NEAR_SECONDS, check):
            verdict.other.append(f"nobody followed for the near store within {NEAR_SECONDS:.0f} s")
            return
        for entry in near.held():
            key, fingerprint = entry.address
            product = registry.find(key)
            if product is None or product.fingerprint != fingerprint:
                verdict.other.append(f"the near store holds {entry!r}")
                continue
            verdict.copied += 1
            expected = truth.expected(product.name, product.parameters_of(key))
            found = ABSENT if entry.body is None else plain(product.decode(entry.body, entry.shape))
            if found != expected and key not in verdict.wrong:
                verdict.wrong[key] = f" near {found!r} of {entry.stamp}, true {expected!r}"
    finally:
        near.close()


def _stored() -> dict[str, tuple[Any, Any]]:
    """Everything that is stored under this code's fingerprints."""
    store = stores.current()
    found: dict[str, tuple[Any, Any]] = {}
    with connections["default"].cursor() as cursor:
        for product in registry.graph().products.values():
            keys = store.table.keys(cursor, product.name, product.fingerprint)
            addresses = [Address(key, product.fingerprint) for key in keys]
            entries = store.look(cursor, addresses).entries if addresses else {}
            found |= {key: (product, entry) for key, entry in entries.items()}
    return found


def plain(value: Any) -> Any:
    """A stored value with rows as dicts."""
    if isinstance(value, models.Model):
        return {one.attname: getattr(value, one.attname) for one in value._meta.concrete_fields}
    if isinstance(value, list) and value and isinstance(value[0], models.Model):
        return [plain(one) for one in value]
    return value


def _eager(truth: Truth) -> list[str]:
    """The keys that are to be there whether anybody asked or not."""
    found = ["ranking"]
    build = registry.get
    for pk, (_, slug, city) in truth.accounts.items():
        found.append(build("soak.account").key_of({"pk": pk}))
        found.append(build("soak.account:slug").key_of({"slug": slug}))
        found.append(build("soak.account:city,slug").key_of({"city": city, "slug": slug}))
    for pk, name in truth.teams.items():
        found.append(build("soak.team").key_of({"pk": pk}))
        found.append(build("soak.team:name").key_of({"name": name}))
    cities = {row[2] for row in truth.accounts.values()}
    found += [build("city_board").key_of({"city": city}) for city in cities]
    return found


def wait(condition: Callable[[], bool], seconds: float, check: Callable[[], None]) -> bool:
    """Wait for a condition, looking every few milliseconds; whether it came in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        check()
        if time.monotonic() > deadline:
            return False
        time.sleep(0.03)
    return True
