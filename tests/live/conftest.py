"""A server in a thread over the test's database, sessions in memory, and users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User

from kck_publish import Cache
from tests.catalog.fixtures import drain
from tests.catalog.models import Author
from tests.live.streams import serving

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]


@pytest.fixture
def quick(settings: Any, transactional_db: None) -> None:
    """Sessions and users; what is asked each minute is asked each half second."""
    settings.MIDDLEWARE = MIDDLEWARE
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.KCK_PUBLISH = {"LIVE_RECHECK": 0.5, "LIVE_HEARTBEAT": 0.4}


@pytest.fixture
def port(quick: None) -> Iterator[int]:
    """The port of a server."""
    with serving() as port:
        yield port


@pytest.fixture
def authors(transactional_db: None) -> list[Author]:
    """Two, whose pages are stored."""
    rows = [Author.objects.create(slug=name, first=name, last="L") for name in ("ann", "bob")]
    for row in rows:
        Cache.get_instance().get(page(row))
    return rows


def page(author: Author) -> str:
    """The key of an author's page."""
    return f"author_page/{author.pk}"


def rename(author: Author, first: str) -> None:
    """Committed, and refreshed."""
    Author.objects.filter(pk=author.pk).update(first=first)
    drain()


def log_in(user: User) -> str:
    """A session of the user's; its key."""
    engine = import_module(django_settings.SESSION_ENGINE)
    session = engine.SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


@pytest.fixture
def cookie(transactional_db: None) -> Callable[[User], dict[str, str]]:
    """``cookie(user)``: the headers of a browser in which the user is logged in."""
    return lambda user: {"Cookie": f"sessionid={log_in(user)}"}
