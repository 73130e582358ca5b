"""A project with the admin, its users, and products of which some fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from kck_publish import Cache
from tests.catalog.fixtures import drain, interfering
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.integration.test_commands import breaking

cache = Cache.get_instance()


@pytest.fixture(autouse=True)
def project(settings: Any) -> None:
    """What ``startproject`` writes for the admin."""
    settings.ROOT_URLCONF = "tests.operated.urls"
    settings.STATIC_URL = "/static/"
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ]


@pytest.fixture
def user(transactional_db: None) -> Callable[..., User]:
    """Makes a user of the admin with these permissions of ours, by codename."""

    def make(*codenames: str, name: str = "ops", **fields: Any) -> User:
        made = User.objects.create_user(name, password="secret", is_staff=True, **fields)
        permissions = Permission.objects.filter(
            content_type__app_label="kck_publish", codename__in=codenames
        )
        assert len(permissions) == len(codenames)
        made.user_permissions.set(permissions)
        return made

    return make


@pytest.fixture
def client_of(user: Callable[..., User]) -> Callable[..., Client]:
    """A client of such a user."""

    def make(*codenames: str, **fields: Any) -> Client:
        client = Client()
        client.force_login(user(*codenames, **fields))
        return client

    return make


@pytest.fixture
def operator(client_of: Callable[..., Client]) -> Client:
    """Who may act, and see no values."""
    return client_of("operate")


@pytest.fixture
def items(transactional_db: None) -> list[Item]:
    """Items of three groups, with their total."""
    rows = [Item.objects.create(name=f"n{n}", group=n, amount=n) for n in (1, 2, 3)]
    for row in rows:
        ItemTotal.cached.get(group=row.group)
    drain()
    return rows


@pytest.fixture
def failing(items: list[Item]) -> list[str]:
    """Two keys whose refresh failed; nothing is a dead letter yet."""
    keys = ["fragile/1", "fragile/2"]
    for key in keys:
        cache.get(key)
    drain()
    with interfering(breaking("fragile")):
        for row in items:
            Item.objects.filter(pk=row.pk).update(amount=50)
        drain()
    return keys
