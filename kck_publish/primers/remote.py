"""RemotePrimer: a product read from outside the database, with the last good value kept.

What the source said of itself is remembered apart from the value, together with the value's hash:
it is handed over only while just that value is stored. So whatever is lost, cut off or set by hand
in between, the worst is one fetch more; a value is never held for the source's when it is not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic

import orjson
from django.db import connections

from .. import stores
from ..conf import settings
from ..exceptions import InvalidPrimer
from ..postgres import Cursor, connect
from ..products import registry
from ..products.product import Product
from ..products.value_types import AnyValue
from ..public_names import public_in
from ..stores import Address
from .base import Primer
from .fetching import Fetched, Unchanged
from .file_source import FileSource
from .http_source import HttpSource

_STATE = "SELECT state, value FROM kck_publish_fetch WHERE digest = %s"
_REMEMBER = """
INSERT INTO kck_publish_fetch (digest, key, product, value, state) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (digest) DO UPDATE SET value = excluded.value, state = excluded.state,
    at = clock_timestamp()
"""
# Only where a value is stored is it of any use; one that was just read may not be stored yet.
_FORGET = """
DELETE FROM kck_publish_fetch WHERE digest = ANY (ARRAY(
    SELECT f.digest FROM kck_publish_fetch f
     WHERE f.at < clock_timestamp() - make_interval(secs => %s)
       AND NOT EXISTS (SELECT FROM kck_publish_entry e WHERE e.digest = f.digest)
     LIMIT 5000))
"""


@dataclass(frozen=True)
class _Last:
    """The stored value of a key, and what its source said of itself with it."""

    value: Any = None
    state: Mapping[str, Any] | None = None


@public_in("kck_publish")
class RemotePrimer(Primer, Generic[AnyValue]):
    """A product of a remote source.

    For type checkers its value is what ``read`` gives, or, with a ``fetch`` of one's own, the type
    in brackets: ``class Rates(RemotePrimer[dict[str, Decimal]])``.

    Attributes:
        source: an ``HttpSource`` or a ``FileSource``; or write ``fetch``.
    """

    source: ClassVar[HttpSource | FileSource | None] = None

    @classmethod
    def _announce(cls) -> None:
        if cls.source is None and cls.fetch is RemotePrimer.fetch:
            raise InvalidPrimer(f"{cls.key}: set source, or write fetch(self, state, ...).")
        names = set() if cls.source is None else cls.source.names
        if unknown := names - {parameter.name for parameter in cls.parameters}:
            raise InvalidPrimer(
                f"{cls.key}: its source is filled with {', '.join(sorted(unknown))}, which is no "
                "parameter of it."
            )
        super()._announce()

    def read(self, data: bytes, *args: Any, **parameters: Any) -> AnyValue:
        """``read(data, **parameters)``: the value, of the source's bytes. JSON, if not written."""
        value: AnyValue = json.loads(data)
        return value

    def fetch(
        self, state: Mapping[str, Any], *args: Any, **parameters: Any
    ) -> Fetched[AnyValue] | Unchanged:
        """``fetch(state, **parameters)``: the value, or ``UNCHANGED``.

        Args:
            state: that of the last ``Fetched``; {} when there is no value that could be kept.

        Raises:
            FetchFailed, or anything else: the last good value stays, and it is tried again.
            ObjectDoesNotExist: to say that there is none.
        """
        assert self.source is not None  # _announce has seen to it
        texts = {
            parameter.name: ""
            if (value := parameters[parameter.name]) is None
            else parameter.to_text(value)
            for parameter in self.parameters
        }
        answer = self.source.fetch(state, texts)
        if isinstance(answer, Unchanged):
            return answer
        return Fetched(self.read(answer.data, **parameters), answer.state)

    def compute(self, *args: Any, **parameters: Any) -> AnyValue:
        product = registry.get(type(self).key)
        address = Address(product.key_of(parameters), product.fingerprint)
        last = _last(product, address)
        answer = self.fetch(last.state or {}, **parameters)
        if isinstance(answer, Unchanged):
            if not last.state:
                raise InvalidPrimer(
                    f"{product.name}: fetch() was given no state, so there is no "
                    "value that could be unchanged."
                )
            value: AnyValue = last.value
            return value
        if answer.state:
            body, shape = product.encode(answer.data)
            _remember(address, product.name, _hash(body, shape), answer.state)
        return answer.data


def forget_gone(cursor: Cursor, older: float) -> int:
    """Forget what the sources of values that are not stored any more have said; how many.

    Args:
        older: of so many seconds at the least.
    """
    cursor.execute(_FORGET, [older])
    return int(cursor.rowcount)


def _last(product: Product, address: Address) -> _Last:
    with connections[settings.DATABASE].cursor() as cursor:
        cursor.execute(_STATE, [address.digest])
        row = cursor.fetchone()
        if row is None:
            return _Last()
        stored = stores.current().look(cursor, [address]).entries.get(address.key)
    if stored is None or stored.body is None or _hash(stored.body, stored.shape) != bytes(row[1]):
        return _Last()
    state = orjson.loads(row[0]) if isinstance(row[0], str) else row[0]
    return _Last(product.decode(stored.body, stored.shape), state)


def _remember(address: Address, product: str, value: bytes, state: Mapping[str, Any]) -> None:
    row: Any = [address.digest, address.key, product, value, orjson.dumps(state).decode()]
    with connections[settings.DATABASE].cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        if cursor.fetchone() == ("off",):
            cursor.execute(_REMEMBER, row)
            return
    # A listener computes in a transaction that only reads.
    with connect(settings.DATABASE) as own:
        own.execute(_REMEMBER, row)


def _hash(body: bytes, shape: bytes | None) -> bytes:
    return hashlib.sha256(body + b"\0" + (shape or b"")).digest()
