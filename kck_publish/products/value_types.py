"""The type of a value, where the user names it in brackets: ``AggregatePrimer[Revenue]``.

Each has a default, for a class without brackets. Python knows none before 3.13, and needs none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    AnyValue = TypeVar("AnyValue", default=Any)
    DictValue = TypeVar("DictValue", default=dict[str, Any])
else:
    from typing import TypeVar

    AnyValue = TypeVar("AnyValue")
    DictValue = TypeVar("DictValue")
