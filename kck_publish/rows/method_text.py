"""The text of a cached method's dependency: ``"Book.author"``, which needs no import."""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import Model

from ..exceptions import InvalidPrimer
from ..observed_queries.declarations import Declaration


def text_of(model: type[Model], declaration: Declaration, resolve: Callable[[str], object]) -> str:
    """The short form of a dependency where it has one, else a ``Depends``.

    Args:
        model: that has the method.
        resolve: raises InvalidPrimer for a text that does not lead to the model.
    """
    text = _short(model, declaration)
    try:
        if text is not None:
            resolve(text)
            return f'"{text}"'
    except InvalidPrimer:
        pass
    return str(declaration)


def _short(model: type[Model], declaration: Declaration) -> str | None:
    owner, dot, rest = declaration.name.partition(".")
    label = declaration.model._meta.app_label
    prefix = owner if label == model._meta.app_label else f"{label}.{owner}"
    if dot:  # a many-to-many field's table
        return f"{prefix}.{rest.removesuffix('.through')}"
    if len(declaration.mapping) != 1:
        return None
    (path,) = declaration.mapping.values()
    return f"{prefix}.{path.removesuffix('_id')}"
