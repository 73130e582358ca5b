"""The products that primers declare: what the library asks of a product, asked of a Primer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model

from ..conf import settings
from ..exceptions import InvalidPrimer, Reprime
from ..products import encoding, keys
from ..products.depends import Change, Depends
from ..products.parameters import Parameter, check_parameters
from ..products.product import Parameters, Product
from ..products.run_async import finished
from ..products.timetable import timetable
from ..retry import Retry
from ..rows.products import is_published, pk_parameters

if TYPE_CHECKING:
    from .base import Primer


def unwritten(method: Any) -> Any:
    """Marks a method of Primer that does nothing until a user writes it."""
    method.unwritten = True
    return method


_BEHIND = ("serve", "compute", "raise")


class PrimerProduct(Product):
    """The product of a Primer.

    Args:
        primer: the one instance that computes; it keeps no state between calls.

    Raises:
        InvalidPrimer: for a declaration that cannot work.
    """

    def __init__(self, primer: Primer) -> None:
        self.primer = primer
        self.sender = type(primer)
        self._declare(type(primer).key, primer.parameters)
        if not self._writes("compute"):
            raise InvalidPrimer(f"{self.name}: write compute(self, ...).")

    def _declare(self, name: str, parameters: Sequence[Parameter]) -> None:
        self.name = keys.check_name(name)
        self.parameters = check_parameters(self.name, parameters)
        declared: Any = self.sender
        self.depends_on = [
            one if isinstance(one, Depends) else Depends(one) for one in declared.depends_on
        ]
        if declared.when_behind not in _BEHIND:
            raise InvalidPrimer(
                f"{self.name}: when_behind is one of {', '.join(map(repr, _BEHIND))}, "
                f"not {declared.when_behind!r}."
            )
        most = declared.max_bytes
        if most is not None and (type(most) is not int or most < 1):
            raise InvalidPrimer(f"{self.name}: max_bytes is a number of bytes, not {most!r}.")
        limit = declared.time_limit
        if limit is not None and not (isinstance(limit, timedelta) and limit > timedelta(0)):
            raise InvalidPrimer(f"{self.name}: time_limit is a timedelta, not {limit!r}.")
        if declared.refresh_every is not None:
            try:
                timetable(declared.refresh_every, UTC)
            except ValueError as wrong:
                raise InvalidPrimer(f"{self.name}: refresh_every: {wrong}.") from None
        share = declared.check_augment
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise InvalidPrimer(
                f"{self.name}: check_augment is a share from 0 to 1, not {share!r}."
            )

    # Read when used, so that a test or a project may change them on the class.

    @property
    def declared(self) -> Any:
        return self.sender

    @property
    def eager(self) -> bool:  # type: ignore[override]
        return bool(cast("Any", self.sender).eager)

    @property
    def prime_on_cache_miss(self) -> bool:  # type: ignore[override]
        return bool(cast("Any", self.sender).prime_on_cache_miss)

    @property
    def soft_expire(self) -> timedelta | None:  # type: ignore[override]
        return cast("timedelta | None", cast("Any", self.sender).soft_expire)

    @property
    def hard_expire(self) -> timedelta | None:  # type: ignore[override]
        return cast("timedelta | None", cast("Any", self.sender).hard_expire)

    @property
    def refresh_every(self) -> timedelta | str | None:  # type: ignore[override]
        return cast("timedelta | str | None", cast("Any", self.sender).refresh_every)

    @property
    def when_behind(self) -> str:  # type: ignore[override]
        return str(cast("Any", self.sender).when_behind)

    @property
    def max_lag(self) -> timedelta:  # type: ignore[override]
        return cast("timedelta", cast("Any", self.sender).max_lag)

    @property
    def retry(self) -> Retry | None:  # type: ignore[override]
        return cast("Retry | None", cast("Any", self.sender).retry)

    @property
    def max_bytes(self) -> int | None:  # type: ignore[override]
        return cast("int | None", cast("Any", self.sender).max_bytes)

    @property
    def time_limit(self) -> timedelta | None:  # type: ignore[override]
        return cast("timedelta | None", cast("Any", self.sender).time_limit)

    @property
    def check_augment(self) -> float:  # type: ignore[override]
        return float(cast("Any", self.sender).check_augment)

    @cached_property
    def fingerprint(self) -> str:
        return encoding.fingerprint("primer", self.name, repr(cast("Any", self.sender).version))

    @cached_property
    def augmentable(self) -> bool:
        return self._writes("augment")

    def prime_one(self, parameters: Parameters) -> Any:
        self.primer.pre_prime(**parameters)
        value = finished(self.primer.compute(**parameters))
        self.primer.post_prime(value, **parameters)
        return value

    def prime_many(self, parameters: Sequence[Parameters]) -> Sequence[Any] | None:
        if not self._writes("compute_many"):
            return None
        for each in parameters:
            self.primer.pre_prime(**each)
        values = list(finished(self.primer.compute_many(parameters)))
        for each, value in zip(parameters, values, strict=False):
            self.primer.post_prime(value, **each)
        return values

    def augment_with(self, value: Any, changes: Iterable[Change], parameters: Parameters) -> Any:
        for change in changes:
            value = self.primer.augment(value, change, **parameters)
        return value

    def members(self) -> Iterable[Parameters] | None:
        if self._writes("domain"):
            found: Iterable[Parameters] = self.primer.domain()
            return found
        return None if self.parameters else [{}]  # without parameters there is one key

    @property
    def has_domain(self) -> bool:
        return self.warm

    @property
    def warm(self) -> bool:
        return self._writes("domain") or not self.parameters

    def before_set(self, value: Any, parameters: Parameters) -> None:
        self.primer.pre_set(value, **parameters)

    def after_set(self, value: Any, parameters: Parameters) -> None:
        self.primer.post_set(value, **parameters)

    def is_newer_than(self, other: Product) -> bool:
        """Whether this is the same class, declared again by a module that is loaded again."""
        mine, theirs = self.sender, other.sender
        return (mine.__module__, mine.__qualname__) == (theirs.__module__, theirs.__qualname__)

    def _writes(self, method: str) -> bool:
        return not hasattr(getattr(self.sender, method), "unwritten")

    def __repr__(self) -> str:
        return f"{self.sender.__module__}.{self.sender.__qualname__}"


class ModelPrimerProduct(PrimerProduct):
    """The product of a model with Primer as a mixin: one value a row, computed by the row."""

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        self.sender = model
        name = vars(model).get("key")
        name = name if isinstance(name, str) else f"{model._meta.label_lower}.product"
        parameters = pk_parameters(model)
        self._declare(name, parameters)
        own = Depends.by(model, {one.name: one.name for one in parameters})
        self.depends_on = [own, *self.depends_on]

    def prime_one(self, parameters: Parameters) -> Any:
        row: Any = self._row(parameters)
        row.pre_prime()
        value = finished(row.compute())
        row.post_prime(value)
        return value

    def prime_many(self, parameters: Sequence[Parameters]) -> Sequence[Any] | None:
        return None

    def augment_with(self, value: Any, changes: Iterable[Change], parameters: Parameters) -> Any:
        try:
            row: Any = self._row(parameters)
        except ObjectDoesNotExist:
            raise Reprime("the row is gone") from None
        for change in changes:
            value = row.augment(value, change)
        return value

    @property
    def eager(self) -> bool:  # type: ignore[override]
        return False  # written rows are primed (see named_by), not the whole table

    def named_by(self, change: Change, dependency: Depends) -> bool:
        return dependency is self.depends_on[0] and is_published(self.model)

    def members(self) -> Iterable[Parameters] | None:
        names = [one.name for one in self.parameters]
        rows = self.model._default_manager.using(settings.DATABASE).values_list(*names)
        return (dict(zip(names, values, strict=True)) for values in rows.order_by("pk"))

    @property
    def warm(self) -> bool:
        return True

    def before_set(self, value: Any, parameters: Parameters) -> None:
        if self._hooks("pre_set"):
            cast("Any", self._row(parameters)).pre_set(value)

    def after_set(self, value: Any, parameters: Parameters) -> None:
        if self._hooks("post_set"):
            cast("Any", self._row(parameters)).post_set(value)

    def _hooks(self, name: str) -> bool:
        return not hasattr(getattr(self.model, name), "unwritten")

    def _row(self, parameters: Parameters) -> Model:
        return self.model._default_manager.using(settings.DATABASE).get(**parameters)
