"""The keys of a product that are computed to see what it reads."""

from __future__ import annotations

from itertools import islice

from django.db import connections

from .. import stores
from ..exceptions import KeyParameterMismatch
from ..products.product import Parameters, Product
from ..rows.methods import MethodProduct


def sample_of(product: Product, count: int, alias: str) -> list[Parameters]:
    """Stored keys, chosen at random; as many of its domain, or of its model's rows, as lack."""
    found: dict[str, Parameters] = {}
    with connections[alias].cursor() as cursor:
        table = stores.current().table
        for _, key in table.sample(cursor, [product.fingerprint], count):
            try:
                found[key] = product.parameters_of(key)
            except KeyParameterMismatch:
                continue  # of another version of the code
    if len(found) < count:
        for parameters in islice(_others(product), count):
            found.setdefault(product.key_of(parameters), parameters)
    return list(found.values())[:count]


def _others(product: Product) -> list[Parameters]:
    """The parameters of keys that should, or might, exist."""
    if isinstance(product, MethodProduct):
        if len(product.parameters) > len(product.row_parameters):
            return []  # nobody knows the arguments
        names = [parameter.name for parameter in product.row_parameters]
        return list(product.model._base_manager.order_by("pk").values(*names)[:1000])
    members = product.members()
    return [] if members is None else list(islice(members, 1000))
