"""A peer of ``live`` that is written by hand: a trigger that notifies, one LISTEN, and streams.

What a project has that sends PostgreSQL's notifications to browsers: an event for each update, in
the payload, with nothing that is stored, resumed, asked for rights or made up for.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from typing import Any
from urllib.parse import parse_qs

import psycopg

from kck_publish.contrib.live.asgi import Application

TABLE = """
CREATE TABLE tick_told (id bigint PRIMARY KEY, at bigint NOT NULL);
CREATE FUNCTION tick_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('tick', NEW.id || ' ' || NEW.at); RETURN NULL; END $$;
CREATE TRIGGER tick_told AFTER UPDATE ON tick_told FOR EACH ROW EXECUTE FUNCTION tick_told();
INSERT INTO tick_told SELECT n, 0 FROM generate_series(1, 100) n;
"""
_streams: dict[str, set[asyncio.Queue[bytes]]] = defaultdict(set)
_tasks: list[asyncio.Task[None]] = []


async def _listen() -> None:
    url = os.environ["KCK_BENCH_DATABASE"]
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("LISTEN tick")
        async for notification in connection.notifies():
            key, _, at = notification.payload.partition(" ")
            event = b'event: value\ndata: {"at": %s}\n\n' % at.encode()
            for waiting in _streams[key]:
                waiting.put_nowait(event)


async def _serve(scope: Any, receive: Any, send: Any) -> None:
    if not _tasks:
        _tasks.append(asyncio.create_task(_listen()))
    key = parse_qs(scope["query_string"].decode())["key"][0]
    waiting: asyncio.Queue[bytes] = asyncio.Queue()
    _streams[key].add(waiting)
    try:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b": open\n\n", "more_body": True})
        while True:
            body = await waiting.get()
            await send({"type": "http.response.body", "body": body, "more_body": True})
    finally:
        _streams[key].discard(waiting)


def notified(application: Application) -> Application:
    """An ASGI application that answers /told/, and leaves other paths to another."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        told = scope["type"] == "http" and scope["path"] == "/told/"
        await (_serve if told else application)(scope, receive, send)

    return serve
