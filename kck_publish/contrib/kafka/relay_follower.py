"""The Followers behind topics: what is committed, or stored, is sent; then the cursor moves.

The cursor moves when ``changes`` or ``stored`` returns, and these return when the broker has
acknowledged. What happens in between is repeated: with the same id and version.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

import psycopg
from django.db import connections
from django.db.models import Model

from ...chunks import chunks
from ...conf import settings
from ...following.follower import Follower
from ...following.stored_products import StoredProduct, as_stored
from ...following.stream import Stream
from ...log.change import Change
from ...log.cluster import timeline
from ...log.snapshot import take
from ...products import encoding, registry
from . import headers, relayed, suppress_topics
from .cluster import Cluster
from .envelopes import Form
from .headers import pairs
from .origin_site import site
from .outgoing import Outgoing
from .sender import Sender
from .topic_keys import live_keys
from .under_way import Batch

if TYPE_CHECKING:
    from .topics import ChangeTopic, ProductTopic, Topic

logger = logging.getLogger("kck_publish")


class TopicFollower(Follower):
    """Fills one topic."""

    declared: ClassVar[type[Topic]]
    newest_only: ClassVar[bool] = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.may_hold = True

    def stop(self) -> None:
        """Give up what waits for the broker, and return from ``run``."""
        self._stopped.set()
        super().stop()

    @cached_property
    def sender(self) -> Sender:
        """What writes to the topic."""
        return Sender(
            self.declared.topic, self._stopped.is_set, self._stopped.wait, self._note_error
        )

    def streams(self, desk: psycopg.Connection[Any]) -> list[Stream]:
        with self._lock:
            self.sender.close()  # what was under way is read again
        return super().streams(desk)

    def deliver(self, outgoing: Sequence[Outgoing], suppressed: int = 0) -> Callable[[], None]:
        """Send these; what is returned waits until they are acknowledged, or kept if refused.

        Meanwhile the next ones may be sent.
        """
        with self._lock:
            held: set[bytes] = set()
            if self.may_hold:
                with connections[settings.DATABASE].cursor() as cursor:
                    held = relayed.held(cursor, self.declared.topic)
            self.may_hold = bool(held)
            batch = self.sender.begin(outgoing, held)
        return partial(self._finish, batch, len(outgoing), suppressed)

    def _finish(self, batch: Batch, number: int, suppressed: int) -> None:
        topic = self.declared.topic
        with self._lock:
            refused = self.sender.finish(batch)
            with connections[settings.DATABASE].cursor() as cursor:
                if refused:
                    self._refuse(refused)
                    relayed.keep(cursor, topic, refused, self.newest_only)
                relayed.sent(cursor, topic, number - len(refused), suppressed)

    def send_refused(self) -> None:
        """Try again what the broker has refused; at once back where the topic is being written."""
        if not self.may_hold or not self._lock.acquire(blocking=False):
            return
        topic = self.declared.topic
        try:
            with connections[settings.DATABASE].cursor() as cursor:
                due = relayed.due(cursor, topic, settings.MAX_BATCH)
                if not due:
                    self.may_hold = bool(relayed.held(cursor, topic))
                    return
                refused = self.sender.finish(self.sender.begin([one for _, one, _ in due]))
                still = {message.key: error for message, error in refused}
                relayed.done(cursor, [id_ for id_, message, _ in due if message.key not in still])
                for _, message, attempts in due:
                    if (error := still.pop(message.key, None)) is not None:
                        relayed.later(cursor, topic, message, error, attempts)
                relayed.sent(cursor, topic, len(due) - len(refused))
        finally:
            self._lock.release()

    def _refuse(self, refused: Sequence[tuple[Outgoing, str]]) -> None:
        self.may_hold = True
        for error in sorted({error for _, error in refused}):
            number = sum(one == error for _, one in refused)
            logger.error(
                "Topic %s: %d messages are refused (%s) and kept, to be tried again.",
                self.declared.topic,
                number,
                error,
            )
            self._note_error(error)

    def _note_error(self, error: str) -> None:
        topic = self.declared.topic
        if error:
            logger.warning("Topic %s cannot be written (%s): trying again.", topic, error)
        else:
            logger.warning("Topic %s can be written again.", topic)
        with connections[settings.DATABASE].cursor() as cursor:
            relayed.failed(cursor, topic, error)


class ProductFollower(TopicFollower):
    """Fills a topic with products."""

    newest_only = True

    def stored(self, batch: list[StoredProduct]) -> None:
        """Send each as it is stored now."""
        here = site()
        self.deliver([_of_product(product, here) for product in batch])()

    def reset(self, reason: str) -> None:
        """Send what is stored anew, and before it how it is with all that the topic holds."""
        declared = cast("type[ProductTopic]", self.declared)
        for name in declared.products:
            registry.get(name)
        kept = {
            key
            for key in live_keys(declared.topic, Cluster())
            if key.partition("/")[0] in declared.products
        }
        for page in chunks(sorted(kept), settings.MAX_BATCH):
            with connections[settings.DATABASE].cursor() as cursor:
                read_at = f"{timeline(cursor)}/{take(cursor)}"
                gone = [
                    replace(product, read_at=read_at)
                    for product in as_stored(cursor, page)
                    if product.value is None
                ]
            if gone:
                self.stored(gone)


class ChangeFollower(TopicFollower):
    """Fills a topic with changes."""

    def changes(self, batch: list[Change]) -> Any:
        """Send those that are not suppressed; the cursor moves once what is returned has waited."""
        declared = cast("type[ChangeTopic]", self.declared)
        suppressed = 0
        outgoing: list[Outgoing] = []
        for change in batch:
            if (change.origin and not declared.sends(change.origin)) or (
                change.untold and suppress_topics.covers(change.untold, declared.topic)
            ):
                suppressed += 1
            else:
                outgoing += self._form.messages(change)
        return self.deliver(outgoing, suppressed)

    @cached_property
    def _form(self) -> Form:
        declared = cast("type[ChangeTopic]", self.declared)
        return Form(declared.envelope, site(), self._fingerprint)

    @cached_property
    def _fingerprint(self) -> str:
        declared = cast("type[ChangeTopic]", self.declared)
        model: type[Model] = declared.model
        columns = declared.columns or [field.attname for field in model._meta.concrete_fields]
        return encoding.fingerprint("change", model._meta.label_lower, *columns)


def _of_product(product: StoredProduct, here: str) -> Outgoing:
    version = None if product.version is None else str(product.version)
    # A removal has no version: which one it is, its transaction tells, or when it was seen.
    which = version or f"gone/{product.written_in or product.read_at}"
    told = pairs(
        id=f"{here}/{product.key}/{which}",
        version=version,
        read_at=product.read_at,
        stamp=product.stamp,
        fingerprint=product.fingerprint,
        traceparent=headers.trace(here, product.key, which),
        site=here,
        shape=product.shape,
    )
    return Outgoing(product.key.encode(), product.value, dict(told))
