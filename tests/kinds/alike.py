"""What "equals ``objects.get()``, field by field and type by type" means."""

from __future__ import annotations

import datetime
import math
import pickle
from typing import Any

from django.db import DJANGO_VERSION_PICKLE_KEY
from django.db.backends.postgresql.psycopg_any import Range
from django.db.models import Model
from django.db.models.fields.files import FieldFile


def alike(one: Any, other: Any) -> bool:
    """Whether two values are equal and of the same types, all through."""
    if type(one) is not type(other):
        return False
    if isinstance(one, FieldFile):
        return one.name == other.name and one.field is other.field
    if isinstance(one, memoryview):
        return bytes(one) == bytes(other)
    if isinstance(one, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, datetime.datetime | datetime.time):
        return one == other and repr(one.tzinfo) == repr(other.tzinfo)
    if isinstance(one, dict):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, Range):
        return (one.isempty, one.bounds) == (other.isempty, other.bounds) and all(
            alike(getattr(one, end), getattr(other, end)) for end in ("lower", "upper")
        )
    # Exact even where == is not: Decimal("1.0"), and a NaN.
    return bool(one == other or repr(one) == repr(other)) and repr(one) == repr(other)


def differences(found: Model, expected: Model) -> list[str]:
    """What tells an instance that was read from ``.cached`` from that of ``objects.get()``."""
    wrong = [] if type(found) is type(expected) else [f"{type(found)} is no {type(expected)}"]
    for field in expected._meta.concrete_fields:
        mine, theirs = getattr(found, field.attname), getattr(expected, field.attname)
        if not alike(mine, theirs):
            wrong.append(f"{field.attname}: {mine!r} is not {theirs!r}")
    states = [
        (one._state.db, one._state.adding, one.get_deferred_fields()) for one in (found, expected)
    ]
    if states[0] != states[1]:
        wrong.append(f"_state {states[0]} is not {states[1]}")
    if others := (set(vars(found)) ^ set(vars(expected))) - {DJANGO_VERSION_PICKLE_KEY}:
        wrong.append(f"attributes {others}")
    if (found.pk, hash(found)) != (expected.pk, hash(expected)) or found != expected:
        wrong.append("another row")
    return wrong


def usable(found: Model) -> None:
    """It can be saved, pickled and refreshed, as any instance can."""
    found.save()
    found.refresh_from_db()
    thawed = pickle.loads(pickle.dumps(found))
    assert not differences(thawed, found)
