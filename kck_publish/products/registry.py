"""Which product computes a name: primers and models announce themselves as they are declared.

The graph is made when it is first asked for, and made anew when something more has been declared.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Sequence

from django.apps import apps
from django.core.signals import setting_changed

from ..capture.source import Source
from ..exceptions import DuplicateProduct, InvalidPrimer, UnknownProduct
from ..log.keys import product_of
from .depends import Depends
from .graph import Graph, connect, fit_parameters
from .path_rows import with_ways
from .product import Product

_products: dict[str, Product] = {}
_followed: dict[str, Sequence[Depends]] = {}
_late: list[Callable[[], None]] = []
# The graph, while it is of all that is declared: what is kept of it elsewhere holds as long.
made: Graph | None = None
_lock = threading.RLock()


def register(product: Product, replaces: Callable[[Product], bool] = lambda other: False) -> None:
    """Announce a product.

    Args:
        product: what computes it.
        replaces: tells whether one already known by the name is an older copy of this one.

    Raises:
        DuplicateProduct: when two compute one product.
    """
    global made
    with _lock:
        known = _products.get(product.name)
        if known is not None and not replaces(known):
            raise DuplicateProduct(product.name, known.sender, product.sender)
        _products[product.name] = product
        made = None


def unregister(name: str) -> None:
    """Forget a product (tests that declare their own do this)."""
    global made
    with _lock:
        _products.pop(name, None)
        made = None


def follow(follower: str, wanted: Sequence[Depends]) -> None:
    """Have these captured also, for a Follower: an earlier list of the same one is replaced."""
    global made
    with _lock:
        _followed[follower] = wanted
        made = None


def unfollow(follower: str) -> None:
    """Forget what a Follower wanted (tests that declare their own do this)."""
    global made
    with _lock:
        _followed.pop(follower, None)
        made = None


def later(declare: Callable[[], None]) -> None:
    """Run a declaration once all models are known: what it names may not be loaded yet."""
    global made
    with _lock:
        _late.append(declare)
        made = None


def graph() -> Graph:
    """The graph of all that is declared so far.

    Raises:
        InvalidPrimer: when a dependency names what does not exist.
        DependencyCycle: when products depend on each other in a ring.
    """
    global made
    built = made
    if built is None:
        apps.check_models_ready()
        with _lock:
            _declare_late()
            followed = [dependency for wanted in _followed.values() for dependency in wanted]
            built = Graph(dict(_products), followed=followed)
            for product in _products.values():
                product.depends_on = with_ways(product.depends_on)
                for dependency in product.depends_on:
                    connect(built, product, dependency)
                fit_parameters(product)
            _ = built.order  # a ring is refused here, where it can be named
            made = built
    return built


def _declare_late() -> None:
    """Run what waits. What cannot work waits on, to be named each time, and stops nothing else."""
    failed, errors = [], []
    while _late:
        declare = _late.pop(0)
        try:
            declare()
        except InvalidPrimer as error:
            failed.append(declare)
            errors.append(error)
    _late.extend(failed)
    if len(errors) > 1:
        raise InvalidPrimer("\n".join(map(str, errors)))
    if errors:
        raise errors[0]


def find(key: str) -> Product | None:
    """The product that a key belongs to, or None when nobody computes it."""
    return graph().products.get(product_of(key))


def get(name: str) -> Product:
    """The product of this name.

    Raises:
        UnknownProduct: when nobody computes it.
    """
    product = graph().products.get(name)
    if product is None:
        raise unknown(name)
    return product


def unknown(name: str) -> UnknownProduct:
    """The error for a key, or a product's name, that no product computes."""
    return UnknownProduct(name, difflib.get_close_matches(name, graph().products))


def sources() -> list[Source]:
    """All tables whose changes are captured."""
    return list(graph().sources.values())


def _forget_fingerprints(*, setting: str, **_: object) -> None:
    """STORE belongs to the fingerprints, and a test changes it and sets it back."""
    if setting == "KCK_PUBLISH" and made is not None:
        vars(made).pop("fingerprints", None)
        for product in made.products.values():
            vars(product).pop("fingerprint", None)


setting_changed.connect(_forget_fingerprints)
