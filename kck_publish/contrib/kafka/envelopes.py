"""The forms in which a change topic tells of a change. Pure.

``plain``: op, old, new, xid and time, by the names of Django's fields. ``cloudevents``: a
CloudEvents 1.0 JSON event around it. ``debezium``: before, after, source and op, by the names of
the columns, with a null after a delete. Times are ISO 8601, decimals are text, bytes are base64.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast

import orjson
from django.db.models import Model
from django.utils.duration import duration_iso_string

from ...log.change import Change
from ...log.image import Image
from . import headers
from .outgoing import Outgoing

Row = Mapping[str, Any] | None
Told = dict[str, bytes]
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_DEBEZIUM_OPS = {"insert": "c", "update": "u", "delete": "d", "truncate": "t"}


class Form:
    """The form in which one topic tells of changes.

    Args:
        envelope: a name of ``ENVELOPES``.
        site: the database.
        fingerprint: of what is told of a row.
    """

    def __init__(self, envelope: str, site: str, fingerprint: str) -> None:
        self._site = site
        self._envelope = ENVELOPES[envelope]
        self._prefix = f"{site}/".encode()
        self._trace_of = headers.traces(site)
        self._always: Told = {
            headers.FINGERPRINT: fingerprint.encode(),
            headers.SITE: site.encode(),
            headers.ENVELOPE: envelope.encode(),
        }

    def messages(self, change: Change) -> list[Outgoing]:
        """The messages that tell of a change, in order.

        A changed primary key is told as the end of the old one and the beginning of the new one, so
        that each key has its own order.
        """
        old, new = change.old, change.new
        if old is not None and new is not None and old["pk"] != new["pk"]:
            ended = self._told(change, "delete", old, None, b"/delete")
            return ended + self._told(change, "insert", None, new, b"/insert")
        return self._told(change, change.op, old, new)

    def _told(
        self, change: Change, op: str, old: Row, new: Row, part: bytes = b""
    ) -> list[Outgoing]:
        model = cast("type[Model]", change.source)
        image = old if new is None else new
        seq, xid = change.seq, change.xid
        event = {
            "op": op,
            "source": _label(model),
            "key": None if image is None else image["pk"],
            "old": _row(old),
            "new": _row(new),
            "xid": xid,
            "at": change.at,
            "origin": change.origin or None,
        }
        told = {
            headers.ID: b"%b%d%b" % (self._prefix, seq, part),
            headers.TRACE: self._trace_of(seq),
            headers.VERSION: b"%d" % seq,
            headers.STAMP: b"%d" % xid,
            headers.OP: op.encode(),
            **self._always,
        }
        return self._envelope(model, self._site, event, told)


def _plain(model: type[Model], site: str, event: dict[str, Any], told: Told) -> list[Outgoing]:
    key = event["key"]
    return [Outgoing(None if key is None else dumps(key), dumps(event), told)]


def _cloudevents(
    model: type[Model], site: str, event: dict[str, Any], told: Told
) -> list[Outgoing]:
    key = None if event["key"] is None else dumps(event["key"])
    wrapped = {
        "specversion": "1.0",
        "id": told[headers.ID].decode(),
        "source": f"/{site}/{model._meta.db_table}",
        "type": f"kck_publish.{event['source']}.{event['op']}",
        "subject": None if key is None else key.decode(),
        "time": event["at"],
        "datacontenttype": "application/json",
        "traceparent": told[headers.TRACE].decode(),
        "data": event,
    }
    told["content-type"] = b"application/cloudevents+json; charset=UTF-8"
    return [Outgoing(key, dumps(wrapped), told)]


def _debezium(model: type[Model], site: str, event: dict[str, Any], told: Told) -> list[Outgoing]:
    at = event["at"]
    milliseconds = None if at is None else int(at.timestamp() * 1000)
    before, after = _columns(model, event["old"]), _columns(model, event["new"])
    row = before if after is None else after
    key = None
    if row is not None:
        key = dumps({str(field.column): row[str(field.column)] for field in model._meta.pk_fields})
    value = {
        "before": before,
        "after": after,
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
    messages = [Outgoing(key, dumps(value), told)]
    if event["op"] == "delete":
        messages.append(Outgoing(key, None, told))
    return messages


Envelope = Callable[[type[Model], str, dict[str, Any], Told], list[Outgoing]]
ENVELOPES: dict[str, Envelope] = {
    "plain": _plain,
    "cloudevents": _cloudevents,
    "debezium": _debezium,
}


def dumps(value: Any) -> bytes:
    """JSON of whatever a row may hold."""
    try:
        return orjson.dumps(value, _default, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # a number past 64 bits, or what lies deep
        return json.dumps(value, default=_default, separators=(",", ":")).encode()


def _default(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(bytes(value)).decode()
    if isinstance(value, timedelta):
        return duration_iso_string(value)
    if isinstance(value, set | frozenset):
        return list(value)
    return str(value)


def _row(image: Row) -> dict[str, Any] | None:
    """A row's values; what Python, or JSON, cannot hold is told as PostgreSQL says it."""
    if image is None:
        return None
    told = {name: _finite(value) for name, value in image.items()}
    del told["pk"]
    if isinstance(image, Image):
        told |= image.unreadable
    return told


def _finite(value: Any) -> Any:
    """The value, or what stands for a number that JSON does not have."""
    if type(value) is float and not math.isfinite(value):
        return _NOT_FINITE[str(value)]
    return [_finite(each) for each in value] if type(value) is list else value


def _columns(model: type[Model], row: dict[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    names = _column_names(model)
    return {names.get(name, name): value for name, value in row.items()}


@lru_cache(maxsize=256)
def _label(model: type[Model]) -> str:
    return model._meta.label_lower


@lru_cache(maxsize=256)
def _column_names(model: type[Model]) -> dict[str, str]:
    return {field.attname: str(field.column) for field in model._meta.concrete_fields}
