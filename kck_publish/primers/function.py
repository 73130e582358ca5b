"""``@primer``: the short form, in which a function is a primer."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, cast

from django.db.models import Model

from ..exceptions import InvalidPrimer
from ..products import keys
from ..products.depends import Depends
from ..public_names import public_in
from .base import Primer
from .check_methods import check_method

P = ParamSpec("P")
R = TypeVar("R")


class FunctionPrimer(Primer, Generic[P, R]):
    """What ``@primer`` makes of a function: a primer that computes as it does."""

    function: Callable[..., Any]

    @classmethod
    def _announce(cls) -> None:
        names = [parameter.name for parameter in cls.parameters]
        check_method(cls.key, cls, "function", (), names)
        super()._announce()

    def compute(self, *args: P.args, **parameters: P.kwargs) -> R:
        value: R = type(self).function(*args, **parameters)
        return value


@public_in("kck_publish")
def primer(
    pattern: str,
    *,
    depends_on: Sequence[Depends | type[Model] | str] = (),
    **attributes: Any,
) -> Callable[[Callable[P, R]], type[FunctionPrimer[P, R]]]:
    """The short form: a function becomes a primer.

    Args:
        pattern: the key with its parameters, ``"top_authors/<int:limit>"``.
        depends_on: as on a Primer.
        attributes: any other attribute of a Primer.

    Returns:
        the Primer class, with ``.cached``.

    Raises:
        InvalidPrimer: for a pattern that cannot be a key, and for what is no attribute of a Primer.
    """
    name, parameters = keys.parse_pattern(pattern)
    for attribute in attributes:
        if not hasattr(FunctionPrimer, attribute):
            close = difflib.get_close_matches(attribute, dir(Primer), n=1)
            meant = f" Did you mean {close[0]!r}?" if close else ""
            raise InvalidPrimer(f"{name}: a Primer has no attribute {attribute!r}.{meant}")

    def declare(function: Callable[P, R]) -> type[FunctionPrimer[P, R]]:
        namespace = {
            "key": name,
            "parameters": parameters,
            "depends_on": depends_on,
            "function": staticmethod(function),
            "__module__": function.__module__,
            "__qualname__": function.__qualname__,
            "__doc__": function.__doc__,
            **attributes,
        }
        made = type(function.__name__, (FunctionPrimer,), namespace)
        return cast("type[FunctionPrimer[P, R]]", made)

    return declare
