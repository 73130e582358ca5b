"""The members of an eager product's domain as a product of its own: ``board[]`` for ``board``.

So what ``domain()`` reads of other products is recorded, as what a compute reads is; and when one
of these changes, the members are looked at anew. Its value tells only whether they have changed:
a member that has joined is then primed, one that has left is removed (see ``refresh.expand``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from django.db.models import QuerySet

from ..conf import settings
from ..stores import Address
from .depends import Depends
from .fingerprints import fingerprint_of
from .path_rows import with_ways
from .product import Parameters, Product


class Membership(Depends):
    """The dependency of a product on its own domain: it touches who joins and who leaves."""

    def __init__(self, domain: str) -> None:
        super().__init__(domain)
        self.domain = domain

    @property
    def product(self) -> None:
        """None: the values do not depend on it."""
        return None


class DomainProduct(Product):
    """The domain of a product.

    Args:
        owner: the product.
    """

    eager = True

    def __init__(self, owner: Product) -> None:
        self.owner = owner
        self.sender = owner.sender
        self.name = f"{owner.name}[]"

    @cached_property
    def depends_on(self) -> Sequence[Depends]:  # type: ignore[override]
        """Of the rows that its owner depends on, the domain may be made of the same columns."""
        return [
            Depends(
                dependency.on,
                keys=lambda change: {},
                columns=None if dependency.columns is None else named(dependency),
            )
            for dependency in with_ways(self.owner.depends_on)
            if dependency.models
        ]

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of("domain", self.name, self.owner.fingerprint)

    def sees_rows(self, dependency: Depends) -> bool:
        return False

    @property
    def may_read(self) -> Iterable[Depends]:
        return self.owner.depends_on

    def members(self) -> Iterable[Parameters]:
        return [{}]

    def prime_one(self, parameters: Parameters) -> Mapping[str, Any]:
        count, total = 0, 0
        members = self.owner.members()
        for keys in pages(self.owner, () if members is None else members):
            count += len(keys)
            total += sum(Address(key, "").digest.int for key in keys)
        return {"members": count, "digest": f"{total % 2**128:032x}"}  # whatever their order


def named(dependency: Depends) -> list[str]:
    """The columns that a dependency names, as they are written or as rows are found by them."""
    names = dict.fromkeys(dependency.columns or ())
    if not dependency.has_paths:
        names.update(dict.fromkeys(dependency.mapping.values()))
    for model in dependency.models:
        names.update(dict.fromkeys(dependency.wanted(model)))
    return list(names)


def pages(product: Product, members: Iterable[Parameters]) -> Iterator[list[str]]:
    """The keys of these members, streamed: so many at a time."""
    each = iter(members.iterator(settings.MAX_BATCH) if isinstance(members, QuerySet) else members)
    while batch := list(islice(each, settings.MAX_BATCH)):
        yield list(dict.fromkeys(product.key_of(parameters) for parameters in batch))
