"""The rows that a model's default manager gives, and the columns by which it chooses them.

``.cached`` gives what ``Model._default_manager`` does. A manager that chooses rows by their own
columns is followed; one that reads other tables, or that gives other instances, is refused.
"""

from __future__ import annotations

from typing import NoReturn

from django.db.models import Manager, Model, QuerySet
from django.db.models.sql.where import WhereNode

from ..conf import settings
from ..exceptions import InvalidPrimer
from .conditions import UntraceableError, alike, columns, condition_of


def manager_of(model: type[Model]) -> Manager[Model]:
    """The manager whose rows ``.cached`` gives."""
    return model._default_manager


def rows_of(model: type[Model]) -> QuerySet[Model]:
    """The manager's rows in DATABASE, all columns of them, without what it fetches besides.

    Raises:
        InvalidPrimer: when they are other rows here than the condition at start said.
    """
    manager = manager_of(model)
    rows = manager.using(settings.DATABASE)
    if type(manager).get_queryset is Manager.get_queryset:
        return rows
    if rows.query.where != _conditions.get(model, rows.query.where):
        raise InvalidPrimer(
            f"{_name(model)} gives other rows now than at start: its condition depends on the "
            "time, the request or the like, which no change of a row announces. Filter by that "
            "in the query, and not in the default manager."
        )
    return rows.prefetch_related(None).select_related(None).defer(None)


# What the condition was when the columns were declared.
_conditions: dict[type[Model], WhereNode] = {}


def columns_of(model: type[Model]) -> tuple[str, ...]:
    """The attnames by which the default manager chooses rows; none when it gives all.

    Raises:
        InvalidPrimer: it cannot be followed.
    """
    try:
        where = _conditions[model] = condition_of(model)
        return tuple(dict.fromkeys(columns(where)))
    except UntraceableError as why:
        refuse(model, why)


def refuse(model: type[Model], why: UntraceableError) -> NoReturn:
    """Say that a model's default manager cannot be followed, and what to do."""
    raise InvalidPrimer(
        f"{_name(model)} cannot be followed by .cached: {why}. Name a manager that chooses rows "
        "by their own columns, or not at all, in Meta.default_manager_name; this one may stay "
        "beside it."
    )


def look_at_proxy(proxy: type[Model], base: type[Model]) -> bool:
    """Whether a proxy has products of its own.

    Its manager gives other rows than its model's, or its model, of another app say, has none.

    Args:
        base: what a model with products inherits.
    """
    concrete = proxy._meta.concrete_model or proxy
    try:
        condition = condition_of(proxy)
        own = not issubclass(concrete, base) or not alike(condition, condition_of(concrete))
    except UntraceableError as why:
        unfollowed[proxy] = why
        return False
    if own:
        _with_rows_of_their_own.add(proxy)
    return own


def published(model: type[Model]) -> type[Model]:
    """The model whose products a class's rows are: the concrete one, for most proxies.

    Raises:
        InvalidPrimer: of a proxy with a manager that cannot be followed.
    """
    if model in unfollowed:
        refuse(model, unfollowed[model])
    if model in _with_rows_of_their_own:
        return model
    return model._meta.concrete_model or model


# Proxies whose manager cannot be followed, with the reason. Others may be read all the same, so
# that a check warns of them and only their ``.cached`` refuses.
unfollowed: dict[type[Model], UntraceableError] = {}
_with_rows_of_their_own: set[type[Model]] = set()


def _name(model: type[Model]) -> str:
    return f"{model._meta.label}.{manager_of(model).name}"
