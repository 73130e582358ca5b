"""Refusal: why a part of a value cannot be stored, and how it is written in the error."""

from __future__ import annotations

import json
from collections.abc import Iterable
from types import FunctionType


class Refusal(Exception):  # noqa: N818 - ``encoding`` makes an error of it
    """On its way up from the part that cannot be stored, collecting the path."""

    def __init__(self, kind: str, hint: str) -> None:
        self.kind = kind
        self.hint = hint
        self.steps: list[object] = []


_SHOWN = 12  # steps of a path; a value that contains itself has hundreds


def path_of(steps: Iterable[object]) -> str:
    """`$.rows[3].when`; a member of a set is `[*]`."""
    parts = [_step(step) for step in steps]
    if len(parts) > _SHOWN:
        parts = [*parts[: _SHOWN - 2], "...", *parts[-2:]]
    return "$" + "".join(parts)


def _step(step: object) -> str:
    if isinstance(step, str):
        return f".{step}" if step.isidentifier() else f"[{json.dumps(step)}]"
    return "[*]" if step is ... else f"[{step}]"


# By name of a base class: Django is not imported here, and a lazy object must not be evaluated.
_HINTS = {
    "Model": "store its pk, or a dict of its fields; or read it through .cached",
    "QuerySet": "use list(queryset.values(...))",
    "Promise": "it is a lazy text: use str(value)",
    "LazyObject": "it is lazy: store the pk or the fields of what is behind it",
    "FieldFile": "use value.name or value.url",
    "Enum": "use value.value",
    "tuple": "use value._asdict(), or tuple(value)",
    "bytearray": "use bytes(value)",
    "memoryview": "use bytes(value)",
    "ndarray": "use value.tolist()",
}


def hint_of(value: object) -> str:
    kind = type(value)
    for base in kind.__mro__:
        if base.__name__ in _HINTS:
            return _HINTS[base.__name__]
    if hasattr(kind, "__dataclass_fields__"):
        return "use dataclasses.asdict(value)"
    if hasattr(kind, "__iter__"):
        return "use list(value)"
    return "store what it returns" if isinstance(value, FunctionType) else ""
