"""How a state is stored with the shown value: behind its shape, where readers do not look."""

from __future__ import annotations

from ..products import encoding


def join(shape: bytes | None, state: encoding.Encoded) -> bytes:
    """The shown value's shape with the states behind it, and the lengths before all."""
    parts = (shape or b"", state.body, state.shape or b"")
    return b"%d %d\n" % (len(parts[0]), len(parts[1])) + b"".join(parts)


def parts(kept: bytes | None) -> tuple[bytes | None, bytes, bytes | None]:
    """The shape, and the body and shape of the states; a shape alone begins with no digit."""
    if not kept or not kept[:1].isdigit():
        return kept, b"", None
    lengths, _, rest = kept.partition(b"\n")
    shape, body = map(int, lengths.split())
    return rest[:shape] or None, rest[shape : shape + body], rest[shape + body :] or None
