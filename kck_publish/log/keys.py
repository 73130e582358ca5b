"""The parts of a key that the log and the stores use: product, digest, bucket and shard.

A key is a text, the product's name before the first ``/`` (see ``products.keys``). Stores file a
value under ``identify(key)``, so that keys may be of any length.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from ..exceptions import KeyParameterMismatch

# Of so many keys the digest is remembered: a batch asks several times for each key of a chunk.
REMEMBERED = 4096


def product_of(key: str) -> str:
    """The name of the product a key belongs to."""
    return key.partition("/")[0]


@lru_cache(REMEMBERED)
def identify(key: str) -> str:
    """The digest of the key in a store: 32 hexadecimal digits, the same in every version."""
    try:
        return blake2b(key.encode(), digest_size=16).hexdigest()
    except UnicodeEncodeError:
        raise KeyParameterMismatch(f"the key {shorten(key)} holds a lone surrogate.") from None


def bucket_of(key: str) -> int:
    """The key's place in the key space, 0 to 65535: what the store's rows are found by."""
    return int(identify(key)[-4:], 16)


def shard_of(key: str, shards: int) -> int:
    """The shard, 0 to shards - 1, that a key belongs to; in SQL it is ``bucket % shards``."""
    return bucket_of(key) % shards


def shorten(value: object) -> str:
    """A value as a message names it, in at most 100 characters."""
    try:
        text = ascii(value)
    except ValueError:  # an integer with more digits than Python writes
        text = "a huge number"
    return text if len(text) <= 100 else text[:97] + "..."
