"""SerializerPrimer: an existing serializer, declared as a product."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, cast

from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.db.models import Model, QuerySet
from django.utils import timezone, translation

from ...conf import settings
from ...primers.base import Primer
from ...products.product import Computed, Parameters
from ...products.value_types import DictValue
from ...public_names import public_in
from .products import USER, SerializerProduct


@public_in("kck_publish.contrib.rest_framework")
class SerializerPrimer(Primer, Generic[DictValue]):
    """Declares what a serializer makes of a row as a product. Its parameter is the row's pk.

        class BookV1(SerializerPrimer):
            key = "api.book.v1"
            serializer_class = BookSerializer

    For type checkers its value is ``dict[str, Any]``, or the type in brackets, a TypedDict for
    example. Its dependencies are found from the serializer's fields. Only what has been read is
    kept up; with ``eager`` every row is.

    Attributes:
        serializer_class: the serializer.
        model: of the rows; the serializer's ``Meta.model`` when None.
        sources: what a field reads that does not show it (a SerializerMethodField, a property),
            by the field's name: columns as in ``source=``, ``"author.*"`` for all of a row, or
            Depends. ``"*"`` is the serializer itself.
        per_user: one value a user; the serializer finds the user in ``context["request"]``.
        base_url: what absolute URLs begin with; asked at another host, a view computes.
        depends_on: what the product depends on beside that.
        live: as of every Primer; also REST framework's permissions, a list of them or one, which
            are asked as for a retrieve.
    """

    serializer_class: ClassVar[Any] = None
    model: ClassVar[type[Model] | None] = None
    sources: ClassVar[Mapping[str, Sequence[Any]]] = {}
    per_user: ClassVar[bool] = False
    base_url: ClassVar[str | None] = None
    live: Any = None
    _product: ClassVar[SerializerProduct]

    @classmethod
    def _announce(cls) -> None:
        cls._product = SerializerProduct(cls())
        cls._register(cls._product)

    @property
    def product(self) -> SerializerProduct:
        """The product that this declares."""
        return self._product

    def get_queryset(self) -> QuerySet[Any]:
        """The rows that are serialized: all of the model. Give annotations here."""
        return self.product.model._base_manager.all()

    def compute(self, *args: Any, **parameters: Any) -> DictValue:
        """The representation of one row."""
        (value,) = self.compute_many([parameters])
        shown: DictValue = value.get() if isinstance(value, Computed) else value
        return shown

    def compute_many(self, parameters: Sequence[Parameters], **options: Any) -> Iterable[Any]:
        """The representations of several rows: one query, and one a related table."""
        product = self.product
        names = [parameter.name for parameter in product.row_parameters]
        keys = [tuple(each[name] for name in names) for each in parameters]
        wanted = [key[0] if len(names) == 1 else key for key in dict.fromkeys(keys)]
        given = self.get_queryset().using(settings.DATABASE)
        product.row_reads.check(given)
        queryset = product.field_reads.columns.rows(given)
        rows = {
            tuple(getattr(row, name) for name in names): row
            for row in queryset.filter(pk__in=wanted)
        }
        serializers = _Serializers(product, parameters)
        # The listener's language and zone, whoever reads first.
        with translation.override(django_settings.LANGUAGE_CODE), timezone.override(None):
            return [
                serializers.represent(each.get(USER), rows.get(key))
                for key, each in zip(keys, parameters, strict=True)
            ]

    def domain(self) -> Iterable[Mapping[str, Any]]:
        """Every row of the model."""
        names = [parameter.name for parameter in self.product.row_parameters]
        rows = self.get_queryset().using(settings.DATABASE).order_by("pk")
        return rows.values(*names)


class _Serializers:
    """The serializers of one compute: one a user."""

    def __init__(self, product: SerializerProduct, parameters: Sequence[Parameters]) -> None:
        self._product = product
        self._made: dict[Any, Any] = {}
        self._users: Mapping[Any, Any] = {}
        if product.primer.per_user:
            ids = {each[USER] for each in parameters} - {None}
            users = get_user_model()._default_manager.using(settings.DATABASE)
            self._users = users.in_bulk(ids) if ids else {}

    def represent(self, user: Any, row: Any) -> Any:
        """The row as this user sees it; that there is none, when one of the two is gone."""
        if row is None:
            return Computed(absent=cast("Any", self._product.model).DoesNotExist())
        if user is not None and user not in self._users:
            return Computed(absent=get_user_model().DoesNotExist())
        if user not in self._made:
            self._made[user] = self._product.serializer(self._users.get(user))
        serializer = self._made[user]
        serializer.instance = row
        return serializer.to_representation(row)
