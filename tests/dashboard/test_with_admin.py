"""Beside the admin: each leads to the other, and the admin's login is the way in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from kck_publish.dashboard import page
from tests.catalog.models import Item
from tests.operated.conftest import project as project

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def both(site: None, project: None, settings: Any) -> None:
    """Wherever a project has them."""
    settings.ROOT_URLCONF = "tests.dashboard.urls"
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"


def test_the_way_in_is_the_admins() -> None:
    answer = Client().get("/ops/kck/products/?q=a")
    assert answer.headers["Location"] == "/admin/login/?next=/ops/kck/products/%3Fq%3Da"


def test_each_leads_to_the_other(item: Item, log_in: Callable[..., Client]) -> None:
    client = log_in(is_superuser=True, is_staff=True)
    listed = client.get("/admin/kck_publish/").content.decode()
    assert 'href="/ops/kck/"' in listed
    shown = client.get("/ops/kck/").content.decode()
    assert 'href="/admin/kck_publish/"' in shown
    product = client.get("/ops/kck/products/item_total/").content.decode()
    for address in ("storedkey/?product=item_total", "failedkey/?product=item_total"):
        assert f'href="/admin/kck_publish/{address}"' in product
        assert client.get(f"/admin/kck_publish/{address}").status_code == 200


def test_only_who_may_act_is_shown_the_way(item: Item, log_in: Callable[..., Client]) -> None:
    client = log_in(is_staff=True)
    assert b"storedkey" not in client.get("/ops/kck/products/item_total/").content


def test_without_the_dashboard_the_admin_does_not_name_it(
    settings: Any, log_in: Callable[..., Client]
) -> None:
    settings.ROOT_URLCONF = "tests.operated.urls"
    client = log_in(is_superuser=True, is_staff=True)
    answer = client.get("/admin/kck_publish/")
    assert answer.status_code == 200
    assert b"ashboard: lag" not in answer.content


def test_its_templates_need_no_engine_of_the_project(
    settings: Any, log_in: Callable[..., Client]
) -> None:
    settings.TEMPLATES = []
    page._engine.cache_clear()
    assert log_in(is_superuser=True).get("/ops/kck/").status_code == 200
