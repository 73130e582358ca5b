"""``TopicProduct``: another service's products in this one's store, kept by its product topic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from django.db import connections

from ... import clock, stores
from ...conf import settings
from ...exceptions import Behind, ConfigurationError, InvalidPrimer, NotPrimed
from ...primers.base import Primer
from ...products import registry as products
from ...public_names import public_in
from ...reading.product_reader import ProductReader
from . import offsets, product_entries, relay_status
from .consumer import TopicConsumer
from .message import Message


@public_in("kck_publish.contrib.kafka")
class TopicProduct(Primer):
    """A product that another service computes; ``.cached`` reads what its topic has brought.

    Attributes:
        topic: a product topic of the other service.
        key, parameters: as here; the parameters are those of the other service's product.
        product: the other service's name of it, where its topic has several.
        when_behind: ``"serve"``, or ``"raise"`` once the consumer is behind by ``max_lag``.
        group: under which its offsets are kept.
    """

    topic: ClassVar[str] = ""
    product: ClassVar[str] = ""
    group: ClassVar[str] = ""
    prime_on_cache_miss = False
    consumer: ClassVar[type[TopicConsumer]]

    @classmethod
    def _announce(cls) -> None:
        if not isinstance(cls.topic, str) or not cls.topic:
            raise InvalidPrimer(f"{cls.key}: topic takes the name of a product topic.")
        if cls.when_behind == "compute":
            raise InvalidPrimer(f"{cls.key}: nothing computes it: when_behind is serve or raise.")
        super()._announce()
        namespace = {
            "__module__": cls.__module__,
            "__qualname__": cls.__qualname__,
            "topic": cls.topic,
            "group": cls.group or f"product:{cls.key}",
            "declared": cls,
        }
        cls.consumer = type(cls.__name__, (ProductConsumer,), namespace)
        reader: Any = TopicProductReader(cls)
        cls.cached = reader

    def compute(self, **parameters: Any) -> Any:
        """What is stored: there is nothing here to compute it from."""
        product = products.get(type(self).key)
        key = product.key_of(parameters)
        store = stores.current()
        with connections[store.alias].cursor() as cursor:
            address = stores.Address(key, product.fingerprint)
            entry = store.look(cursor, [address]).entries.get(key)
        if entry is None or entry.body is None:
            raise NotPrimed(key)
        return product.decode(entry.body, entry.shape)


class ProductConsumer(TopicConsumer):
    """Brings the messages of a product topic into the store."""

    declared: ClassVar[type[TopicProduct]]
    supersedes = True

    def consume(self, message: Message) -> None:
        self.consume_many([message])

    def consume_many(self, messages: Sequence[Message]) -> None:
        declared = self.declared
        wanted = [
            message
            for message in messages
            if message.raw_key is not None
            and (not declared.product or _split(message)[0] == declared.product)
        ]
        product = products.get(declared.key)
        entries = []
        for message in wanted:
            _, slash, rest = _split(message)
            key = f"{declared.key}{slash}{rest}"
            product.parameters_of(key)  # raises KeyParameterMismatch
            entries.append((key, message))
        product_entries.write(product, self.group_name(), entries)


def read_again(consumers: Iterable[type[TopicConsumer]]) -> None:
    """Have products read from the beginning of their topics, for a store that has lost values.

    Raises:
        ConfigurationError: one is of no product: its messages would be handled twice.
    """
    consumers = list(consumers)
    for one in consumers:
        if not issubclass(one, ProductConsumer):
            raise ConfigurationError(f"{one.__qualname__} is no TopicProduct: read once.")
    with connections[settings.DATABASE].cursor() as cursor:
        for one in consumers:
            offsets.again(cursor, one.group_name(), one.topic)


class TopicProductReader(ProductReader[..., Any]):
    """``TheirBoards.cached``: as that of any product, with the lag of its topic.

    Args:
        declared: the product.
    """

    def __init__(self, declared: type[TopicProduct]) -> None:
        super().__init__(declared.key)
        self._declared = declared
        self._looked = -1.0
        self._lag = timedelta(0)

    @property
    def lag(self) -> timedelta:
        """How far behind its topic the product is, as the consumers have said last."""
        consumer = self._declared.consumer
        with connections[settings.DATABASE].cursor() as cursor:
            return relay_status.lag(cursor, consumer.group_name(), consumer.topic)

    def get(self, *args: Any, **parameters: Any) -> Any:
        self._check()
        return super().get(*args, **parameters)

    def get_bytes(self, *args: Any, **parameters: Any) -> bytes:
        self._check()
        return super().get_bytes(*args, **parameters)

    def get_many(self, parameters: Iterable[Mapping[str, Any]], default: Any = None) -> list[Any]:
        self._check()
        return super().get_many(parameters, default)

    def _check(self) -> None:
        if self._declared.when_behind != "raise":
            return
        now = clock.now().timestamp()
        if not 0 <= now - self._looked < relay_status.KNOWN_FOR:
            self._looked, self._lag = now, self.lag
        if self._lag > self._declared.max_lag:
            raise Behind(self._declared.key, self._lag.total_seconds(), "its topic's consumer")


def _split(message: Message) -> tuple[str, str, str]:
    return (message.raw_key or b"").decode().partition("/")
