"""What is stored now, for clients that cannot hold a stream: they ask again, by ETag."""

from __future__ import annotations

import logging
from collections.abc import Set
from hashlib import blake2b

from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponse

from ... import stores
from ...exceptions import Behind, NotPrimed
from ...reading.http import conditional
from ...reading.read import answer_to
from ...reading.values import bytes_of
from ...stores import Address
from .events import DENIED, GONE, VALUE, Event
from .parsing import Wanted

logger = logging.getLogger("kck_publish")


def answer(request: HttpRequest, wanted: Wanted, allowed: Set[str]) -> HttpResponse:
    """The events of the keys as JSON: ``[{"event": "value", "key": ..., "version": ...}, ...]``.

    Raises:
        DatabaseError, or what all of the keys' computes have raised.
    """
    events, failed = [Event(key, GONE, None) for key in wanted.unknown], None
    for key in wanted.keys:
        try:
            events.append(_event(wanted, key) if key in allowed else Event(key, DENIED, None))
        except Exception as error:
            if isinstance(error, DatabaseError) or len(wanted.keys) == 1:
                raise
            failed = error  # the compute's: as by a stream, nothing is told of this key
            logger.warning("%s cannot be computed (%s).", key, type(error).__name__)
    if failed is not None and len(events) == len(wanted.unknown):
        raise failed
    body = b"[%s]" % b",".join(event.json(wanted.body) for event in events)
    response = HttpResponse(body, content_type="application/json")
    response.headers["Cache-Control"] = "private, no-cache"
    tag = blake2b(digest_size=12)
    for event in events:  # its version tells the value, where it has one
        tag.update(event.json(event.version is None))
    found = conditional(request, response, f'"{tag.hexdigest()}"', None)
    assert isinstance(found, HttpResponse)
    return found


def _event(wanted: Wanted, key: str) -> Event:
    product, _ = wanted.keys[key]
    body = None
    try:
        body = bytes_of(product, key, answer_to(product, key))
    except (ObjectDoesNotExist, MultipleObjectsReturned, NotPrimed):
        return Event(key, GONE, None)
    except Behind:
        pass  # what concerns readers; told is what is stored, as by a stream
    store, address = stores.current(), Address(key, product.fingerprint)
    with connections[store.alias].cursor() as cursor:
        entry = store.look(cursor, [address]).entries.get(key)
    if entry is None or entry.body is None:  # computed for this reader alone
        return Event(key, GONE if body is None else VALUE, None, body)
    return Event(key, VALUE, entry.row or entry.version, entry.body)
