"""The common fetchers: rows by pk, a parent's rows, and fetchers that are bound to a value.

Those of a CacheModel read ``.cached``: one round trip to the store in place of a query.
"""

from __future__ import annotations

from collections.abc import Hashable, MutableMapping
from contextlib import suppress
from functools import cache
from typing import Any, ClassVar, Self, cast
from weakref import WeakValueDictionary

from django.core.exceptions import ValidationError
from django.db.models import Field, Model, QuerySet

from ..exceptions import FetcherError, KeyParameterMismatch, UndeclaredLookup
from ..products.columns import value_field
from ..public_names import public_in
from ..rows.fields import lookup_field
from ..rows.reader import RowReader
from . import context as request_context
from .fetcher import DataFetcher


def _reader(model: type[Model]) -> RowReader[Any] | None:
    cached = getattr(model, "cached", None)
    return cached if isinstance(cached, RowReader) else None


def _check_model(fetcher: type) -> None:
    model = getattr(fetcher, "model", None)
    if not (isinstance(model, type) and issubclass(model, Model)):
        raise FetcherError(f"{fetcher.__qualname__}.model is a model class, not {model!r}.")


def _clean(field: Field[Any, Any], value: Any) -> Any:
    """A value as the field has it; for a foreign key the target's."""
    if value is None:
        return None
    if isinstance(value, Model):
        value = _of_row(field, value)
    try:
        return value_field(field).to_python(value)
    except ValidationError:
        raise KeyParameterMismatch(f"{value!r} is not a value of {field}", str(field)) from None


def _of_row(field: Any, row: Model) -> Any:
    """The value by which a field tells a row: its own, or the one that a foreign key points to."""
    related = field.related_model
    if related is not None and isinstance(row, related):
        return getattr(row, field.target_field.attname)
    is_own = field.primary_key and isinstance(row, field.model)
    if not is_own and (related is not None or field.primary_key):
        kind = field.model if related is None else related
        raise KeyParameterMismatch(f"takes a {kind.__name__} or its key, not {row!r}", str(field))
    return row.pk


@public_in("kck_publish.request")
class AbstractModelByIdFetcher(DataFetcher):
    """Rows by primary key; None where there is none.

    Attributes:
        model: whose rows.
    """

    model: ClassVar[type[Model]]

    def clean_key(self, key: Any) -> Any:
        """The key as the primary key has it: ``"1"`` and ``1`` are one.

        Raises:
            KeyParameterMismatch: it cannot be one.
        """
        _check_model(type(self))
        fields = self.model._meta.pk_fields
        if len(fields) == 1:
            return _clean(fields[0], key)
        if not isinstance(key, tuple | list) or len(key) != len(fields):
            names = ", ".join(field.attname for field in fields)
            raise KeyParameterMismatch(f"pk is ({names}), not {key!r}", self.model._meta.label)
        return tuple(_clean(field, part) for field, part in zip(fields, key, strict=True))

    def batch_load_dict(self, keys: list[Any]) -> dict[Any, Model]:
        asked = [key for key in keys if key is not None]
        reader = _reader(self.model)
        return (reader or self.model._default_manager).in_bulk(asked)

    def get_all(self, queryset: QuerySet[Any] | None = None) -> list[Any]:
        """The rows of a queryset (all of the model's when None), known by pk from now on.

        Raises:
            FetcherError: the queryset is of another model.
        """
        _check_model(type(self))
        if queryset is None:
            queryset = self.model._default_manager.all()
        if not issubclass(queryset.model, self.model):
            raise FetcherError(
                f"{type(self).__qualname__} is of {self.model.__name__}; get_all was given rows "
                f"of {queryset.model.__name__}."
            )
        ticket = self.values().ticket
        rows = list(queryset)
        self.values().keep(ticket, {row.pk: row for row in rows})
        return rows


@public_in("kck_publish.request")
class AbstractChildModelByAttrFetcher(DataFetcher):
    """The rows that have a value, in pk order: those of a parent. An empty list where none.

    Attributes:
        model: whose rows.
        attr: the field, a foreign key as a rule, by name or column (``author_id``). One round
            trip to the store where the model declares it in ``cached_lists``, else one query.
    """

    model: ClassVar[type[Model]]
    attr: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "parent_attr" in cls.__dict__:
            raise FetcherError(f"{cls.__qualname__}: name the field in attr, not in parent_attr.")

    def _field(self) -> Field[Any, Any]:
        _check_model(type(self))
        attr = getattr(type(self), "attr", None)
        try:
            return lookup_field(self.model, str(attr))
        except KeyError:
            raise FetcherError(
                f"{type(self).__qualname__}.attr is a field of {self.model.__name__}, not {attr!r}."
            ) from None

    def clean_key(self, key: Any) -> Any:
        """The key as the field has it.

        Raises:
            KeyParameterMismatch: it cannot be one.
        """
        return _clean(self._field(), key)

    def give(self, value: Any) -> Any:
        return list(value)

    def batch_load_dict(self, keys: list[Any]) -> dict[Any, list[Any]]:
        attname = self._field().attname
        reader = _reader(self.model)
        rows: dict[Any, list[Any]] = {key: [] for key in keys}
        if reader is not None:
            with suppress(UndeclaredLookup):
                return rows | reader.filter_many(attname, keys)
        query = self.model._default_manager.filter(**{f"{attname}__in": keys}).order_by("pk")
        for row in query:
            rows[getattr(row, attname)].append(row)
        return rows


@public_in("kck_publish.request")
class PrimaryKeyFetcherFactory:
    """Fetchers of rows by pk, without writing a class for each."""

    @staticmethod
    @cache
    def get_model_by_id_fetcher(model: type[Model]) -> type[AbstractModelByIdFetcher]:
        """The fetcher class of a model; the same each time."""
        name = f"{model.__name__}ByIdFetcher"
        namespace = {"model": model, "__module__": model.__module__, "__qualname__": name}
        fetcher = cast(
            "type[AbstractModelByIdFetcher]", type(name, (AbstractModelByIdFetcher,), namespace)
        )
        _check_model(fetcher)
        return fetcher


@public_in("kck_publish.request")
class ValueBoundDataFetcher(DataFetcher):
    """A fetcher that knows a value besides its keys, a user for instance, as ``bound_value``."""

    bound_value: Any = None

    @classmethod
    def get_value_bound_class(cls, key: Any, value: Any = None) -> type[Self]:
        """The class that is bound to a value; in one request the same for the same key.

        It lives as long as the request does; outside one, as long as somebody holds it. Called on
        ``ValueBoundDataFetcher`` itself, it takes the class and the value.

        Args:
            key: what tells the bound classes apart; hashable.
            value: what is bound; the key itself when None.

        Raises:
            FetcherError: the key cannot be hashed, or is bound to another value already.
        """
        if cls is ValueBoundDataFetcher and isinstance(key, type) and issubclass(key, cls):
            return key.get_value_bound_class(value)
        if not isinstance(key, Hashable) or not _hashable(key):
            raise FetcherError(
                f"{cls.__qualname__}: {type(key).__name__} is no key to bind by: it cannot be "
                "hashed. Pass get_value_bound_class(key, value), with a key that can."
            )
        value = key if value is None else value
        context = request_context.current()
        # With the type, since 1 == True; and in the request, so that none outlives its user.
        place = ("bound", cls, type(key), key)
        bounds = _alone if context is None else context.bound
        known = bounds.get(place)
        if context is None and known is not None and known.bound_value != value:
            del bounds[place]  # where two may bind two values by one key
            known = None
        if known is None:
            known = type(cls.__name__, (cls,), {"bound_value": value, "__module__": cls.__module__})
            known = bounds.setdefault(place, known)
        bound = known.bound_value
        if bound is not value and bound != value:
            raise FetcherError(
                f"{cls.__qualname__}: {key!r} is bound to {bound!r} in this request already."
            )
        return cast("type[Self]", known)


# The bound classes outside a request, for as long as somebody holds them.
_alone: MutableMapping[Any, Any] = WeakValueDictionary()


def _hashable(key: Any) -> bool:
    try:
        hash(key)
    except TypeError:
        return False
    return True


__all__ = [
    "AbstractChildModelByAttrFetcher",
    "AbstractModelByIdFetcher",
    "PrimaryKeyFetcherFactory",
    "ValueBoundDataFetcher",
]
