"""The forms in which a change topic tells of a change. Pure.

``plain``: op, old, new, xid and time, by the names of Django's fields. ``cloudevents``: a
CloudEvents 1.0 JSON event around it. ``debezium``: before, after, source and op, by the names of
the columns, with a null after a delete. Times are ISO 8601, decimals are text, bytes are base64.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, cast

import orjson
from django.db.models import Model
from django.utils.duration import duration_iso_string

from ...log.change import Change
from ...log.image import Image
from . import headers
from .outgoing import Outgoing

_DEBEZIUM_OPS = {"insert": "c", "update": "u", "delete": "d", "truncate": "t"}


def messages(change: Change, envelope: str, site: str, fingerprint: str) -> Iterator[Outgoing]:
    """The messages that tell of a change, in order.

    A changed primary key is told as the end of the old one and the beginning of the new one, so
    that each key has its own order.
    """
    old, new = change.old, change.new
    if old is not None and new is not None and old["pk"] != new["pk"]:
        yield from _told(change, "delete", old, None, envelope, site, fingerprint)
        yield from _told(change, "insert", None, new, envelope, site, fingerprint)
    else:
        yield from _told(change, change.op, old, new, envelope, site, fingerprint)


Row = Mapping[str, Any] | None


def _told(
    change: Change, op: str, old: Row, new: Row, envelope: str, site: str, fingerprint: str
) -> Iterator[Outgoing]:
    model = cast("type[Model]", change.source)
    image = old if new is None else new
    pk = None if image is None else image["pk"]
    id_ = f"{site}/{change.seq}" + ("/" + op if op != change.op else "")
    event = {
        "op": op,
        "source": model._meta.label_lower,
        "key": pk,
        "old": _row(old),
        "new": _row(new),
        "xid": change.xid,
        "at": change.at,
        "origin": change.origin or None,
    }
    seq = str(change.seq)
    told = [
        (headers.ID, id_.encode()),
        (headers.VERSION, seq.encode()),
        (headers.STAMP, str(change.xid).encode()),
        (headers.FINGERPRINT, fingerprint.encode()),
        (headers.TRACE, headers.trace(site, seq).encode()),
        (headers.SITE, site.encode()),
        (headers.ENVELOPE, envelope.encode()),
        (headers.OP, op.encode()),
    ]
    yield from ENVELOPES[envelope](model, id_, site, event, told)


def _plain(model: type[Model], id_: str, site: str, event: Any, told: Any) -> Iterator[Outgoing]:
    key = None if event["key"] is None else dumps(event["key"])
    yield Outgoing(key, dumps(event), told)


def _cloudevents(
    model: type[Model], id_: str, site: str, event: Any, told: Any
) -> Iterator[Outgoing]:
    key = None if event["key"] is None else dumps(event["key"])
    wrapped = {
        "specversion": "1.0",
        "id": id_,
        "source": f"/{site}/{model._meta.db_table}",
        "type": f"kck_publish.{event['source']}.{event['op']}",
        "subject": None if key is None else key.decode(),
        "time": event["at"],
        "datacontenttype": "application/json",
        "traceparent": dict(told)[headers.TRACE].decode(),
        "data": event,
    }
    content = ("content-type", b"application/cloudevents+json; charset=UTF-8")
    yield Outgoing(key, dumps(wrapped), [*told, content])


def _debezium(model: type[Model], id_: str, site: str, event: Any, told: Any) -> Iterator[Outgoing]:
    milliseconds = None if event["at"] is None else int(event["at"].timestamp() * 1000)
    image = event["old"] if event["new"] is None else event["new"]
    named = {} if image is None else _columns(model, image)
    names = [str(field.column) for field in model._meta.pk_fields]
    key = None if image is None else dumps({name: named[name] for name in names})
    value = {
        "before": None if event["old"] is None else _columns(model, event["old"]),
        "after": None if event["new"] is None else _columns(model, event["new"]),
        "source": {
            "connector": "kck_publish",
            "name": site,
            "table": model._meta.db_table,
            "ts_ms": milliseconds,
            "txId": event["xid"],
            "snapshot": "false",
        },
        "op": _DEBEZIUM_OPS[event["op"]],
        "ts_ms": milliseconds,
    }
    yield Outgoing(key, dumps(value), told)
    if event["op"] == "delete":
        yield Outgoing(key, None, told)


Envelope = Callable[[type[Model], str, str, Any, Any], Iterator[Outgoing]]
ENVELOPES: dict[str, Envelope] = {
    "plain": _plain,
    "cloudevents": _cloudevents,
    "debezium": _debezium,
}


def dumps(value: Any) -> bytes:
    """JSON of whatever a row may hold."""
    return orjson.dumps(value, _default, option=orjson.OPT_NON_STR_KEYS)


def _default(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(bytes(value)).decode()
    if isinstance(value, timedelta):
        return duration_iso_string(value)
    if isinstance(value, set | frozenset):
        return list(value)
    return str(value)


def _row(image: Row) -> Row:
    """A row's values; what Python cannot hold is told as PostgreSQL says it."""
    if image is None:
        return None
    told = {name: value for name, value in image.items() if name != "pk"}
    return {**told, **image.unreadable} if isinstance(image, Image) else told


def _columns(model: type[Model], row: Mapping[str, Any]) -> dict[str, Any]:
    by_name = {field.attname: str(field.column) for field in model._meta.concrete_fields}
    return {by_name.get(name, name): value for name, value in row.items()}
