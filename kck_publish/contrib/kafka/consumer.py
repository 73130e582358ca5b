"""``TopicConsumer``: what a project does with the messages of a topic."""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import Model

from ...conf import settings
from ...exceptions import ConfigurationError, InvalidPrimer
from ...products.run_async import never_awaited
from ...public_names import public_in
from ...retry_policy import Retry
from . import config, deserializers, registry
from .headers import SITE
from .message import Message
from .origin_site import site

NONE = Retry(max_retries=0)


@public_in("kck_publish.contrib.kafka")
class TopicConsumer:
    """Handles the messages of a topic, each once, in a transaction that also moves the offset.

    What it does outside the database may be done again after a crash.

    Attributes:
        topic: its name, or ``"^regex"`` for all whose name it matches.
        group: who shares the partitions and the offsets; ``group.id`` of the settings by default.
        retry: what is done when a message fails; the setting RETRY by default, and without it the
            message is a dead letter at once. Read when it is used.
        blocking: True: the partition waits for the retry, so that its order is kept. False: the
            messages after it go on.
        start: where to begin in a partition of which nothing is known: ``"earliest"`` or
            ``"latest"``.
        batch: so many messages are handled in one transaction, at the most.
        own_messages: whether to handle what this very database has sent; a topic that several
            databases write to gives it back.
        supersedes: a later message of a key (of a row, in a model consumer) says all that an
            earlier one said; so one that waits for its retry is left out once a later one was
            handled.
        key_from, value_from: how bytes are read; JSON by default, and text for keys that are none.
        config: librdkafka's settings of this consumer alone.
    """

    topic: ClassVar[str] = ""
    group: ClassVar[str] = ""
    retry: ClassVar[Retry | None] = None
    blocking: ClassVar[bool] = True
    start: ClassVar[str] = "earliest"
    batch: ClassVar[int] = 500
    own_messages: ClassVar[bool] = True
    supersedes: ClassVar[bool] = False
    key_from: ClassVar[Any] = staticmethod(deserializers.json_or_text)
    value_from: ClassVar[Any] = staticmethod(deserializers.json)
    config: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.topic and {"topic", "group"} & cls.__dict__.keys():
            cls.check()
            registry.register(registry.consumers, f"{cls.group}:{cls.topic}", cls)

    @classmethod
    def check(cls) -> None:
        """Raise InvalidPrimer for a declaration that cannot work."""
        if not (isinstance(cls.topic, str) and cls.topic.startswith("^")):
            registry.check_name(cls, cls.topic)
        registry.check_config(cls, cls.config)
        if not isinstance(cls.group, str):
            raise InvalidPrimer(f"{registry.path(cls)}.group is a name.")
        for name in ("key_from", "value_from"):
            if not callable(getattr(cls, name)):
                raise InvalidPrimer(f"{registry.path(cls)}.{name} is a deserializer, such as json.")
        if cls.start not in ("earliest", "latest"):
            raise InvalidPrimer(f'{registry.path(cls)}.start is "earliest" or "latest".')
        if not (cls.retry is None or isinstance(cls.retry, Retry)):
            raise InvalidPrimer(f"{registry.path(cls)}.retry is a Retry, not {cls.retry!r}.")
        if type(cls.batch) is not int or cls.batch < 1:
            raise InvalidPrimer(f"{registry.path(cls)}.batch is a number, at least 1.")
        for name in ("blocking", "own_messages", "supersedes"):
            if not isinstance(getattr(cls, name), bool):
                raise InvalidPrimer(f"{registry.path(cls)}.{name} is True or False.")
        if lost := never_awaited(cls, "transform_"):
            raise InvalidPrimer(
                f"{registry.path(cls)}.{lost[0]} must not be async def: nobody awaits it, and "
                "messages would be lost."
            )
        try:
            re.compile(cls.topic if cls.topic.startswith("^") else "")
        except re.error as error:
            raise InvalidPrimer(f"{registry.path(cls)}.topic is no regex: {error}.") from None
        if (cls.consume, cls.consume_many) == (TopicConsumer.consume, TopicConsumer.consume_many):
            raise InvalidPrimer(f"{registry.path(cls)}: write consume(self, message).")

    @classmethod
    def group_name(cls) -> str:
        """The group that it is of.

        Raises:
            ConfigurationError: neither it nor the settings say so.
        """
        if cls.group:
            return cls.group
        given = config.client("consumer").get("group.id")
        if not given:
            raise ConfigurationError(
                f'{registry.path(cls)} has no group: set it, or "group.id" in '
                'KCK_PUBLISH["KAFKA"]["consumer"].'
            )
        return str(given)

    @classmethod
    def policy(cls) -> Retry:
        """What is done when a message fails."""
        return cls.retry or settings.RETRY or NONE

    def consume(self, message: Message) -> None:
        """Handle one message; raise to have it tried again, as ``retry`` says."""
        raise NotImplementedError(f"{registry.path(type(self))}: write consume(self, message).")

    def consume_many(self, messages: Sequence[Message]) -> None:
        """Handle messages of one partition, in order, in one transaction.

        If it raises, nothing of it is kept, and the messages are handled one by one.
        """
        for message in messages:
            self.consume(message)

    def identity(self, message: Message) -> uuid.UUID | None:
        """What tells what a message is about: by default its key; None where it has none."""
        return None if message.raw_key is None else message.digest

    def passes_over(self, message: Message) -> bool:
        """Whether a message is not handled: this database has sent it itself."""
        return not self.own_messages and message.header(SITE) == site()


def see_apart(declared: Iterable[type[TopicConsumer]]) -> None:
    """See that no two consumers of a group have the same topic: each would get some messages.

    Raises:
        ConfigurationError: two have.
    """
    by_group: dict[str, list[type[TopicConsumer]]] = defaultdict(list)
    default = config.client("consumer").get("group.id")
    for one in declared:
        group = one.group or str(default)
        for other in by_group[group]:
            if _same(one.topic, other.topic):
                raise ConfigurationError(
                    f"{registry.path(other)} and {registry.path(one)} are of group {group!r} and "
                    f"share topic {one.topic!r}: each message would go to one of them. Give one "
                    "of them another group."
                )
        by_group[group].append(one)


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    pattern, name = (one, other) if one.startswith("^") else (other, one)
    return pattern.startswith("^") > name.startswith("^") and re.match(pattern, name) is not None


def model_of(consumer: type[TopicConsumer]) -> type[Model] | None:
    """The model that a consumer writes, where it has one."""
    model = getattr(consumer, "model", None)
    return model if isinstance(model, type) and issubclass(model, Model) else None
