"""The clients' settings, as librdkafka names them; and confluent-kafka, where it is installed.

What a project gives under KAFKA goes to librdkafka as it is, SASL and TLS too. No message and no
log line shows a value of it.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from ...conf import settings
from ...conf_types import KAFKA_PARTS
from ...exceptions import ConfigurationError

logger = logging.getLogger("kck_publish")

# Acknowledged by all replicas, each message once and in order, within half a minute or not at all.
PRODUCER = {"enable.idempotence": True, "message.timeout.ms": 30_000, "linger.ms": 5}
# Offsets are in PostgreSQL: the group is never joined, and nothing is committed to it.
CONSUMER = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": False,
    "auto.offset.reset": "error",
}
INSTALL = "Install the extra: pip install 'kck-publish[kafka]'."


def module(name: str = "confluent_kafka") -> ModuleType:
    """A module of confluent-kafka's.

    Raises:
        ConfigurationError: it is not installed, or not with what the module needs.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigurationError(f"{name} cannot be imported ({error}). {INSTALL}") from error


def part(name: str) -> Mapping[str, Any]:
    """The dict of one part of the setting KAFKA; empty where it is not given."""
    return _given().get(name) or {}


def client(
    kind: str = "", defaults: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """The settings of a client.

    Args:
        kind: ``"consumer"`` or ``"producer"``; "" for what asks the cluster.
        defaults: those that the project's go before.
        more: librdkafka's names with "_" for "."; they go before the project's.

    Raises:
        ConfigurationError: there are none.
    """
    given = {key: value for key, value in _given().items() if key not in KAFKA_PARTS}
    given |= part(kind) if kind else {}
    if not (given.get("bootstrap.servers") or given.get("metadata.broker.list")):
        raise ConfigurationError(
            'KCK_PUBLISH["KAFKA"] names no brokers: set {"bootstrap.servers": "host:9092", ...}.'
        )
    named = {"client.id": f"kck_publish-{socket.gethostname()}", "log_level": 2}
    return {**named, **(defaults or {}), **given, **more}


def named_once(what: str) -> Callable[[Any], None]:
    """What librdkafka calls with its errors; it says the same one once."""
    said: set[str] = set()

    def named(error: Any) -> None:
        if error.name() not in said:
            said.add(error.name())
            logger.warning("%s: %s.", what, error.name())

    return named


def _given() -> Mapping[str, Any]:
    given = settings.KAFKA
    if given is None:
        raise ConfigurationError(
            'KCK_PUBLISH["KAFKA"] is not set: give it librdkafka\'s settings, at least '
            '{"bootstrap.servers": "host:9092"}.'
        )
    return given
