"""Users and sessions for the dashboard, which the example's addresses have at ``/kck/``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils.timezone import now

from example_app import settings as example
from kck_publish.models import History
from tests.catalog.fixtures import drain
from tests.catalog.models import Item
from tests.catalog.primers import Fragile, ItemNames, ItemTotal

PAGES = ["/kck/", "/kck/products/", "/kck/products/item_total/", "/kck/graph/"]
DATA = [f"{page}data.json" for page in PAGES]


@pytest.fixture(autouse=True)
def site(settings: Any, transactional_db: None) -> None:
    """The example's middleware and sessions."""
    for name in ("MIDDLEWARE", "SESSION_ENGINE", "LOGIN_URL", "LOGIN_REDIRECT_URL"):
        setattr(settings, name, getattr(example, name))


@pytest.fixture
def log_in() -> Callable[..., Client]:
    """``log_in("operate", is_staff=True)``: a client of a user with permissions and attributes."""

    def log_in(*permissions: str, **attributes: bool) -> Client:
        user = User.objects.create(username=f"user{User.objects.count()}", **attributes)
        for name in permissions:
            user.user_permissions.add(Permission.objects.get(codename=name))
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def chief(log_in: Callable[..., Client]) -> Client:
    """Of a superuser."""
    return log_in(is_superuser=True)


@pytest.fixture
def item(transactional_db: None) -> Item:
    """A row whose three products are stored."""
    row = Item.objects.create(name="one", group=1, amount=5)
    for product in (ItemTotal, ItemNames, Fragile):
        product.cached.get(group=1)
    drain()
    History.objects.all().delete()
    return row


def minute(ago: int) -> datetime:
    """The begin of a minute so many minutes before this one."""
    return now().astimezone(UTC).replace(second=0, microsecond=0) - timedelta(minutes=ago)


def fail(product: str, parameters: Any) -> None:
    """For ``interfering``."""
    if product == "fragile":
        raise RuntimeError("a secret")
