"""Model instances as they are stored in a value: their columns, and what was loaded with them.

Columns that were left out (``defer``), annotations, related rows (``select_related``) and
prefetched lists come back as the queryset gave them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.db.models import Field, Model

from ..conf import settings
from ..exceptions import Unserializable
from ..rows.field_values import Pair, converters

# The members of a stored row.
MODEL, COLUMNS, MORE, RELATED, LISTS, ABOVE = (
    "model",
    "columns",
    "more",
    "related",
    "lists",
    "above",
)


@lru_cache(maxsize=1024)
def _fields(model: type[Model]) -> dict[str, tuple[Field[Any, Any], Pair]]:
    return {field.attname: (field, converters(field)) for field in model._meta.concrete_fields}


def dump(row: Model, above: Sequence[Model] = ()) -> dict[str, Any]:
    """A row in the form in which it is stored.

    Args:
        above: the rows that it is loaded with; one of them may be among its own related ones.
    """
    for distance, one in enumerate(reversed(above), 1):
        if one is row:
            return {ABOVE: distance}
    fields, path = _fields(type(row)), [*above, row]
    columns, more = {}, {}
    for name, value in vars(row).items():
        if name in fields:
            columns[name] = None if value is None else fields[name][1][0](value)
        elif not name.startswith("_"):
            more[name] = _dumped(value, path)
    state: Any = row._state
    related = {
        name: None if one is None else dump(one, path) for name, one in state.fields_cache.items()
    }
    lists = {
        name: [dump(one, path) for one in rows]
        for name, rows in getattr(row, "_prefetched_objects_cache", {}).items()
    }
    found = {MODEL: row._meta.label_lower, COLUMNS: columns}
    found |= {MORE: more} if more else {}
    found |= {RELATED: related} if related else {}
    return found | ({LISTS: lists} if lists else {})


def _dumped(value: Any, path: Sequence[Model]) -> Any:
    """What a prefetch, or an annotation, has left in an attribute."""
    if isinstance(value, Model):
        return dump(value, path)
    if isinstance(value, list) and value and all(isinstance(one, Model) for one in value):
        return [dump(one, path) for one in value]
    if isinstance(value, dict) and MODEL in value:
        raise Unserializable("$", "dict", f"it has a member {MODEL!r}")
    return value


def is_row(stored: object) -> bool:
    """Whether it is a row in the form in which it is stored."""
    return isinstance(stored, dict) and MODEL in stored and COLUMNS in stored


def load(stored: dict[str, Any], above: Sequence[Model] = ()) -> Model:
    """The row that was stored."""
    if ABOVE in stored:
        return above[-int(stored[ABOVE])]
    model: type[Model] = apps.get_model(stored[MODEL])
    fields, columns = _fields(model), stored[COLUMNS]
    names = [name for name in fields if name in columns]
    values = [
        None if columns[name] is None else fields[name][1][1](columns[name]) for name in names
    ]
    row: Model = model.from_db(settings.DATABASE, names, values)
    path = [*above, row]
    for name, value in stored.get(MORE, {}).items():
        setattr(row, name, _loaded(value, path))
    for name, one in stored.get(RELATED, {}).items():
        row._state.fields_cache[name] = None if one is None else load(one, path)
    for name, rows in stored.get(LISTS, {}).items():
        listed = getattr(row, _accessor(model, name)).get_queryset()
        listed._result_cache = [load(one, path) for one in rows]
        listed._prefetch_done = True
        cache = vars(row).setdefault("_prefetched_objects_cache", {})
        cache[name] = listed
    return row


def _accessor(model: type[Model], name: str) -> str:
    """The attribute of rows that a prefetched list, kept under this name, is found by."""
    if not hasattr(model, name):
        for relation in model._meta.related_objects:
            if relation.name == name:
                return str(relation.get_accessor_name())
    return name


def _loaded(value: Any, path: Sequence[Model]) -> Any:
    if isinstance(value, dict) and MODEL in value:
        return load(value, path)
    if isinstance(value, list) and value and isinstance(value[0], dict) and MODEL in value[0]:
        return [load(one, path) for one in value]
    return value
