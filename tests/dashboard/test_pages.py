"""What the pages show, what they cost, and when a reader has them already."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kck_publish.listener.listener import Listener
from kck_publish.models import History
from kck_publish.refresh import paused_products
from kck_publish.testing import travel
from tests.catalog.fixtures import drain, interfering, sql
from tests.catalog.models import Item
from tests.catalog.primers import Fragile
from tests.dashboard.conftest import DATA, PAGES, fail, minute
from tests.integration.test_health import listening
from tests.without_database import no_database

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]


def texts(html: str) -> str:
    """What a reader reads."""
    words = re.sub(r"<[^>]+>", " ", html).replace("\N{NO-BREAK SPACE}", " ")
    return " ".join(words.split())


def shown(client: Client, page: str) -> str:
    return texts(client.get(page).content.decode())


@pytest.mark.parametrize("page", [*PAGES, *DATA])
@pytest.mark.parametrize("reader", ["chief", "operator", "unfollowed"])
def test_a_page_costs_few_queries(
    page: str, reader: str, request: pytest.FixtureRequest, log_in: Callable[..., Client]
) -> None:
    """At most five: the user, two for the permissions of who is no superuser, and one of ours."""
    client = log_in("operate") if reader == "operator" else log_in(is_superuser=True)
    if reader != "unfollowed":  # before any listener has run
        request.getfixturevalue("item")
    ContentType.objects.clear_cache()
    client.get(page)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(page).status_code == 200
    ours = [query for query in queries.captured_queries if "kck_publish_" in query["sql"]]
    assert len(ours) == 1
    assert len(queries) <= (4 if reader == "operator" else 2)


@pytest.mark.parametrize("page", [*PAGES, *DATA])
def test_who_has_a_page_is_not_sent_it_again(page: str, item: Item, chief: Client) -> None:
    drain()  # a new user is a change, too
    first = chief.get(page)
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = chief.get(page, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert "Content-Security-Policy" in again.headers
    paused_products.pause(["item_total"], "ops")
    if "graph" not in page or "json" in page:
        assert chief.get(page, headers={"If-None-Match": tag}).status_code == 200


def test_all_is_well(item: Item, chief: Client, wait_until: Callable[..., Any]) -> None:
    listener = Listener("default", say=lambda text: None)
    with listening(listener):
        wait_until(lambda: listener.heartbeat.is_ready)
        page = shown(chief, "/kck/")
        assert "Healthy: every change is handled, nothing fails." in page
        assert "Listeners 1" in page
        assert "No refresh fails." in page


def test_nobody_follows(item: Item, chief: Client) -> None:
    drain()  # a new user is a change, too
    sql("UPDATE catalog_item SET amount = 2")
    with travel(timedelta(seconds=90)):
        assert b"banner bad" in chief.get("/kck/").content
        page = shown(chief, "/kck/")
    assert "No listener is running: no change is handled." in page
    assert "The oldest unhandled change is 1.5 min old." in page
    assert "Queue 1 changes to handle" in page


def test_a_product_that_fails(item: Item, chief: Client, log_in: Callable[..., Client]) -> None:
    item.amount = 6
    item.save()
    with interfering(fail):
        drain()
    overview = shown(chief, "/kck/")
    assert "1 key fails, and is tried again." in overview
    assert "fragile builtins.RuntimeError 1 0" in overview
    assert "fragile failing primer" in shown(chief, "/kck/products/")
    assert "fragile/1 builtins.RuntimeError" in shown(chief, "/kck/products/fragile/")
    node = graph(chief)["p:fragile"]
    assert (node["state"], node["url"]) == ("failing", "/kck/products/fragile/")
    sql("UPDATE kck_publish_failure SET due_at = NULL")  # as after its last try
    assert "1 dead letter waits: see kck_dead_letters list." in shown(chief, "/kck/")
    assert "given up" in shown(chief, "/kck/products/fragile/")
    assert graph(chief)["p:fragile"]["state"] == "dead"


def test_keys_and_messages_are_for_those_who_may(
    item: Item, chief: Client, log_in: Callable[..., Client]
) -> None:
    """A key's parameters and an error's message are values, perhaps a customer's."""
    item.amount = 6
    item.save()
    with interfering(fail):
        drain()

    def seen(client: Client) -> tuple[bool, bool]:
        page = shown(client, "/kck/products/fragile/")
        assert "RuntimeError" in page
        return "fragile/1" in page, "a secret" in page

    assert seen(log_in(is_staff=True)) == (False, False)
    assert seen(log_in("operate")) == (True, False)
    assert seen(log_in("operate", "view_value")) == (True, True)
    assert seen(chief) == (True, True)


def test_messages_are_hidden_where_values_are(
    item: Item, log_in: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    Item.objects.update(amount=6)
    with interfering(fail):
        drain()
    client = log_in("operate", "view_value")
    assert "a secret" in shown(client, "/kck/products/fragile/")
    monkeypatch.setattr(Fragile, "show_value", False)
    page = shown(client, "/kck/products/fragile/")
    assert "fragile/1" in page
    assert "a secret" not in page


def test_a_paused_product(item: Item, chief: Client) -> None:
    paused_products.pause(["item_total"], "ops <b>")
    item.amount = 6
    item.save()
    drain()
    assert "item_total ops &lt;b&gt; 1 key just now" in shown(chief, "/kck/")
    assert "item_total paused primer" in shown(chief, "/kck/products/")
    page = shown(chief, "/kck/products/item_total/")
    assert "just now, by ops &lt;b&gt;; 1 key wait" in page
    assert "kck_resume item_total" in page
    assert graph(chief)["p:item_total"]["state"] == "paused"


def test_the_figures_of_a_product(item: Item, chief: Client) -> None:
    History.objects.create(
        product="item_total", minute=minute(2), refreshed=60, augmented=60, seconds=12.0,
        seconds_max=1.5, lagged=120, waiting=30.0, computing=30.0, failed=0,
    )  # fmt: skip
    assert "item_total up to date primer 1 22 B 2 100 ms 1.5 s 500 ms 0" in shown(
        chief, "/kck/products/"
    )
    page = shown(chief, "/kck/products/item_total/")
    assert "Refreshes 2 a minute" in page
    assert "Compute 100 ms mean; longest 1.5 s" in page
    assert "Depends on" in page
    assert "catalog_item" in page


def test_what_is_drawn(item: Item, chief: Client) -> None:
    """Rates are a second; a lag that is not known is a gap; the minute that runs is left out."""
    History.objects.create(
        product="", minute=minute(2), changes=120, batches=3, refreshed=60, failed=2, lagged=3,
        waiting=0.6, waiting_max=0.4, computing=0.3, computing_max=0.2,
    )  # fmt: skip
    History.objects.create(product="", minute=minute(0), changes=999)
    told = chief.get("/kck/data.json").json()["history"]
    assert len(told["at"]) == 60
    at = told["at"].index(int(minute(2).timestamp()))
    assert at == 58
    plots = told["plots"]
    assert plots["changes"]["changes"][at] == 2.0
    assert plots["refreshes"]["primed"][at] == 1.0
    assert plots["failures"]["failed"][at] == 2.0
    assert plots["lag"]["mean"][at] == 0.3
    assert plots["lag"]["longest"][at] == 0.6
    assert plots["queue"]["waiting"][at] == 0.4  # 2 a second, each 0.2 s
    assert plots["lag"]["mean"][at - 1] is None
    assert plots["changes"]["changes"][at - 1] == 0.0


@pytest.mark.parametrize(
    ("period", "points", "step"),
    [("6h", 72, 300), ("24h", 144, 600), ("7d", 168, 3600), ("30d", 180, 14400)],
)
def test_longer_periods_have_longer_steps(
    period: str, points: int, step: int, item: Item, chief: Client
) -> None:
    History.objects.create(product="", minute=minute(30), changes=step)
    told = chief.get(f"/kck/data.json?period={period}").json()["history"]
    assert points <= len(told["at"]) <= points + 1
    assert told["at"][1] - told["at"][0] == step
    assert max(told["plots"]["changes"]["changes"]) >= 0.9


def test_the_slowest_products(item: Item, chief: Client) -> None:
    for name, seconds in (("item_total", 0.5), ("item_names", 2.0), ("gone", 9.0)):
        History.objects.create(
            product=name, minute=minute(2), refreshed=2, seconds=seconds, seconds_max=seconds
        )
    page = shown(chief, "/kck/")
    assert "item_names 100 % 1.0 s max 2.0 s item_total 25 % 250 ms max 500 ms" in page


def test_what_depends_on_what(item: Item, chief: Client) -> None:
    told = chief.get("/kck/graph/data.json").json()["graph"]
    pairs = {(edge["source"], edge["target"]) for edge in told["edges"]}
    assert ("s:catalog_item", "p:item_total") in pairs
    assert ("p:stock", "p:shelf") in pairs
    assert len(pairs) == len(told["edges"])
    ids = {node["id"] for node in told["nodes"]}
    assert {end for pair in pairs for end in pair} <= ids
    assert "shelf" in shown(chief, "/kck/products/stock/").partition("Dependents")[2]


def test_a_product_that_is_not_there(chief: Client) -> None:
    assert chief.get("/kck/products/no_such/").status_code == 404


def test_without_the_tables(chief: Client) -> None:
    sql("ALTER TABLE kck_publish_history RENAME TO elsewhere")
    try:
        for page in ("/kck/", "/kck/data.json"):
            assert chief.get(page).status_code == 503
        assert "kck_doctor" in shown(chief, "/kck/")
    finally:
        sql("ALTER TABLE elsewhere RENAME TO kck_publish_history")


@pytest.mark.parametrize("page", ["/kck/", "/kck/data.json"])
def test_without_a_database(page: str, chief: Client) -> None:
    """Which is the one that knows the reader, too; and each request is a transaction."""
    with no_database():
        answer = chief.get(page)
    assert answer.status_code == 503
    assert "Content-Security-Policy" in answer.headers


def test_of_a_large_table_a_sample_tells(
    item: Item, chief: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys and bytes are estimated where counting them would take long, and marked so."""
    sql(
        "INSERT INTO kck_publish_entry (digest, fingerprint, key, product, bucket, body, stamp, by)"
        " SELECT md5(n::text)::uuid, 'f', 'item_names/' || n, 'item_names', 0,"
        " convert_to(repeat('x', 100), 'UTF8'), pg_current_snapshot(), 'listener'"
        " FROM generate_series(1, 120000) n"
    )
    page = shown(chief, "/kck/products/")
    assert "estimated from a sample" in page
    (found,) = re.findall(r"item_names up to date primer ~ ([\d,]+)", page)
    assert abs(int(found.replace(",", "")) - 120_001) < 12_000


def graph(client: Client) -> dict[str, Any]:
    told = client.get("/kck/graph/data.json").json()["graph"]
    return {node["id"]: node for node in told["nodes"]}
