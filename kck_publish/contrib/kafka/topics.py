"""What the relay writes to: topics of products, and of changes, as a project declares them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django.db.models import Model

from ...exceptions import InvalidPrimer
from ...products.columns import fields_of
from ...products.depends import Depends
from ...public_names import public_in
from . import registry
from .envelopes import ENVELOPES

if TYPE_CHECKING:
    from .relay_follower import TopicFollower


class Topic:
    """A topic that ``kck_relay`` fills.

    Attributes:
        topic: its name.
        partitions: with so many it is made where it is missing; None: it is there, or the broker
            makes it.
        replication: of a topic that is made; -1 for the broker's own default.
        config: of a topic that is made: Kafka's names with their values.
    """

    topic: ClassVar[str] = ""
    partitions: ClassVar[int | None] = None
    replication: ClassVar[int] = -1
    config: ClassVar[Mapping[str, str]] = {}
    follower: ClassVar[type[TopicFollower]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "topic" in cls.__dict__:
            cls._check()
            cls._declare()
            registry.register(registry.topics, cls.topic, cls)

    @classmethod
    def _check(cls) -> None:
        registry.check_name(cls, cls.topic)
        registry.check_config(cls, cls.config)
        numbers = {"partitions": cls.partitions, "replication": cls.replication}
        for name, number in numbers.items():
            said = number is not None and (name, number) != ("replication", -1)
            if said and (type(number) is not int or number < 1):
                raise InvalidPrimer(f"{registry.path(cls)}.{name} is a number, at least 1.")

    @classmethod
    def _declare(cls) -> None:
        raise NotImplementedError


@public_in("kck_publish.contrib.kafka")
class ProductTopic(Topic):
    """The products as they are stored: the key is the product's, null says that it is gone.

    Attributes:
        products: their names.
    """

    products: ClassVar[Collection[str]] = ()
    config: ClassVar[Mapping[str, str]] = {"cleanup.policy": "compact"}

    @classmethod
    def _declare(cls) -> None:
        from .relay_follower import ProductFollower

        names: object = cls.products
        listed = isinstance(names, Collection) and not isinstance(names, str)
        if not listed or not cls.products or not all(isinstance(one, str) for one in cls.products):
            raise InvalidPrimer(f"{registry.path(cls)}.products takes a list of products' names.")
        namespace = {
            "__module__": cls.__module__,
            "__qualname__": f"{cls.__qualname__}.follower",
            "name": f"kafka:{cls.topic}",
            "declared": cls,
            "products": tuple(cls.products),
        }
        cls.follower = type("follower", (ProductFollower,), namespace)


@public_in("kck_publish.contrib.kafka")
class ChangeTopic(Topic):
    """The committed changes of a model's rows; the key is the row's primary key.

    What a consumer of this library has written is not sent, so that two databases that follow each
    other come to rest.

    Attributes:
        model: whose rows.
        columns: those that are captured and sent, by attname, besides the primary key; an update of
            others is not sent. None for all.
        envelope: ``"plain"``, ``"cloudevents"`` or ``"debezium"``.
        forward: True, or names of topics: what was consumed from these is sent on. Never back to
            this topic itself.
        ignore_origins: what was written under these ``origin(...)`` is not sent either.
    """

    model: ClassVar[type[Model]]
    columns: ClassVar[Sequence[str] | None] = None
    envelope: ClassVar[str] = "plain"
    forward: ClassVar[bool | Collection[str]] = False
    ignore_origins: ClassVar[Collection[str]] = ()

    @classmethod
    def _declare(cls) -> None:
        from .relay_follower import ChangeFollower

        model = getattr(cls, "model", None)
        if not (isinstance(model, type) and issubclass(model, Model)):
            raise InvalidPrimer(f"{registry.path(cls)}.model takes a model.")
        if cls.envelope not in list(ENVELOPES):
            known = ", ".join(ENVELOPES)
            raise InvalidPrimer(f"{registry.path(cls)}.envelope is one of {known}.")
        for name in ("forward", "ignore_origins"):
            given = getattr(cls, name)
            listed = isinstance(given, Collection) and not isinstance(given, str)
            if not (listed or (name == "forward" and isinstance(given, bool))):
                # Of a text any part would be meant.
                raise InvalidPrimer(f"{registry.path(cls)}.{name} takes a list of names.")
        source = Depends(model) if cls.columns is None else Depends(model, columns=cls.columns)
        for name in source.columns or ():
            fields_of(model, name)
        namespace = {
            "__module__": cls.__module__,
            "__qualname__": f"{cls.__qualname__}.follower",
            "name": f"kafka:{cls.topic}",
            "declared": cls,
            "sources": (source,),
        }
        cls.follower = type("follower", (ChangeFollower,), namespace)

    @classmethod
    def sends(cls, origin: str) -> bool:
        """Whether a change of this origin is sent."""
        if origin in cls.ignore_origins:
            return False
        kind, _, topic = origin.partition(":")
        if kind != "kafka" or not topic:
            return True
        if topic == cls.topic or cls.forward is False:
            return False
        return cls.forward is True or topic in cls.forward
