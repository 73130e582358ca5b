"""The log lines of what the library announces: receivers of the signals, and nothing else logs it.

Each line has in ``extra`` what a machine reads: ``product``, ``key_digest`` (never the key's
parameters apart), ``shard``, ``batch``, ``changes``, ``seconds``, as far as they apply; and an
error's line ``error_type``, and ``fingerprint``: one issue a product and error, for Sentry.

A key's first failure is a warning, and a dead letter an error, each with where it happened. When a
whole product is broken, one line a minute stands for all: each further one is counted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from . import signals
from .log.keys import identify
from .postgres import describe as describe_loss
from .refresh.errors import describe

logger = logging.getLogger(__name__)
listening = logging.getLogger("kck_publish.listener")

# For so long, in seconds, one line of a product, an error and a level stands for all.
FLOOD = 60.0


def connect() -> None:
    """Have the lines written; called once, when Django is ready."""
    for signal, receiver in (
        (signals.failed, _failed),
        (signals.batch, _batch),
        (signals.listener_starts, _starts),
        (signals.listener_ready, _ready),
        (signals.connection_lost, _lost),
        (signals.connection_found, _found),
        (signals.shard_taken, _taken),
        (signals.shard_left, _left),
        (signals.backlog_drained, _drained),
    ):
        signal.connect(receiver, dispatch_uid="kck_publish.log_lines")


class Flood:
    """Lets one line through a minute of each kind, and counts the others."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, ...], float] = {}
        self._held: dict[tuple[str, ...], int] = {}

    def lets(self, kind: tuple[str, ...]) -> bool:
        """Whether a line of this kind is to be written."""
        moment = time.monotonic()
        if moment - self._since.get(kind, float("-inf")) >= FLOOD:
            self._since[kind] = moment
            return True
        self._held[kind] = self._held.get(kind, 0) + 1
        return False

    def over(self) -> Iterable[tuple[tuple[str, ...], int]]:
        """The kinds whose minute is over, with how many lines were held back; forgotten then."""
        moment = time.monotonic()
        for kind in [one for one, at in self._since.items() if moment - at >= FLOOD]:
            del self._since[kind]
            if held := self._held.pop(kind, 0):
                yield kind, held


flood = Flood()


def _failed(
    sender: type,
    product: str,
    key: str,
    error: Exception,
    attempts: int | None,
    due_at: datetime | None,
    seconds: float | None,
    reason: str,
    **more: Any,
) -> None:
    kind = type(error).__name__
    extra = {
        "product": product,
        "key_digest": identify(key),
        "seconds": seconds,
        "reason": reason,
        "attempts": attempts,
        "error_type": f"{type(error).__module__}.{kind}",
        "fingerprint": ["kck_publish", product, kind],
    }
    if attempts is not None and due_at is None:
        if flood.lets((product, kind, "for good")):
            logger.error(
                "The refresh of %s failed for good, at attempt %d: it is a dead letter (see "
                "kck_dead_letters). %s",
                key,
                attempts,
                describe(error),
                extra=extra,
            )
    elif attempts is not None and attempts > 1:
        logger.info("The refresh of %s failed at attempt %d: %s", key, attempts, kind, extra=extra)
    elif flood.lets((product, kind, "")):
        again = f", and is tried again at {due_at.isoformat(timespec='seconds')}" if due_at else ""
        logger.warning("The refresh of %s failed%s: %s", key, again, describe(error), extra=extra)


def _batch(
    using: str, shard: int, changes: int, seconds: float, lag: float | None, keys: Any, **more: Any
) -> None:
    for (product, kind, good), held in flood.over():
        logger.log(
            logging.ERROR if good else logging.WARNING,
            "%d more keys of %s failed%s within %d s: %s (see kck_dead_letters, kck_explain)",
            held,
            product,
            f" {good}" if good else "",
            FLOOD,
            kind,
            extra={
                "product": product,
                "failures": held,
                "error_type": kind,
                "fingerprint": ["kck_publish", product, kind],
            },
        )
    if listening.isEnabledFor(logging.DEBUG):
        listening.debug(
            "Batch of shard %d: %d changes in %.3f s: %s",
            shard,
            changes,
            seconds,
            ", ".join(f"{number} {name}" for name, number in keys.items() if number) or "nothing",
            extra={
                "shard": shard,
                "changes": changes,
                "seconds": seconds,
                "lag": lag,
                "batch": keys,
            },
        )


def _starts(using: str, name: str, **more: Any) -> None:
    listening.info("Listener %s starts, on database %s.", name, using, extra={"listener": name})


def _ready(name: str, shards: list[int], **more: Any) -> None:
    extra = {"listener": name, "shards": shards}
    listening.info("Listener %s is ready, with shards %s.", name, shards, extra=extra)


def _lost(error: Exception, reason: str, **more: Any) -> None:
    if reason == "store":  # the store itself has said so
        return
    words = "takes no writes" if reason == "standby" else "is lost"
    extra = {"reason": reason, "error_type": type(error).__name__}
    listening.warning(
        "The database %s (%s): connecting again.", words, describe_loss(error), extra=extra
    )


def _found(seconds: float, **more: Any) -> None:
    listening.warning(
        "Connected again after %.1f s: following the log.", seconds, extra={"seconds": seconds}
    )


def _taken(shard: int, reason: str, **more: Any) -> None:
    listening.info("Shard %d is taken: %s.", shard, reason, extra={"shard": shard})


def _left(shard: int, reason: str, **more: Any) -> None:
    listening.info("Shard %d is left: %s.", shard, reason, extra={"shard": shard})


def _drained(shard: int, seconds: float, changes: int, **more: Any) -> None:
    listening.info(
        "The backlog of shard %d is drained: %d changes and keys in %.1f s.",
        shard,
        changes,
        seconds,
        extra={"shard": shard, "changes": changes, "seconds": seconds},
    )
