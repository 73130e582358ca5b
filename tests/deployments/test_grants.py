"""The grants of docs/deployments.md are enough for web processes and listeners of other roles."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from psycopg import sql as psql

from kck_publish.testing import assert_fresh
from tests.acceptance.test_listener_process import Process
from tests.catalog.fixtures import sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = (Path(__file__).parents[2] / "docs" / "deployments.md").read_text()
(GRANTS,) = re.findall(r"^```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
NAMES = {name: f"{name}_{os.getpid()}" for name in ("shop_web", "shop_listener")}


@pytest.fixture
def roles(transactional_db: None) -> Iterator[None]:
    """Roles that own nothing, and have what the page grants."""
    grants = GRANTS
    for name, ours in NAMES.items():
        sql(psql.SQL("CREATE ROLE {} LOGIN").format(psql.Identifier(ours)))  # type: ignore[arg-type]
        grants = grants.replace(name, ours)
    sql(grants)
    yield
    for ours in NAMES.values():
        for command in ("DROP OWNED BY {}", "DROP ROLE {}"):
            sql(psql.SQL(command).format(psql.Identifier(ours)))  # type: ignore[arg-type]


@pytest.fixture
def as_web(roles: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Django's connection is the web role's."""
    connections.close_all()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "USER", NAMES["shop_web"])
        yield
        connections.close_all()


def test_a_listener_and_a_web_process_of_roles_of_their_own(
    process_environment: dict[str, str], as_web: None, wait_until: Callable[..., Any]
) -> None:
    address = process_environment["KCK_TEST_DATABASE"]
    address = re.sub(r"//[^@:]+", f"//{NAMES['shop_listener']}", address)
    listener = Process(process_environment | {"KCK_TEST_DATABASE": address}).wait_ready()
    try:
        assert sql("SELECT current_user") == [(NAMES["shop_web"],)]
        item = Item.objects.create(name="lamp", group=1, amount=5)
        assert ItemTotal.cached.get(group=1)["amount"] == 5
        item.amount = 7
        item.save()
        wait_until(lambda: (entry := stored("item_total/1")) and b":7" in (entry.body or b""), 20)
        assert_fresh("item_total", "catalog.item")
    finally:
        assert listener.end() == 0, listener.lines
