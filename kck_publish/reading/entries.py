"""The entry that a computed value becomes: what is kept, until when, and up to which size."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from .. import clock
from ..conf import settings
from ..exceptions import TooLarge
from ..products.product import Computed, Product
from ..stores import ABSENT, READER, Address, Stored

logger = logging.getLogger("kck_publish")


def entries_of(
    product: Product, answers: Mapping[str, Computed | Stored], stamp: str, by: str = READER
) -> list[Stored]:
    """The entries to store of computed values; too large a value is only given to the reader."""
    entries = []
    for key, answer in answers.items():
        if not isinstance(answer, Computed):
            continue
        try:
            entry = entry_of(product, key, answer, stamp, by)
        except TooLarge as error:
            logger.warning("%s Every read computes it.", error)
            continue
        if entry is not None:
            entries.append(entry)
    return entries


def entry_of(
    product: Product, key: str, computed: Computed, stamp: str, by: str, reason: str = "miss"
) -> Stored | None:
    """The entry for one computed key; None when there is nothing to keep.

    Raises:
        Unserializable: when the value cannot be stored.
        TooLarge: it has more bytes than may be stored.
    """
    if computed.error is not None or (computed.absent is not None and not product.keeps_absence):
        return None
    nothing = product.is_nothing(computed)
    if nothing and by == READER and not product.may_exist(key):
        return None
    body, shape = (
        (None, product.absence_shape(computed.absent))
        if computed.absent is not None
        else computed.encoded(product)
    )
    check_size(key, body, product.max_bytes)
    lasts = product.hard_expire
    if nothing:
        lasts = min(lasts or settings.ABSENT_FOR, settings.ABSENT_FOR)
    softly = product.soft_expire
    return Stored(
        Address(key, product.fingerprint),
        body,
        shape,
        stamp,
        by,
        soft_expire=None if softly is None else clock.after(softly),
        hard_expire=None if lasts is None else clock.after(lasts),
        reason=ABSENT if nothing and by == READER else reason,
        seconds=computed.seconds,
        over="|".join(sorted(computed.over)) if computed.over else None,
        reads=computed.reads,
    )


def check_size(key: str, body: bytes | None, limit: int | None = None) -> None:
    """Raise TooLarge for a body of more bytes than the limit, or than MAX_VALUE_BYTES."""
    limit = settings.MAX_VALUE_BYTES if limit is None else limit
    if limit is not None and body is not None and len(body) > limit:
        raise TooLarge(key, len(body), limit)
