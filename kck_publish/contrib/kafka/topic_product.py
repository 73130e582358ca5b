"""``TopicProduct``: another service's products in this one's store, kept by its product topic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from asgiref.sync import sync_to_async
from django.db import connections

from ... import clock, stores
from ...conf import settings
from ...exceptions import Behind, ConfigurationError, InvalidPrimer, NotPrimed
from ...primers.base import Primer
from ...products import registry as products
from ...public_names import public_in
from ...reading.product_reader import ProductReader
from . import headers, offsets, product_entries, relay_status
from .consumer import TopicConsumer
from .message import Message

# What says how, and when, a product is computed.
_MEANINGLESS = (
    "augment", "check_augment", "compute", "compute_many", "depends_on", "domain", "eager",
    "hard_expire", "post_prime", "post_set", "pre_prime", "pre_set", "prime_on_cache_miss",
    "refresh_every", "soft_expire",
)  # fmt: skip


@public_in("kck_publish.contrib.kafka")
class TopicProduct(Primer):
    """A product that another service computes; ``.cached`` reads what its topic has brought.

    Attributes:
        topic: a product topic of the other service.
        key, parameters: as here; the parameters are those of the other service's product.
        product: the other service's name of it, where its topic has several.
        when_behind: ``"serve"``, or ``"raise"`` once the consumer is behind by ``max_lag``.
        retry: what is done when a message fails; as of any consumer.
        group: under which its offsets are kept.

    Raises:
        InvalidPrimer: it says how it is computed, or when: it never is, here.
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
        if not (isinstance(cls.product, str) and isinstance(cls.group, str)):
            raise InvalidPrimer(f"{cls.key}: product and group are names.")
        for name in _MEANINGLESS:
            if (getattr(cls, name) or None) != (getattr(TopicProduct, name) or None):
                raise InvalidPrimer(
                    f"{cls.key}: another service computes it, so {name} has no meaning here."
                )
        if cls.when_behind == "compute":
            raise InvalidPrimer(f"{cls.key}: nothing computes it: when_behind is serve or raise.")
        super()._announce()
        namespace = {
            "__module__": cls.__module__,
            "__qualname__": cls.__qualname__,
            "topic": cls.topic,
            "group": cls.group or f"product:{cls.key}",
            "retry": cls.retry,
            "declared": cls,
        }
        cls.consumer = type(cls.__name__, (ProductConsumer,), namespace)
        reader: Any = TopicProductReader(cls)
        cls.cached = reader

    @classmethod
    def lag_outside(cls) -> float:
        reader = cls.cached
        assert isinstance(reader, TopicProductReader)
        return reader.known_lag.total_seconds()

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
        product = products.get(declared.key)
        entries = []
        wanted = [message for message in messages if message.raw_key is not None]
        theirs = declared.product or self._first(wanted)
        for message in wanted:
            name, slash, rest = _split(message)
            if name != theirs:
                if declared.product:
                    continue
                raise ValueError(
                    f"Topic {self.topic} has several products, {theirs} and {name}: "
                    f"{declared.key} would be now the one and now the other. Set product."
                )
            key = f"{declared.key}{slash}{rest}"
            product.parameters_of(key)  # raises KeyParameterMismatch
            if message.raw_value is not None:
                shape = message.header(headers.SHAPE)
                # Raises Undecodable.
                product.decode(message.raw_value, None if shape is None else shape.encode())
            entries.append((key, message))
        product_entries.write(product, self.group_name(), entries)

    def _first(self, messages: Sequence[Message]) -> str:
        """The product of the first message that this group has ever seen."""
        if not messages:
            return ""
        name = _split(messages[0])[0]
        with connections[settings.DATABASE].cursor() as cursor:
            return product_entries.first_name(cursor, self.group_name(), self.topic, name)


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

    async def aget(self, *args: Any, **parameters: Any) -> Any:
        await sync_to_async(self._check)()
        return await super().aget(*args, **parameters)

    async def aget_bytes(self, *args: Any, **parameters: Any) -> bytes:
        await sync_to_async(self._check)()
        return await super().aget_bytes(*args, **parameters)

    async def aget_many(
        self, parameters: Iterable[Mapping[str, Any]], default: Any = None
    ) -> list[Any]:
        await sync_to_async(self._check)()
        return await super().aget_many(parameters, default)

    @property
    def known_lag(self) -> timedelta:
        """``lag``, as it was some moments ago at the most."""
        now = clock.now().timestamp()
        if not 0 <= now - self._looked < relay_status.KNOWN_FOR:
            self._looked, self._lag = now, self.lag
        return self._lag

    def _check(self) -> None:
        """Also of what is not stored: it may only not have come yet."""
        if self._declared.when_behind != "raise":
            return
        if (lag := self.known_lag) > self._declared.max_lag:
            raise Behind(self._declared.key, lag.total_seconds(), "its topic's consumer")


def _split(message: Message) -> tuple[str, str, str]:
    return (message.raw_key or b"").decode().partition("/")
