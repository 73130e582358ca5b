"""The content codings in which an answer may be sent (RFC 9110, section 8.4)."""

from __future__ import annotations

from collections.abc import Callable
from gzip import compress
from importlib.util import find_spec


def _gzip(body: bytes) -> bytes:
    return compress(body, compresslevel=6, mtime=0)


def _zstd(body: bytes) -> bytes:
    from backports import zstd

    return bytes(zstd.compress(body, level=9))


COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": _gzip, "zstd": _zstd}


def problem(codings: object) -> str | None:
    """What is wrong with the option ``content_encodings``; None if it is right."""
    if not isinstance(codings, tuple) or not set(codings) <= COMPRESS.keys():
        return f'content_encodings is a tuple of "gzip" and "zstd", not {codings!r}'
    if "zstd" in codings and not (find_spec("backports") and find_spec("backports.zstd")):
        return 'content_encodings with "zstd" needs the extra zstd: pip install "kck-publish[zstd]"'
    return None
