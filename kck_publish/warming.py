"""Priming whole domains before anybody asks: ``kck_prime``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from django.db import connections

from . import registry, stores
from .conf import settings
from .exceptions import InvalidPrimer
from .products import Computed, Parameters, Product
from .reading import answers


@dataclass
class Warmed:
    """What priming one domain has done, in keys."""

    product: str
    total: int = 0
    primed: int = 0
    failed: int = 0


def domains(names: Sequence[str], all_: bool) -> list[Product]:
    """The products to prime.

    Args:
        names: of products; each must have a domain.
        all_: every product that has one.

    Raises:
        UnknownProduct: for a name that nobody computes.
        InvalidPrimer: for a product without a domain.
    """
    graph = registry.graph()
    found = [registry.get(name) for name in names]
    for product in found:
        if product.members() is None:
            raise InvalidPrimer(f"{product.name} has no domain(): nobody knows its keys.")
    if all_:
        found += [one for one in graph.products.values() if one.warm and one not in found]
    return sorted(found, key=lambda product: graph.order[product.name])


def prime_domain(product: Product, progress: Callable[[Warmed], None]) -> Warmed:
    """Prime what of a domain is not stored."""
    store = stores.current()
    with connections[store.alias].cursor() as cursor:
        stored = store.present(cursor, product.name, product.fingerprint)
    wanted = {product.key_of(one): one for one in product.members() or ()}
    done = Warmed(product.name, total=len(wanted))
    missing = {key: one for key, one in wanted.items() if key not in stored}
    done.primed = len(wanted) - len(missing)
    progress(done)
    for some in _chunks(missing.items(), settings.MAX_BATCH):
        parameters = {key: product.parameters_of(key) for key, _ in some}
        for answer in answers(product, parameters, allow=True, strict=False).values():
            failed = isinstance(answer, Computed) and answer.error is not None
            done.failed += failed
            done.primed += not failed
        progress(done)
    return done


def _chunks(
    items: Iterable[tuple[str, Parameters]], size: int
) -> Iterator[list[tuple[str, Parameters]]]:
    remaining = iter(items)
    while some := list(islice(remaining, size)):
        yield some
