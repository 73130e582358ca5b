"""What processes of each role do: enough to need each of their grants."""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextlib import suppress as suppressed
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import RequestFactory, override_settings

from kck_publish import Cache, FileSource, Primer, RemotePrimer, Retry, origin, suppress
from kck_publish.dashboard.overview import Overview
from kck_publish.dashboard.products import Products
from kck_publish.listener.listener import Listener
from kck_publish.listener.near_follower import NearFollower
from kck_publish.listener.near_loop import following
from kck_publish.products import registry
from kck_publish.status import status
from kck_publish.testing import assert_fresh
from tests.catalog.models import Author, Book, Item
from tests.catalog.primers import Fragile, ItemTotal, ShelfSum

Step = Callable[[], Any]
cache = Cache.get_instance()


def command(name: str, *arguments: str) -> str:
    """What a command prints, whatever its exit status."""
    out = io.StringIO()
    with suppressed(SystemExit, CommandError):
        call_command(name, *arguments, stdout=out)
    return out.getvalue()


@contextmanager
def more_products() -> Iterator[None]:
    """``rates``, of a file, on a schedule; ``reader``, which reads what it does not declare."""
    # Of a file that was just written nothing is remembered: it may be written again.
    rates: dict[str, Any] = {
        "key": "rates",
        "source": FileSource(__file__),
        "read": lambda self, data: len(data),
        "refresh_every": timedelta(milliseconds=50),
    }
    type("Rates", (RemotePrimer,), rates)
    read = {"key": "reader", "compute": lambda self: cache.get("item_total/1")}
    type("Reader", (Primer,), read)
    try:
        yield
    finally:
        registry.unregister("rates")
        registry.unregister("reader")


def writes() -> None:
    author, _ = Author.objects.get_or_create(first="Ada", last="L", slug="ada")
    Book.objects.create(author=author, title="One")
    Item.objects.create(name="lamp", group=1, amount=5)
    with origin("kafka"), transaction.atomic():
        Item.objects.update(amount=6)
        assert ItemTotal.cached.get(group=1)["amount"] == 6
    with suppress(Item):
        Item.objects.filter(name="nobody").update(amount=7)


def ends() -> None:
    Item.objects.all().delete()
    Author.objects.all().delete()


def reads() -> None:
    author = Author.objects.get()
    assert ItemTotal.cached.get(group=1)["amount"] == 6
    assert Item.cached.get(name="lamp").amount == 6
    assert len(Item.cached.filter(group=1)) == 1
    assert Item.cached.in_bulk([10**6]) == {}
    assert ShelfSum.cached.get(author=author.pk)[0] == "Ada L"
    assert cache.get("rates") is not None
    assert cache.get("reader")["amount"] == 6
    assert status().dead_letters == 0


def hand() -> None:
    entry = cache.set("by/hand", 1, soft_expire=timedelta(seconds=0))
    cache.get("by/hand")
    cache.set("by/hand", 2, check_version=entry.version)
    cache.unset("by/hand")
    cache.refresh("item_total/1")
    cache.refresh("reader", queued=False)
    cache.clear("item_names")
    Item.objects.get().publish()
    command("kck_explain", "item_total/1")
    cache.clear()


def near() -> None:
    """With a near store in use, what is written is told to its followers."""
    with (
        tempfile.TemporaryDirectory() as folder,
        override_settings(KCK_PUBLISH={"NEAR": str(Path(folder, "near"))}),
    ):
        cache.set("by/hand", 1)
        with following(NearFollower("default")):
            cache.set("by/hand", 2)


def in_cache() -> None:
    """With the values in a cache."""
    with override_settings(KCK_PUBLISH={"STORE": "cache:default"}):
        cache.get("item_total/1")
        cache.clear()


def drains_to_cache() -> None:
    """The same of a listener."""
    with override_settings(KCK_PUBLISH={"STORE": "cache:default"}):
        Listener("default").once()
        cache.clear()  # what is indexed there has no value here


def web_steps() -> list[Step]:
    """Of a web process."""
    return [writes, reads, hand, reads, in_cache, looks, ends]


def looks() -> None:
    """At the dashboard."""
    for page in (Overview, Products):
        request = RequestFactory().get("/")
        request.user = User(is_superuser=True)
        assert page.as_view()(request).status_code == 200


def listens(seconds: float = 0.6) -> None:
    """A listener, for a moment."""
    errors: list[BaseException] = []
    listener = Listener("default", say=lambda line: None)

    def run() -> None:
        try:
            listener.run()
        except BaseException as error:  # noqa: BLE001 - raised by who waits
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(seconds)
    listener.stop()
    thread.join()
    if errors:
        raise errors[0]


def fails() -> None:
    """Keys fail, are tried again, are dead letters, are retried and discarded."""
    with (
        patch.object(Fragile, "compute", side_effect=ValueError("no")),
        patch.object(Fragile, "retry", Retry(max_retries=0)),
    ):
        cache.refresh("fragile/1")
        Listener("default").once()
    command("kck_dead_letters", "retry", "--all")
    command("kck_dead_letters", "discard", "--all")
    Listener("default").once()


def aside() -> None:
    """More than fits into a batch."""
    with override_settings(KCK_PUBLISH={"MAX_CHANGES": 1}):
        cache.refresh("item_total/1")
        cache.refresh("item_names/1")
        Listener("default").once()


def pauses() -> None:
    """A product is paused, twice, and its changes kept until it is resumed."""
    command("kck_pause", "item_total")
    command("kck_pause", "item_total")
    cache.refresh("item_total/1")
    Listener("default").once()
    command("kck_resume", "item_total")
    Listener("default").once()


def shares() -> None:
    """Another number of shards, for a moment."""
    for shards in (2, 1):
        with override_settings(KCK_PUBLISH={"SHARDS": shards}):
            Listener("default").once()


def operates() -> None:
    command("kck_prime", "--all")
    command("kck_verify", "--repair")
    command("kck_forget", "nobody")
    status()
    assert_fresh("item_total")


def listener_steps() -> list[Step]:
    """Of a listener."""
    return [
        lambda: Listener("default").once(),
        listens,
        fails,
        aside,
        near,
        pauses,
        shares,
        operates,
        drains_to_cache,
    ]
