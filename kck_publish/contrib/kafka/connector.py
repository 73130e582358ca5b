"""``Connector``: a connector of Kafka Connect, declared in code and kept by ``kck_connect``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ...exceptions import InvalidPrimer
from ...public_names import public_in
from . import config, registry


@public_in("kck_publish.contrib.kafka")
class Connector:
    """Declares a connector.

    Attributes:
        name: of it; with ``prefix`` of the settings before it. The class's path by default.
        config: as Kafka Connect takes it.
        mark_for_removal: ``--publish`` deletes it.
    """

    name: ClassVar[str] = ""
    config: ClassVar[Mapping[str, Any]] = {}
    mark_for_removal: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "config" not in cls.__dict__ and "mark_for_removal" not in cls.__dict__:
            return
        registry.check_config(cls, cls.config)
        if not isinstance(cls.name, str):
            raise InvalidPrimer(f"{registry.path(cls)}.name is a text.")
        if not isinstance(cls.mark_for_removal, bool):  # "no" would delete it
            raise InvalidPrimer(f"{registry.path(cls)}.mark_for_removal is True or False.")
        registry.register(registry.connectors, cls.name or registry.path(cls), cls)

    @classmethod
    def full_name(cls) -> str:
        """The name that Kafka Connect knows it by."""
        return f"{config.part('connect').get('prefix', '')}{cls.name or registry.path(cls)}"

    @classmethod
    def get_config(cls) -> dict[str, Any]:
        """What is published; override it for what is known only when it is."""
        return dict(cls.config)
