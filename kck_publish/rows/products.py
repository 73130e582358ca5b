"""The products of a model's rows: the row by its pk, by each lookup, and lists of rows.

A ``CacheModel`` declares them; ``reader`` reads them. They are ordinary products, so that the
log, the refresh and the store know no special case for rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import orjson
from django.core.exceptions import MultipleObjectsReturned
from django.db import router
from django.db.models import Model

from .. import conf
from ..exceptions import Unserializable
from ..products import encoding
from ..products.depends import Change, Depends
from ..products.fingerprints import fingerprint_of
from ..products.product import Computed, Parameters, Product
from . import embedded, read_rows, read_together
from .fields import field_parameter, lookup_field, takes_null
from .lookup_query import LookupQuery
from .managers import rows_of
from .options import option
from .publish import publishes_itself

_MANY = b"many"


class RowProduct(Product):
    """One row under a lookup; under the primary key when no fields are given."""

    keeps_absence = True
    announces = "published"
    # So many rows of a key are read: with two it is known that there is more than the one.
    most: int | None = 2

    def __init__(self, model: type[Model], fields: Sequence[str] = ()) -> None:
        self.model = model
        self.sender = model
        self.embedded = embedded.tree_of(model)
        self.codec = embedded.codec_of(model, self.embedded)
        by_pk = not fields
        found = [lookup_field(model, name) for name in fields] or list(model._meta.pk_fields)
        self.fields = sorted(found, key=lambda one: one.attname) if fields else found
        self.attnames = tuple(field.attname for field in self.fields)
        single = by_pk and len(self.fields) == 1
        self.parameters = [
            field_parameter(field, "pk" if single else "", null=takes_null(field))
            for field in self.fields
        ]
        self.name = model._meta.label_lower + self.suffix(() if by_pk else self.attnames)
        names = [parameter.name for parameter in self.parameters]
        mapping = dict(zip(names, self.attnames, strict=True))
        self.depends_on = [
            Depends.by(model, mapping),
            *embedded.dependencies(model, self.embedded, mapping),
        ]
        # Written rows are published; those that nobody writes are primed when they are read.
        self.published = is_published(model)
        if by_pk and self.published and publishes_itself(model):
            self.publisher = model
        self.captured = tuple(option(model, "captured") or ())

    def suffix(self, attnames: Sequence[str]) -> str:
        """The part of the product's name that tells the lookup from the model's other ones."""
        return ":" + ",".join(attnames) if attnames else ""

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of("row", self.model._meta.label_lower, self.codec.description)

    @property
    def warm(self) -> bool:
        return self.published

    def sees_rows(self, dependency: Depends) -> bool:
        # publish() is run on the row's old and new version.
        own = dependency is self.depends_on[0] and publishes_itself(self.model)
        return own and option(self.model, "captured") is None

    def named_by(self, change: Change, dependency: Depends) -> bool:
        return dependency is self.depends_on[0] and self._names_its_rows

    @cached_property
    def _names_its_rows(self) -> bool:
        """Whether a written row is published by it: an overriding publish() says what is."""
        return self.published and not publishes_itself(self.model)

    def check_set(self, value: Any) -> None:
        check_rows(self.model, [value])

    def encode(self, value: Any) -> encoding.Encoded:
        return encoding.Encoded(self.codec.dump(value))

    def decode(self, body: bytes, shape: bytes | None) -> Any:
        return self.codec.instance(orjson.loads(body), self._read_from(conf.current()))

    def row(self, body: bytes) -> Any:
        """A row of the near store, which has just been read by ``.cached``."""
        if self.embedded:
            return self.given([body])[0]
        return self.codec.instance(
            orjson.loads(body), self._read_from(conf.last), read_together.ALONE
        )

    def given(self, bodies: Iterable[bytes]) -> list[Any]:
        """As ``row``, of several of one read, which fetch relations together."""
        read, alias = orjson.loads, self._read_from(conf.last)
        if isinstance(self.codec, embedded.EmbeddingCodec):
            rows = [self.codec.instance(read(body), alias) for body in bodies]
            read_together.mark(rows, self.embedded)
            return rows
        build, together = self.codec.builder(), read_together.Peers()
        rows = [build(read(body), alias, together) for body in bodies]
        together.join(rows)
        return rows

    def _read_from(self, now: conf.CheckedSettings) -> str:
        """The alias that ``objects.get()`` would have read from: a replica's, perhaps.

        What is stored was read in DATABASE; this is what an instance says of itself.
        """
        return router.db_for_read(self.model) if router.routers else now.values.DATABASE

    def absence(self, shape: bytes | None, key: str) -> Exception:
        model = cast("Any", self.model)
        error: Exception = (
            model.MultipleObjectsReturned(f"{key}: more than one row.")
            if shape == _MANY
            else model.DoesNotExist(f"{key}: no such {model.__name__}.")
        )
        return error

    def absence_shape(self, absent: Exception) -> bytes | None:
        return _MANY if isinstance(absent, MultipleObjectsReturned) else None

    def prime_one(self, parameters: Parameters) -> Any:
        return self.result(self.rows([parameters])[self.key_of(parameters)], parameters).get()

    def prime_many(self, parameters: Sequence[Parameters]) -> Sequence[Any]:
        found = self.rows(parameters)
        return [self.result(found[self.key_of(each)], each) for each in parameters]

    def result(self, rows: list[Model], parameters: Parameters) -> Computed:
        """The answer of the rows under a lookup: one, none, or too many."""
        if len(rows) == 1:
            return Computed(rows[0])
        shape = _MANY if rows else None
        return Computed(absent=cast("Any", self.absence(shape, self.key_of(parameters))))

    def rows(self, parameters: Sequence[Parameters]) -> dict[str, list[Model]]:
        """The rows of several keys, in pk order, by one query for many keys."""
        found: dict[str, list[Model]] = defaultdict(list)
        known = read_rows.of_batch(self.model)
        if known is not None and self._is_unique and known.any_for(self.name):
            parameters = [each for each in parameters if not self._known(known, each, found)]
        for chunk in self._query.portions(parameters):
            rows = list(self._query.fetch(chunk))
            for row in rows:
                found[self._key_of_row(row)].append(row)
            if known is not None:
                known.add(self.name, rows)
        return found

    def _known(
        self, rows: read_rows.ReadRows, each: Parameters, found: dict[str, list[Model]]
    ) -> bool:
        """Whether the row under a lookup was read by this batch under another one."""
        if any(value is None for value in each.values()):  # which no constraint keeps unique
            return False
        key = self.key_of(each)
        row = rows.find(self.name, self._key_of_row, key)
        if row is not None:
            found[key].append(row)
        return row is not None

    @cached_property
    def _query(self) -> LookupQuery:
        names = [parameter.name for parameter in self.parameters]
        columns = dict(zip(names, self.fields, strict=True))
        return LookupQuery(self.model, columns, self.embedded, self.most)

    @cached_property
    def _is_unique(self) -> bool:
        return read_rows.is_unique(self.model, self.fields)

    def _key_of_row(self, row: Model) -> str:
        values = [getattr(row, attname) for attname in self.attnames]
        if len(values) == 1 and (key := self.plain_key(values[0])) is not None:
            return key
        names = [parameter.name for parameter in self.parameters]
        return self.key_of(dict(zip(names, values, strict=True)))

    def count_members(self) -> int:
        return rows_of(self.model).count()

    def members(self) -> Iterator[Parameters]:
        return self._query.values()


class ListProduct(RowProduct):
    """All rows under a lookup, in pk order; an empty list where there are none."""

    keeps_absence = False
    most = None

    def __init__(self, model: type[Model], fields: Sequence[str]) -> None:
        super().__init__(model, fields)
        # A list is made once somebody asks for it: it may be long, and its rows are many.
        self.published = False

    def suffix(self, attnames: Sequence[str]) -> str:
        return "[" + ",".join(attnames) + "]"

    def check_set(self, value: Any) -> None:
        check_rows(self.model, value)

    def encode(self, value: Any) -> encoding.Encoded:
        return encoding.Encoded(orjson.dumps([self.codec.values(row) for row in value]))

    def decode(self, body: bytes, shape: bytes | None) -> Any:
        instance, alias = self.codec.instance, self._read_from(conf.current())
        return [instance(values, alias) for values in orjson.loads(body)]

    def result(self, rows: list[Model], parameters: Parameters) -> Computed:
        return Computed(rows)

    def is_nothing(self, computed: Computed) -> bool:
        return computed.error is None and not computed.value


def is_published(model: type[Model]) -> bool:
    """The ``eager`` of a CacheModel: what Primer, as a mixin, says of primers is not meant.

    The rows of a proxy are kept up once somebody has read them.
    """
    return not model._meta.proxy and bool(option(model, "eager"))


def check_rows(model: type[Model], rows: Any) -> None:
    """Refuse what is no list of a model's rows. Raises Unserializable."""
    listed = isinstance(rows, Iterable) and not isinstance(rows, str | bytes | Mapping)
    for row in rows if listed else [rows]:
        if not isinstance(row, model._meta.concrete_model or model):
            kept = f"a row of {model._meta.label}, or a list of them, is kept here"
            raise Unserializable("$", type(row).__name__, kept)
