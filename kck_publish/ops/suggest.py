"""What products should declare: a sample of keys is computed, and what they read is looked at.

Tables are those that PostgreSQL has read; the columns, joins and conditions are those of the
queries. It tells what has been seen: a branch that none of the keys takes has not been.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connections, transaction

from ..conf import settings
from ..exceptions import ConfigurationError
from ..observed_queries.compare import complete
from ..observed_queries.lookups import models_by_table
from ..observed_queries.observed import Key, rows_by
from ..observed_queries.statement import available
from ..primers.product import ModelPrimerProduct, PrimerProduct
from ..products import registry
from ..products.compute import compute
from ..products.product import Parameters, Product
from ..products.undeclared_columns import used_columns
from ..products.undeclared_reads import Observed, observing
from ..rows.methods import MethodProduct
from .suggestion import Suggestion, Used, conclude
from .suggestion_keys import sample_of

_READ_ONLY = "SET TRANSACTION READ ONLY"
# Products whose dependencies a user writes; those of others follow from what they declare.
_WRITTEN = (PrimerProduct, ModelPrimerProduct, MethodProduct)


def suggest(asked: Sequence[str], sample: int) -> list[Suggestion]:
    """Compute keys of products, and look at what they read.

    Args:
        asked: names of products, and keys; all products with a written ``depends_on`` when empty.
        sample: keys of a product, at the most.

    Raises:
        UnknownProduct: there is no such product.
        KeyParameterMismatch: a key that is none of its product.
        ConfigurationError: sqlglot is not installed.
    """
    if not available():
        raise ConfigurationError(
            "kck_suggest reads queries with sqlglot: pip install kck-publish[suggest]."
        )
    products = registry.graph().products
    names = asked or [name for name in sorted(products) if type(products[name]) in _WRITTEN]
    wanted: dict[str, list[Parameters]] = {}
    for each in names:
        product, parameters = _product_and_key(each)
        keys = wanted.setdefault(product.name, [])
        if parameters is not None:
            keys.append(parameters)
    return [_of(registry.get(name), keys, sample) for name, keys in wanted.items()]


def _product_and_key(text: str) -> tuple[Product, Parameters | None]:
    products = registry.graph().products
    if text in products:
        return products[text], None
    name = text.partition("/")[0]
    return registry.get(name), registry.get(name).parameters_of(text)


def _of(product: Product, keys: Sequence[Parameters], sample: int) -> Suggestion:
    found, alias = Suggestion(product), settings.DATABASE
    if type(product) not in _WRITTEN:
        found.notes.append("its dependencies follow from what it declares")
        return found
    chosen = keys or sample_of(product, sample, alias)
    observed: list[Observed] = []
    with transaction.atomic(alias), observing(observed.append):
        with connections[alias].cursor() as cursor:
            cursor.execute(_READ_ONLY)
        for parameters in chosen:
            with transaction.atomic(alias):
                (answer,) = compute(product, [parameters])
                transaction.set_rollback(True, alias)  # a query may have failed
            found.keys += 1
            if answer.error is not None:
                found.failed[product.key_of(parameters)] = repr(answer.error)
        mine = [each for each in observed if each.product is product]
        keys_ = [Key(each.parameters or {}, each.runs) for each in mine]
        rows = rows_by(keys_, models_by_table())
        complete(rows, keys_, alias)
        transaction.set_rollback(True, alias)
    conclude(found, mine, rows, used_by(mine, alias))
    return found


def used_by(observed: Sequence[Observed], alias: str) -> Used | None:
    """The columns that queries use, by table; None where it cannot be told.

    PostgreSQL is asked by temporary views, so not in the transaction that only reads.
    """
    runs = {text: given for each in observed for text, given in each.runs.items()}
    with transaction.atomic(alias):
        used = used_columns(connections[alias], runs)
        transaction.set_rollback(True, alias)
    return used
