"""The product of a SerializerPrimer: a row's representation, kept as the renderer's own bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model
from rest_framework.serializers import Serializer

from ...exceptions import InvalidPrimer
from ...primers.product import PrimerProduct
from ...products import encoding, registry
from ...products.depends import Depends
from ...products.fingerprints import fingerprint_of
from ...products.parameters import Parameter
from ...products.product import Computed, Parameters
from ...rows.fields import FieldParameter, pk_parameters
from .context import ProductContext, ProductRequest
from .fields import FieldReads
from .live_permissions import rule_of
from .rendering import parse, render, settings_of_form
from .row_reads import RowReads

if TYPE_CHECKING:
    from .primers import SerializerPrimer

USER = "user"


class SerializerProduct(PrimerProduct):
    """One value a row (and a user, where it is declared so).

    Raises:
        InvalidPrimer: for a serializer that cannot be a product as it is declared.
    """

    keeps_absence = True
    primer: SerializerPrimer

    def _declare(self, name: str, parameters: Sequence[Parameter]) -> None:
        self.model = self._model_of(name)
        self.row_parameters = pk_parameters(self.model)
        own: list[Parameter] = list(self.row_parameters)
        if self.primer.per_user:
            user: Any = get_user_model()._meta.pk
            own.append(FieldParameter(USER, null=True, source=user))
        super()._declare(name, own)
        self.field_reads = self._read_fields()
        names = [parameter.name for parameter in self.row_parameters]
        dependencies = [*self.field_reads.columns.dependencies(names), *self.field_reads.declared]
        if self.primer.per_user:
            dependencies.append(Depends(get_user_model(), user="pk"))
        self.depends_on = [*dependencies, *self.depends_on]
        registry.later(self._read_rows)

    @cached_property
    def row_reads(self) -> RowReads:
        """What decides which rows are serialized. Raises InvalidPrimer."""
        return RowReads(self)

    def _read_rows(self) -> None:
        self.depends_on = [*self.depends_on, *self.row_reads.dependencies]

    def _model_of(self, name: str) -> type[Model]:
        serializer: Any = self.primer.serializer_class
        if not (isinstance(serializer, type) and issubclass(serializer, Serializer)):
            raise InvalidPrimer(f"{name}: serializer_class takes a Serializer, not {serializer!r}.")
        url: object = self.primer.base_url
        if url is not None and not (
            isinstance(url, str) and url.startswith(("http://", "https://"))
        ):  # no request would be at it
            raise InvalidPrimer(f'{name}: base_url begins with "https://", and is not {url!r}.')
        model = self.primer.model or getattr(getattr(serializer, "Meta", None), "model", None)
        if not (model is None or (isinstance(model, type) and issubclass(model, Model))):
            raise InvalidPrimer(f"{name}: model takes a model, not {model!r}.")
        if model is None:
            raise InvalidPrimer(
                f"{name}: {serializer.__name__} does not say of which model; set model."
            )
        return cast("type[Model]", model._meta.concrete_model)

    def _read_fields(self) -> FieldReads:
        reads = FieldReads(self.model, self.primer.sources)
        try:
            reads.serializer(self.serializer(None), self.model)
        except (AssertionError, ImproperlyConfigured) as error:
            raise InvalidPrimer(f"{self.name}: {error}") from error
        if reads.hidden:
            reasons = "; ".join(f"{field}: {why}" for field, why in reads.hidden.items())
            raise InvalidPrimer(
                f"{self.name}: these fields do not show what they read, so nobody knows which "
                f"changes concern them ({reasons}). Say it on the primer: sources = "
                f'{{"{next(iter(reads.hidden))}": ["column", "relation.column", Depends(...)]}}, '
                "an empty list for nothing of the database."
            )
        if reads.unused:
            raise InvalidPrimer(
                f"{self.name}: sources names {', '.join(sorted(reads.unused))}, which is no field "
                "of the serializer that hides what it reads."
            )
        if reads.hosted and self.primer.base_url is None:
            raise InvalidPrimer(
                f"{self.name}: the URLs in {', '.join(reads.hosted)} begin with the host that is "
                'asked, and a product is the same for all. Set base_url = "https://..." to the '
                "host that they are for, or write keys and relative URLs (use_url=False)."
            )
        return reads

    @property
    def live(self) -> Any:  # type: ignore[override]
        """Who may see it: what the primer says now."""
        return rule_of(self.sender.live, self)  # of the class: an object would bind a function

    def serializer(self, user: Any) -> Serializer:
        """A serializer for one user's values; for everybody's when user is None."""
        request = None
        if self.primer.per_user or self.primer.base_url is not None:
            if user is None and self.primer.per_user:
                from django.contrib.auth.models import AnonymousUser

                user = AnonymousUser()
            request = ProductRequest(self.name, self.primer.base_url, user)
        return self.primer.serializer_class(context=ProductContext(self.name, request))

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of(
            "serializer",
            self.name,
            repr(cast("Any", self.sender).version),
            self.field_reads.description,
            settings_of_form(),
            repr(self.primer.base_url),
            django_settings.TIME_ZONE,
            django_settings.LANGUAGE_CODE,
        )

    @property
    def whole_lists(self) -> bool:
        """Whether a list is no more than its rows."""
        meta = getattr(self.primer.serializer_class, "Meta", None)
        return getattr(meta, "list_serializer_class", None) is None

    def members(self) -> Iterable[Parameters] | None:
        return None if self.primer.per_user else super().members()

    @property
    def warm(self) -> bool:
        return not self.primer.per_user  # nobody lists the rows for each user

    def prime_many(self, parameters: Sequence[Parameters]) -> Sequence[Any] | None:
        for each in parameters:
            self.primer.pre_prime(**each)
        values = list(self.primer.compute_many(parameters))
        for each, value in zip(parameters, values, strict=False):
            if not isinstance(value, Computed):
                self.primer.post_prime(value, **each)
        return values

    def encode(self, value: Any) -> encoding.Encoded:
        return encoding.Encoded(render(value))

    def decode(self, body: bytes, shape: bytes | None) -> Any:
        return parse(body)

    def absence(self, shape: bytes | None, key: str) -> Exception:
        error: Exception = cast("Any", self.model).DoesNotExist(f"{key} does not exist.")
        return error
