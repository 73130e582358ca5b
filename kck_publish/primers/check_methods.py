"""The methods that a user writes on a primer: refused where they could not be called, or awaited.

``product`` asks this as it is declared. A compute that does not take the primer's parameters would
fail for each key; a hook that is ``async def`` would never run, as nobody awaits it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from ..exceptions import InvalidPrimer
from ..products.rights import is_field
from ..products.run_async import is_async

# Each with the names of what it is given before the parameters, which are given by name.
_OF_A_KEY: dict[str, tuple[str, ...]] = {
    "compute": (),
    "augment": ("value", "change"),
    "pre_prime": (),
    "post_prime": ("value",),
    "pre_set": ("value",),
    "post_set": ("value",),
}
_OF_ALL: dict[str, tuple[str, ...]] = {"compute_many": ("parameters",), "domain": ()}
_AWAITED = ("compute", "compute_many", "function")


def check_methods(product: str, primer: type[Any], parameters: Sequence[str] | None) -> None:
    """See that what a primer writes can be called as it will be.

    Args:
        product: its name, for messages.
        primer: the class that has the methods.
        parameters: the names of those that it is given; None of a model, which is the row itself.

    Raises:
        InvalidPrimer: for the first method that cannot be.
    """
    for name, given in _OF_A_KEY.items():
        check_method(product, primer, name, given, parameters or ())
    for name, given in _OF_ALL.items() if parameters is not None else ():
        check_method(product, primer, name, given, ())


def check_method(
    product: str, primer: type[Any], name: str, given: Sequence[str], parameters: Sequence[str]
) -> None:
    """See that one can be called with these, and these parameters by name. Raises InvalidPrimer."""
    said = inspect.getattr_static(primer, name)
    if not callable(getattr(primer, name)) and not is_field(getattr(primer, name)):
        raise InvalidPrimer(f"{product}: {name} is a method, not {said!r}.")
    function = getattr(said, "__func__", said)  # of a static or a class method
    if not inspect.isfunction(function):
        return
    if is_async(function) and name not in _AWAITED:
        raise InvalidPrimer(
            f"{product}: {name} is async def; only compute and compute_many are awaited."
        )
    signature = inspect.signature(function, follow_wrapped=False)  # a wrapper may give it more
    first = [] if isinstance(said, staticmethod) else ["self"]
    positional = [*first, *given]
    try:
        signature.bind(*positional, **dict.fromkeys(parameters))
    except TypeError as error:
        shown = ", ".join([*positional, *parameters])
        raise InvalidPrimer(
            f"{product}: {name}{signature} is called as {name}({shown}): {error}."
        ) from None
