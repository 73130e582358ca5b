"""The admin's pages: who may see and do what, what is recorded, and how many queries each takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote as quote_url

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.admin.utils import quote
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kck_publish import Cache, InvalidPrimer
from kck_publish.admin import entries
from kck_publish.diagnosis.grants import WEB
from kck_publish.models import FailedKey, Failure, Pause
from kck_publish.products.options import check_options
from kck_publish.refresh import paused_products
from kck_publish.testing import travel
from tests.catalog.fixtures import computes, drain, interfering, sql, stored
from tests.catalog.models import Author, Item
from tests.catalog.primers import Fragile, ItemTotal
from tests.integration.test_commands import breaking, corrupt

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
cache = Cache.get_instance()
ADMIN = "/admin/kck_publish/"
PRODUCTS, ENTRIES = f"{ADMIN}product/", f"{ADMIN}storedkey/"
FAILURES, LISTENERS = f"{ADMIN}failedkey/", f"{ADMIN}listener/"
PAGES = (PRODUCTS, ENTRIES, FAILURES, LISTENERS)


def page_of(key: str, what: str = "change") -> str:
    return f"{ENTRIES}{quote_url(quote(key))}/{what}/"


def box(key: str) -> str:
    """What the box of an entry says."""
    ((fingerprint,),) = sql("SELECT fingerprint FROM kck_publish_entry WHERE key = %s", key)
    return f"{fingerprint} {key}"


def text(response: Any, status: int = 200) -> str:
    assert response.status_code == status, response
    return str(response.content.decode())


def said(client: Client, url: str, **data: Any) -> str:
    """What the page says after an act."""
    return text(client.post(url, data, follow=True))


def log() -> list[tuple[str | None, str, int]]:
    """The key, the message and the kind of each act, in order."""
    rows = LogEntry.objects.order_by("pk")
    return list(rows.values_list("object_id", "change_message", "action_flag"))


# Who may see and do what.


def test_pages_are_closed_to_whoever_has_no_permission(
    items: list[Item], client_of: Callable[..., Client]
) -> None:
    """Nobody, then a user of the admin without any permission of ours."""
    urls = [*PAGES, *(page_of("item_total/1", what) for what in ("change", "history", "value"))]
    for url in urls:
        assert Client().get(url).status_code == 302, url
    client = client_of()
    for url in urls:
        assert client.get(url).status_code == 403, url
    assert "kck_publish" not in text(client.get("/admin/"))


@pytest.mark.parametrize(
    ("permission", "open_to"),
    [
        ("view_pause", [PRODUCTS]),
        ("view_entry", [ENTRIES, page_of("item_total/1"), page_of("item_total/1", "history")]),
        ("view_failure", [FAILURES]),
        ("view_listener", [LISTENERS]),
        ("operate", [*PAGES, page_of("item_total/1"), page_of("item_total/1", "history")]),
        ("view_value", []),
    ],
)
def test_each_permission_opens_its_pages(
    permission: str, open_to: list[str], items: list[Item], client_of: Callable[..., Client]
) -> None:
    client = client_of(permission)
    urls = [*PAGES, *(page_of("item_total/1", what) for what in ("change", "history", "value"))]
    assert [url for url in urls if client.get(url).status_code == 200] == open_to


@pytest.mark.parametrize(
    ("url", "act"),
    [
        (PRODUCTS, "pause"),
        (PRODUCTS, "resume"),
        (PRODUCTS, "refresh"),
        (PRODUCTS, "verify"),
        (ENTRIES, "refresh"),
        (ENTRIES, "verify"),
        (ENTRIES, "remove"),
        (page_of("item_total/1"), "remove"),
        (FAILURES, "retry"),
        (FAILURES, "discard"),
    ],
)
def test_acts_are_for_operators(
    url: str, act: str, items: list[Item], client_of: Callable[..., Client]
) -> None:
    """Whoever may only look is shown no button, and refused."""
    client = client_of("view_pause", "view_entry", "view_failure", "view_value")
    assert 'name="act"' not in text(client.get(url))
    data = {"act": act, "all": "on", "confirmed": "1", "name": "item_total"}
    assert client.post(url, data).status_code == 403
    assert log() == []
    assert not Pause.objects.exists()
    assert stored("item_total/1") is not None


def test_a_value_is_shown_with_the_permission_alone(
    items: list[Item], client_of: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where the product allows it."""
    url = page_of("item_total/1", "value")
    client = client_of("operate")
    assert client.get(url).status_code == 403
    assert url not in text(client.get(page_of("item_total/1")))
    client = client_of("view_entry", "view_value", name="reader")
    assert "&#x27;amount&#x27;: 1" in text(client.get(url))
    assert url in text(client.get(page_of("item_total/1")))
    monkeypatch.setattr(ItemTotal, "show_value", False)
    assert client.get(url).status_code == 403
    assert url not in text(client.get(page_of("item_total/1")))


def test_a_model_may_hide_its_rows(
    client_of: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    author = Author.objects.create(slug="le-guin", first="Ursula", last="Le Guin")
    drain()
    url = page_of(f"catalog.author/{author.pk}", "value")
    client = client_of("operate", "view_value")
    assert "Ursula" in text(client.get(url))
    monkeypatch.setattr(Author, "show_value", False, raising=False)
    assert client.get(url).status_code == 403


def test_messages_of_errors_may_hold_values(
    failing: list[str], client_of: Callable[..., Client]
) -> None:
    """So whoever may only look sees their types."""
    shown = text(client_of("view_failure").get(FAILURES))
    assert "Broken" in shown
    assert "a-secret-value" not in shown
    shown = text(client_of("operate", name="other").get(FAILURES))
    assert "Broken: a-secret-value" in shown
    assert "Traceback" in shown


def test_messages_are_hidden_where_values_are(
    failing: list[str], client_of: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From whoever may act and see values; which key failed is told."""
    client = client_of("operate", "view_value")
    assert "a-secret-value" in text(client.get(page_of("fragile/1")))
    monkeypatch.setattr(Fragile, "show_value", False)
    for url in (FAILURES, page_of("fragile/1")):
        shown = text(client.get(url))
        assert "Broken" in shown
        assert "a-secret-value" not in shown


# Products.


def test_products_show_what_is_stored_and_what_fails(failing: list[str], operator: Client) -> None:
    rows = {row.product: row for row in operator.get(PRODUCTS).context["rows"]}
    assert (rows["item_total"].keys, rows["item_total"].exact) == (3, True)
    assert rows["item_total"].bytes == sum(
        size
        for (size,) in sql(
            "SELECT octet_length(body) FROM kck_publish_entry WHERE product = 'item_total'"
        )
    )
    assert (rows["fragile"].retrying, rows["fragile"].dead, rows["fragile"].behind) == (2, 0, 2)
    assert rows["author_page"].keys == 0
    assert not any(name.endswith("[]") for name in rows)


def test_products_are_sorted_and_searched(items: list[Item], operator: Client) -> None:
    rows = operator.get(PRODUCTS, {"o": "keys"}).context["rows"]
    assert [row.keys for row in rows] == sorted((row.keys for row in rows), reverse=True)
    rows = operator.get(PRODUCTS, {"q": "ITEM_"}).context["rows"]
    assert {"item_total", "item_names"} <= {row.product for row in rows}
    assert all("item_" in row.product for row in rows)


def test_a_product_is_paused_and_resumed(items: list[Item], operator: Client) -> None:
    assert "Paused item_total" in said(operator, PRODUCTS, act="pause", name="item_total")
    assert Pause.objects.get().by == "ops"
    Item.objects.update(amount=9)
    with computes() as seen:
        drain()
    assert "item_total+" not in seen
    (row,) = [row for row in operator.get(PRODUCTS).context["rows"] if row.paused_since]
    assert (row.product, row.postponed) == ("item_total", 3)
    assert "Resumed item_total" in said(operator, PRODUCTS, act="resume", name="item_total")
    drain()
    assert cache.get("item_total/1")["amount"] == 9
    assert log() == [("item_total", "Paused.", CHANGE), ("item_total", "Resumed.", CHANGE)]


def test_all_products_that_match_are_paused(items: list[Item], operator: Client) -> None:
    """After a question, since it is more than what is seen."""
    url = f"{PRODUCTS}?q=item_"
    asked = operator.post(url, {"act": "pause", "all": "on"})
    assert "all that match q=item_" in text(asked)
    assert not Pause.objects.exists()
    operator.post(url, {"act": "pause", "all": "on", "confirmed": "1"})
    paused = set(Pause.objects.values_list("product", flat=True))
    assert {"item_total", "item_names"} <= paused
    assert all("item_" in name for name in paused)
    assert {name for name, *_ in log()} == paused


def test_all_products_that_match_are_resumed(items: list[Item], operator: Client) -> None:
    """And no other, which somebody may have paused with a reason."""
    paused_products.pause(["item_total", "fragile"])
    operator.post(f"{PRODUCTS}?q=item_", {"act": "resume", "all": "on", "confirmed": "1"})
    assert list(Pause.objects.values_list("product", flat=True)) == ["fragile"]
    operator.post(PRODUCTS, {"act": "resume", "all": "on", "confirmed": "1"})
    assert not Pause.objects.exists()
    assert [name for name, *_ in log()] == ["item_total", "fragile"]


def test_all_of_a_product_is_refreshed(items: list[Item], operator: Client) -> None:
    corrupt("item_total/1")
    assert "Yes, refresh" in text(operator.post(PRODUCTS, {"act": "refresh", "name": "item_total"}))
    said(operator, PRODUCTS, act="refresh", name="item_total", confirmed="1")
    with computes() as seen:
        drain()
    assert seen == ["item_total"] * 3
    assert cache.get("item_total/1")["amount"] == 1
    assert log() == [("item_total", "Asked for a refresh of all its stored keys.", CHANGE)]


def test_a_product_is_verified(items: list[Item], operator: Client) -> None:
    corrupt("item_total/1")
    shown = said(operator, PRODUCTS, act="verify", name="item_total")
    assert "3 keys" in shown
    assert "1 is wrong" in shown
    assert page_of("item_total/1") in shown


# Entries.


def listed(client: Client, **query: str) -> list[str]:
    return [entry.key for entry in client.get(ENTRIES, query).context["page"].entries]


def test_entries_are_found_by_key_product_and_state(failing: list[str], operator: Client) -> None:
    total = [f"item_total/{n}" for n in (1, 2, 3)]
    assert sorted(listed(operator, product="item_total")) == total
    assert listed(operator, q="item_total/2") == ["item_total/2"]
    assert listed(operator, q="item_total/") == []
    assert sorted(listed(operator, q="item_total/*")) == total
    assert sorted(listed(operator, state="behind")) == failing
    assert listed(operator, state="behind", product="item_total") == []
    cache.set("by/hand", 1)
    assert listed(operator, state="hand") == ["by/hand"]
    sql("UPDATE kck_publish_entry SET fingerprint = 'old' WHERE key = 'item_total/3'")
    assert listed(operator, state="outdated") == ["item_total/3"]
    assert listed(operator, q="no\0such") == []


def test_pages_follow_each_other(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry is on one page, also where rows are looked at that do not match."""
    from kck_publish.admin import entries
    from kck_publish.ops import entries as of_ops

    for number in range(25):
        cache.set(f"{'odd' if number % 2 else 'even'}/{number}", number)
    monkeypatch.setattr(entries, "SIZE", 4)
    monkeypatch.setattr(of_ops, "LOOKED_AT", 5)
    for query, expected in (("", 25), ("?state=hand", 25), ("?q=ev*", 13), ("?product=odd", 12)):
        found: list[str] = []
        url = ENTRIES + query
        while True:
            shown = operator.get(url)
            found += [entry.key for entry in shown.context["page"].entries]
            if not shown.context["next"]:
                break
            url = ENTRIES + shown.context["next"]
        assert len(found) == len(set(found)) == expected, query


def test_selected_entries_are_refreshed(items: list[Item], operator: Client) -> None:
    corrupt("item_total/1")
    names = [box("item_total/1"), box("item_total/2")]
    assert "refreshes 2 keys" in said(operator, ENTRIES, act="refresh", name=names)
    with computes() as seen:
        drain()
    assert seen == ["item_total"] * 2
    assert [name for name, *_ in log()] == ["item_total/1", "item_total/2"]


@pytest.mark.parametrize("query", ["?product=item_total", "?q=item_total/*", ""])
def test_all_entries_that_match_are_refreshed(
    query: str, items: list[Item], operator: Client
) -> None:
    url, act = ENTRIES + query, {"act": "refresh", "all": "on"}
    assert "Yes, refresh" in text(operator.post(url, act))
    operator.post(url, {**act, "confirmed": "1"})
    with computes() as seen:
        drain()
    assert seen.count("item_total") == 3
    ((object_id, message, _),) = log()
    assert object_id is None
    assert message.startswith("Asked for a refresh.")


def test_selected_entries_are_verified(items: list[Item], client_of: Callable[..., Client]) -> None:
    """Values that differ are shown to those who may see them."""
    corrupt("item_total/1")
    names = [box("item_total/1"), box("item_total/2")]
    shown = said(client_of("operate"), ENTRIES, act="verify", name=names)
    assert "2 keys" in shown
    assert "1 is wrong" in shown
    assert "stored &#x27;wrong&#x27;" not in shown
    client = client_of("operate", "view_value", name="other")
    shown = said(client, ENTRIES, act="verify", name=names)
    assert "stored &#x27;wrong&#x27;" in shown
    assert {message for _, message, _ in log()} == {"Verified."}


def test_all_entries_that_match_are_verified(items: list[Item], operator: Client) -> None:
    corrupt("item_total/1")
    url, act = f"{ENTRIES}?product=item_total", {"act": "verify", "all": "on", "confirmed": "1"}
    assert "1 is wrong" in said(operator, url, **act)
    assert log() == [(None, "Verified 3 keys.", CHANGE)]


def test_entries_are_removed_after_a_question(items: list[Item], operator: Client) -> None:
    name = box("item_total/1")
    assert "Yes, remove" in text(operator.post(ENTRIES, {"act": "remove", "name": name}))
    assert stored("item_total/1") is not None
    operator.post(ENTRIES, {"act": "remove", "name": name, "confirmed": "1"})
    assert stored("item_total/1") is None
    assert stored("item_total/2") is not None
    assert log() == [("item_total/1", "Removed from the store.", DELETION)]
    url, act = f"{ENTRIES}?product=item_total", {"act": "remove", "all": "on", "confirmed": "1"}
    assert "2 entries removed" in said(operator, url, **act)
    assert stored("item_total/2") is None


def test_an_act_that_is_cut_off_is_in_the_log(
    items: list[Item], operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by the time limit of a worker: what it has done until then is recorded."""
    monkeypatch.setattr(entries, "PORTION", 1)
    sql(
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF (SELECT count(*) FROM kck_publish_entry WHERE product = 'item_total') = 1 THEN
                RAISE EXCEPTION 'cut off';
            END IF;
            RETURN old;
        END $$;
        CREATE TRIGGER refuse BEFORE DELETE ON kck_publish_entry FOR EACH ROW
            EXECUTE FUNCTION refuse()
        """
    )
    act = {"act": "remove", "all": "on", "confirmed": "1"}
    try:
        with pytest.raises(DatabaseError, match="cut off"):
            operator.post(f"{ENTRIES}?product=item_total", act)
    finally:
        sql("DROP FUNCTION refuse() CASCADE")
    assert log() == [(None, "Removed from the store. 2 entries.", DELETION)]


def test_what_depends_on_what_is_removed_is_told(operator: Client) -> None:
    author = Author.objects.create(slug="a", first="A", last="B")
    key = f"author_page/{author.pk}"
    cache.get(f"shelf_sum/{author.pk}")
    drain()
    told = "SELECT new FROM kck_publish_change WHERE source = 'author_page' AND op = 'refreshed'"
    before = sql(told)
    operator.post(ENTRIES, {"act": "remove", "name": box(key), "confirmed": "1"})
    assert sql(told) == [*before, ([key],)]


def test_a_key_is_explained(items: list[Item], operator: Client) -> None:
    Item.objects.filter(group=1).update(amount=5)
    shown = text(operator.get(page_of("item_total/1")))
    assert "tests.catalog.primers.ItemTotal" in shown
    assert "catalog_item" in shown
    assert "1 of its inputs, 0 requests" in shown
    assert operator.get(page_of("no_such/1")).status_code == 404
    assert operator.get(page_of("item_total/x")).status_code == 404
    odd = "by/hand~_?&#/é"
    cache.set(odd, 1)
    assert "set by hand" in text(operator.get(page_of(odd)))


def test_an_act_on_the_page_of_a_key_is_in_its_history(items: list[Item], operator: Client) -> None:
    url = page_of("item_total/1")
    assert "refreshes 1 keys" in said(operator, url, act="refresh", name=box("item_total/1"))
    shown = text(operator.get(page_of("item_total/1", "history")))
    assert "Asked for a refresh." in shown
    (entry,) = LogEntry.objects.all()
    assert entry.get_admin_url() == url
    assert operator.get("/admin/").status_code == 200


# Failures.


def test_failures_are_retried_and_discarded(failing: list[str], operator: Client) -> None:
    """A key that is tried again later, and then two dead letters."""
    with interfering(breaking("fragile")):
        assert "1 keys are tried again" in said(operator, FAILURES, act="retry", name="fragile/1")
        for hours in (1, 2, 3):
            with travel(timedelta(hours=hours)):
                drain()
    assert Failure.objects.filter(due_at=None).count() == 2
    shown = operator.get(FAILURES, {"state": "dead"})
    assert [failure.key for failure in shown.context["page"].failing] == failing
    assert not operator.get(FAILURES, {"state": "retrying"}).context["page"].failing
    assert "Yes, discard" in text(operator.post(FAILURES, {"act": "discard", "name": "fragile/1"}))
    operator.post(FAILURES, {"act": "discard", "name": "fragile/1", "confirmed": "1"})
    assert list(Failure.objects.values_list("key", flat=True)) == ["fragile/2"]
    said(operator, FAILURES, act="retry", name="fragile/2")
    drain()
    assert not Failure.objects.exists()
    assert Fragile.cached.get(group=2) == [50]
    assert log() == [
        ("fragile/1", "Retried.", CHANGE),
        ("fragile/1", "Discarded.", DELETION),
        ("fragile/2", "Retried.", CHANGE),
    ]


@pytest.mark.parametrize("act", ["retry", "discard"])
def test_all_failures_that_match(act: str, failing: list[str], operator: Client) -> None:
    sql("UPDATE kck_publish_failure SET due_at = NULL")
    url = f"{FAILURES}?product=other"
    operator.post(url, {"act": act, "all": "on", "confirmed": "1"})
    assert Failure.objects.filter(due_at=None).count() == 2
    operator.post(f"{FAILURES}?product=fragile", {"act": act, "all": "on", "confirmed": "1"})
    assert Failure.objects.filter(due_at=None).count() == 0
    assert Failure.objects.count() == (2 if act == "retry" else 0)
    assert [which for which, *_ in log()] == [None, None]


@pytest.fixture
def kafka_letter(transactional_db: None) -> None:
    """A message that a consumer could not handle."""
    sql(
        """
        INSERT INTO kck_publish_kafka_failure (consumer, topic, partition, place, digest, headers,
            state, attempts, error, message, traceback)
        VALUES ('shop', 'prices', 0, 17, gen_random_uuid(), '', 'dead', 3, 'ValueError', 'bad', '')
        """
    )


@pytest.mark.parametrize("act", ["retry", "discard"])
def test_all_that_match_are_those_of_kafka_too(
    act: str, operator: Client, kafka_letter: None
) -> None:
    """Where the page lists them: they match no filter."""
    everything = {"act": act, "all": "on", "confirmed": "1"}
    operator.post(f"{FAILURES}?state=dead", everything)
    assert sql("SELECT state FROM kck_publish_kafka_failure") == [("dead",)]
    operator.post(FAILURES, everything)
    assert sql("SELECT state FROM kck_publish_kafka_failure WHERE state = 'dead'") == []


def test_dead_letters_of_kafka_are_there_too(operator: Client, kafka_letter: None) -> None:
    key = "kafka:shop:prices/0/17"
    assert key in text(operator.get(FAILURES))
    operator.post(FAILURES, {"act": "retry", "name": key})
    assert sql("SELECT state FROM kck_publish_kafka_failure") == [("retrying",)]
    sql("UPDATE kck_publish_kafka_failure SET state = 'dead'")
    operator.post(FAILURES, {"act": "discard", "name": key, "confirmed": "1"})
    assert sql("SELECT * FROM kck_publish_kafka_failure") == []
    assert [name for name, *_ in log()] == [key, key]


# Listeners, and what every page has.


def test_listeners_and_shards(items: list[Item], operator: Client) -> None:
    shown = text(operator.get(LISTENERS))
    assert "No listener is running" in shown
    assert "0 of 1" in shown


@pytest.mark.long
@pytest.mark.parametrize(
    "url",
    [
        *PAGES,
        f"{PRODUCTS}?o=keys&q=item&period=week",
        f"{ENTRIES}?product=item_total&state=behind&q=item_total/*",
        f"{FAILURES}?product=fragile",
        page_of("fragile/1"),
        page_of("fragile/1", "history"),
        page_of("fragile/1", "value"),
    ],
)
def test_a_page_takes_five_queries_at_the_most(
    url: str, failing: list[str], client_of: Callable[..., Client]
) -> None:
    """Those for the session and the user included."""
    client = client_of(is_superuser=True)
    assert client.get(url).status_code == 200  # the types of contents are known then
    with CaptureQueriesContext(connection) as queries:
        text(client.get(url))
    assert len(queries) <= 5, [query["sql"][:90] for query in queries]


def test_listeners_before_any_has_run(client_of: Callable[..., Client]) -> None:
    """Then there are no shards to be asked for."""
    client = client_of(is_superuser=True)
    sql("DELETE FROM kck_publish_shard")
    client.get(LISTENERS)
    with CaptureQueriesContext(connection) as queries:
        assert "No listener has ever run" in text(client.get(LISTENERS))
    assert len(queries) <= 5, [query["sql"][:90] for query in queries]


def test_the_index_lists_the_pages(items: list[Item], operator: Client) -> None:
    for url in ("/admin/", ADMIN):
        shown = text(operator.get(url))
        assert all(page in shown for page in PAGES), url


def test_an_act_that_is_not_there_and_an_empty_selection(operator: Client) -> None:
    assert operator.post(ENTRIES, {"act": "explode", "name": "x"}).status_code == 400
    assert "Nothing is selected" in said(operator, ENTRIES, act="refresh")
    assert "item_nams" in said(operator, PRODUCTS, act="pause", name="item_nams")
    assert log() == []


@pytest.fixture
def web_role(items: list[Item]) -> Iterator[None]:
    """The session is a web process's, which may look at everything and ask for refreshes."""
    role = f"web_{connection.settings_dict['NAME']}"  # roles are the server's, not a database's
    sql(f"CREATE ROLE {role}")
    sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    for table, rights in WEB.items():
        sql(f"GRANT {rights} ON {table} TO {role}")
    sql(f"SET ROLE {role}")
    yield
    sql("RESET ROLE")
    sql(f"DROP OWNED BY {role}")
    sql(f"DROP ROLE {role}")


def test_a_role_without_the_grants_is_told_so(operator: Client, web_role: None) -> None:
    """And nothing is done by half."""
    assert "needs the grants of a listener" in said(
        operator, PRODUCTS, act="pause", name="item_total"
    )
    sql("RESET ROLE")
    assert not Pause.objects.exists()
    assert log() == []


@pytest.mark.parametrize("wrong", ["no", None, 1])
def test_what_show_value_may_be(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ItemTotal, "show_value", wrong)
    with pytest.raises(InvalidPrimer, match="item_total: show_value is True or False"):
        check_options("item_total", ItemTotal)


def test_what_is_stored_cannot_harm_a_page(operator: Client) -> None:
    key = "<script>alert(1)</script>/1"
    cache.set(key, "<b>")
    for url in (f"{ENTRIES}?q={quote_url(key)}", PRODUCTS, page_of(key)):
        shown = text(operator.get(url))
        assert "<script>alert" not in shown
        assert "&lt;script&gt;alert" in shown


@pytest.mark.parametrize("url", [ENTRIES, FAILURES])
def test_an_address_that_no_page_has_written(url: str, operator: Client) -> None:
    for after in ("no", f"{'0' * 32}:\0"):
        text(operator.get(url, {"after": after}))


def test_the_names_of_the_pages_have_no_rows_of_their_own(failing: list[str]) -> None:
    assert str(FailedKey(key="fragile/1")) == "fragile/1"
    assert not FailedKey._meta.managed
