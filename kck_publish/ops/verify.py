"""The auditor: recompute what is stored, and compare. ``kck_verify``."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from django.db import connections

from .. import stores
from ..conf import settings
from ..log.keys import product_of
from ..products import registry
from ..products.product import Product
from .catching_up import Patience
from .compare import Finding, kept_by_time
from .judge import judge

# Keys that are computed in one snapshot.
CHUNK = 200
# Keys of each product that ``audit_products`` looks at, at the most.
SAMPLED = 100


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
