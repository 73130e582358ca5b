"""From an answer to what its reader is given: a value of the reader's own, or the stored bytes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..products import compute, encoding
from ..products.product import Computed, Product
from ..public_names import public_in
from ..stores import Stored
from . import request_memo

# The answer for a key: what is stored, or what has just been computed.
Answer = Stored | Computed


@public_in("kck_publish")
@dataclass(frozen=True)
class Entry:
    """One stored value with what is known of it.

    Attributes:
        stamp: the snapshot that the value reflects.
        version: used once; give it to ``set(check_version=...)``.
        primed_at: when it was stored.
        soft_expire: from when on a read asks for a refresh; None for never.
        hard_expire: from when on it is not served; None for never.
    """

    key: str
    value: Any
    stamp: str
    version: int
    primed_at: datetime | None
    soft_expire: datetime | None
    hard_expire: datetime | None


def as_entry(product: Product | None, key: str, stored: Stored) -> Entry:
    """A stored value with what is known of it, for its reader."""
    return Entry(
        key,
        value_of(product, key, stored),
        stored.stamp,
        stored.version,
        stored.primed_at,
        stored.soft_expire,
        stored.hard_expire,
    )


def value_of(product: Product | None, key: str, answer: Answer) -> Any:
    """The reader's own copy of the value (a row: the request's); raises what the answer says."""
    memo = _memo()
    if memo is None:
        return _decoded(product, key, answer)
    return memo.value(key, answer, lambda: _decoded(product, key, answer))


def bytes_of(product: Product, key: str, answer: Answer) -> bytes:
    """The stored bytes, not decoded; raises what the answer stands for."""
    if isinstance(answer, Computed):
        return answer.encoded(product).body
    if answer.body is None:
        raise product.absence(answer.shape, key)
    return answer.body


def plain_body(answer: Answer) -> bytes | None:
    """The bytes of a stored value that is nobody else's: none of a request's, nor of an answer."""
    return None if isinstance(answer, Computed) or _memo() is not None else answer.body


def plain_bodies(answers: Collection[Answer]) -> list[bytes] | None:
    """As ``plain_body``, of all the values among these; None where one must be looked at."""
    if _memo() is not None:
        return None
    stored = [answer for answer in answers if isinstance(answer, Stored)]
    if len(stored) != len(answers):
        return None
    return [answer.body for answer in stored if answer.body]


def _memo() -> request_memo.Memo | None:
    """The memo that owns the values that are read now; a compute owns its values itself."""
    return None if compute.current() is not None else request_memo.current()


def _decoded(product: Product | None, key: str, answer: Answer) -> Any:
    if product is None:
        assert isinstance(answer, Stored)
        assert answer.body is not None
        return encoding.decode(answer.body, answer.shape)
    if isinstance(answer, Computed):
        # By its bytes, so that a miss and a hit give the same, and nothing is shared.
        return product.decode(*answer.encoded(product))
    if answer.body is None:
        raise product.absence(answer.shape, key)
    return product.decode(answer.body, answer.shape)
