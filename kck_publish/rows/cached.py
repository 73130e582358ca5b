"""``.cached``, the attribute, and what a type checker makes of it.

Models and primers declare the same descriptor, so that a model may have both. Its overloads ask
the class it is read on: a model gives a reader of its rows; else the signature of the method that
the user wrote (``compute``, ``context`` of a fragment, ``read`` of a remote source, ``queryset``)
becomes that of ``get``, and what it returns, or what an async one gives, is what is read. Of a
queryset that is a list of its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    ParamSpec,
    Protocol,
    TypeVar,
    overload,
)

if TYPE_CHECKING:
    from ..primers.base import Primer
    from ..reading.product_reader import ProductReader
    from .model import CacheModel
    from .reader import RowReader

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
A = TypeVar("A", bound=Mapping[str, Any])
A_co = TypeVar("A_co", bound=Mapping[str, Any], covariant=True)
M = TypeVar("M", bound="CacheModel")


class Computes(Protocol[P, R_co]):
    """A primer that computes."""

    def compute(self, *args: P.args, **parameters: P.kwargs) -> R_co: ...


class Renders(Protocol[P]):
    """A primer that renders a template."""

    template_name: str

    def context(self, *args: P.args, **parameters: P.kwargs) -> Mapping[str, Any]: ...


class Reads(Protocol[P, R_co]):
    """A primer that makes its value of a remote source's bytes."""

    def read(self, data: bytes, *args: P.args, **parameters: P.kwargs) -> R_co: ...


class QueriesOne(Protocol[P, R_co]):
    """A primer of a queryset's first row: where it says so by a literal."""

    one: ClassVar[Literal[True]]

    def queryset(self, *args: P.args, **parameters: P.kwargs) -> Iterable[R_co]: ...


class Aggregates(Protocol[P, A_co]):
    """A primer of an aggregate: a mapping can be iterated over, but not for rows."""

    def queryset(self, *args: P.args, **parameters: P.kwargs) -> A_co: ...


class Queries(Protocol[P, R_co]):
    """A primer of a queryset's rows."""

    def queryset(self, *args: P.args, **parameters: P.kwargs) -> Iterable[R_co]: ...


class Counts(Protocol[P, R_co]):
    """A primer of a number, or the like, that a queryset gives."""

    def queryset(self, *args: P.args, **parameters: P.kwargs) -> R_co: ...


class Presents(Protocol[R_co]):
    """A primer of aggregates: its parameters stand in ``parameters`` only."""

    def present(self, values: dict[str, Any], /) -> R_co: ...


class Cached:
    """The descriptor ``.cached``: one reader a class.

    Args:
        reader_of: makes the reader of a class.
    """

    def __init__(self, reader_of: Callable[[Any], Any]) -> None:
        self.reader_of = reader_of
        self._known: dict[Any, Any] = {}

    @overload
    def __get__(self, instance: None, owner: type[M]) -> RowReader[M]: ...

    @overload
    def __get__(
        self, instance: Primer | None, owner: type[Renders[P]]
    ) -> ProductReader[P, str]: ...

    @overload
    def __get__(self, instance: Primer | None, owner: type[Reads[P, R]]) -> ProductReader[P, R]: ...

    @overload
    def __get__(
        self, instance: Primer | None, owner: type[QueriesOne[P, R]]
    ) -> ProductReader[P, R]: ...

    @overload
    def __get__(
        self, instance: Primer | None, owner: type[Aggregates[P, A]]
    ) -> ProductReader[P, A]: ...

    @overload
    def __get__(
        self, instance: Primer | None, owner: type[Queries[P, R]]
    ) -> ProductReader[P, list[R]]: ...

    @overload
    def __get__(
        self, instance: Primer | None, owner: type[Counts[P, R]]
    ) -> ProductReader[P, R]: ...

    @overload
    def __get__(
        self, instance: Primer | None, owner: type[Presents[R]]
    ) -> ProductReader[..., R]: ...

    @overload
    def __get__(
        self, instance: Primer | None, owner: type[Computes[P, Coroutine[Any, Any, R]]]
    ) -> ProductReader[P, R]: ...

    @overload
    def __get__(
        self, instance: Primer | None, owner: type[Computes[P, R]]
    ) -> ProductReader[P, R]: ...

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is not None:
            raise AttributeError(f"cached is read on {owner.__name__}, not on its instances.")
        found = self._known.get(owner)
        return self._known.setdefault(owner, self.reader_of(owner)) if found is None else found
