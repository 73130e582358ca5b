"""The operator's commands: status, prime, dead letters, verify, explain and graph."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from kck_publish import Cache, Depends, IntegerParameter, Primer
from kck_publish.listener.listener import Listener
from kck_publish.ops import compare, judge, verify
from kck_publish.ops.graph import draw
from kck_publish.ops.verify import audit
from kck_publish.products import registry
from kck_publish.products.graph import Graph
from kck_publish.testing import assert_fresh, travel
from tests.catalog import primers
from tests.catalog.fixtures import (
    Session,
    another_session,
    computes,
    drain,
    interfering,
    sql,
    stored,
)
from tests.catalog.models import Author, Book, Edition, Item

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


def run(*arguments: str) -> str:
    """A command's output; SystemExit is left to the caller."""
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def fails(*arguments: str) -> str:
    """The output of a command that exits 1."""
    out = io.StringIO()
    with pytest.raises(SystemExit) as exited:
        call_command(*arguments, stdout=out)
    assert exited.value.code == 1
    return out.getvalue()


def status() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("kck_status", "--json"))
    return found


def corrupt(key: str, body: str = '"wrong"') -> None:
    """What no listener would do."""
    sql("UPDATE kck_publish_entry SET body = %s WHERE key = %s", body.encode(), key)


class Broken(Exception):  # noqa: N818
    """What a failing compute raises; its message holds a secret."""


def breaking(product: str) -> Callable[[str, Any], None]:
    def interfere(name: str, parameters: Any) -> None:
        if name == product:
            raise Broken("a-secret-value")

    return interfere


@pytest.fixture
def item(transactional_db: None) -> Item:
    return Item.objects.create(name="lamp", group=1, amount=5)


@pytest.fixture
def author(transactional_db: None) -> Author:
    author = Author.objects.create(slug="le-guin", first="Ursula", last="Le Guin")
    book = Book.objects.create(author=author, title="The Dispossessed", price=8)
    Edition.objects.create(book=book, copies=10)
    return author


@pytest.fixture
def dead_letter(item: Item) -> str:
    """``fragile/1``, whose refresh has failed for good."""
    cache.get("fragile/1")
    drain()
    with interfering(breaking("fragile")):
        Item.objects.update(amount=6)
        drain()
        with travel(timedelta(minutes=2)):
            drain()
        with travel(timedelta(minutes=4)):
            drain()
    return "fragile/1"


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener that runs in a thread."""
    ready = threading.Event()
    listener = Listener("default", say=lambda line: ready.set())
    session = Session(listener.run)
    try:
        assert ready.wait(20), "the listener is not ready"
        yield listener
    finally:
        listener.stop()
        session.result()


# kck_status


def test_status_says_what_an_operator_asks(item: Item) -> None:
    found = status()
    assert {
        "lag_seconds",
        "queue",
        "shards",
        "listeners",
        "dead_letters",
        "triggers",
        "healthy",
    } <= found.keys()
    assert found["queue"].keys() == {"log", "refreshes", "retries", "deferred"}
    assert found["queue"]["log"] > 0
    assert found["lag_seconds"] > 0
    drain()
    found = status()
    assert (found["lag_seconds"], found["healthy"], found["problems"]) == (0, True, [])
    assert found["queue"] == {"log": 0, "refreshes": 0, "retries": 0, "deferred": 0}
    assert [shard["shard"] for shard in found["shards"]] == [0]
    cache.refresh("item_names/1")
    assert status()["queue"]["refreshes"] == 1


def test_status_names_the_listener_and_its_shards(item: Item) -> None:
    with listening():
        (one,) = status()["listeners"]
        assert one["connected"]
        text = run("kck_status")
    assert one["name"] in text
    assert status()["listeners"] == []


def test_status_check_is_healthy_when_drained(item: Item) -> None:
    drain()
    assert "healthy    yes" in run("kck_status", "--check")


def test_status_check_fails_on_lag(item: Item) -> None:
    drain()
    Item.objects.update(amount=7)
    sql("UPDATE kck_publish_change SET at = at - interval '1 minute'")
    sql("UPDATE kck_publish_shard SET caught_up_at = caught_up_at - interval '1 minute'")
    assert "unhandled change" in fails("kck_status", "--check")
    assert "healthy    yes" in run("kck_status", "--check", "--max-lag", "3600")
    assert "NO" in run("kck_status")  # without --check it only tells


def test_status_check_fails_on_a_dead_letter(dead_letter: str) -> None:
    assert status()["dead_letters"] == 1
    assert "1 dead letters" in fails("kck_status", "--check")


def test_status_check_fails_on_a_missing_trigger(item: Item) -> None:
    drain()
    with transaction.atomic():
        sql(
            "DO $$ DECLARE name text; BEGIN "
            "SELECT tgname INTO name FROM pg_trigger WHERE tgrelid = 'catalog_item'::regclass "
            "AND tgname LIKE 'kck_publish_update%'; "
            "EXECUTE 'DROP TRIGGER ' || name || ' ON catalog_item'; END $$"
        )
        assert "catalog_item is missing" in fails("kck_status", "--check")
        assert len(status()["triggers"]) == 1
        transaction.set_rollback(True)
    assert "healthy    yes" in run("kck_status", "--check")


# kck_prime


@pytest.fixture
def shelves(monkeypatch: pytest.MonkeyPatch, author: Author) -> list[str]:
    """A domain for the shelves: three authors."""
    for name in ("b", "c"):
        Author.objects.create(slug=name, first=name, last=name)
    keys = [f"shelf/{pk}" for pk in Author.objects.order_by("pk").values_list("pk", flat=True)]

    def domain(self: Any) -> Any:
        return [{"author": pk} for pk in Author.objects.values_list("pk", flat=True)]

    monkeypatch.setattr(primers.Shelf, "domain", domain)
    return keys


def test_prime_a_named_domain(shelves: list[str]) -> None:
    assert re.search(r"shelf .* 3 of 3 ", run("kck_prime", "shelf"))
    assert all(stored(key) for key in shelves)
    assert stored(shelves[0].replace("shelf", "author_page")) is None


def test_prime_goes_on_where_it_was_stopped(shelves: list[str]) -> None:
    cache.get(shelves[0])
    with computes() as computed:
        run("kck_prime", "shelf")
    assert computed.count("shelf") == 2
    with computes() as computed:
        run("kck_prime", "shelf")
    assert computed == []


def test_prime_all_primes_models_and_domains(shelves: list[str]) -> None:
    out = run("kck_prime", "--all")
    assert re.search(r"catalog\.author .* 3 of 3 ", out)
    assert re.search(r"shelf .* 3 of 3 ", out)
    assert stored(f"catalog.author/{Author.objects.get(slug='b').pk}") is not None
    assert stored("item_names/1") is None


def test_prime_goes_on_behind_a_key_that_fails(shelves: list[str]) -> None:
    def interfere(name: str, parameters: Any) -> None:
        if name == "shelf" and f"shelf/{parameters['author']}" == shelves[1]:
            raise Broken

    with interfering(interfere), pytest.raises(CommandError, match="1 keys could not be primed"):
        run("kck_prime", "shelf")
    assert [stored(key) is not None for key in shelves] == [True, False, True]


def forgotten(self: Any) -> Any:
    """A ``return`` that was forgotten."""


def halfway(self: Any) -> Any:
    yield {"author": Author.objects.earliest("pk").pk}
    raise Broken


@pytest.mark.parametrize(
    ("domain", "why"), [(forgotten, "gives parameter dicts, not None"), (halfway, "Broken")]
)
def test_prime_goes_on_behind_a_domain_that_fails(
    shelves: list[str], monkeypatch: pytest.MonkeyPatch, domain: Any, why: str
) -> None:
    """The other domains are primed, and of an eager product nobody has left."""
    monkeypatch.setattr(primers.Shelf, "domain", domain)
    monkeypatch.setattr(primers.Shelf, "eager", True)
    cache.get(shelves[2])
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError, match="The domain of 1 products is not known"):
        call_command("kck_prime", "shelf", "catalog.author", stderr=err, stdout=out)
    assert "domain() of shelf failed" in err.getvalue()
    assert why in err.getvalue()
    assert stored(f"catalog.author/{Author.objects.get(slug='b').pk}") is not None
    assert "to be removed" not in out.getvalue()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shelve"], "Did you mean shelf"),
        (["item_names"], "item_names has no domain"),
        ([], "Name the products to prime, or say --all"),
    ],
)
def test_prime_refuses_by_name(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run("kck_prime", *arguments)


# kck_dead_letters


def test_dead_letters_are_listed(dead_letter: str) -> None:
    (letter,) = json.loads(run("kck_dead_letters", "list", "--json"))
    assert letter["key"] == dead_letter
    assert letter["product"] == "fragile"
    assert letter["attempts"] == 3
    assert "Broken" in letter["error"]
    assert letter["message"] == "a-secret-value"
    assert letter["traceback"].startswith("Traceback (most recent call last):")
    assert "Broken: a-secret-value" in letter["traceback"]
    assert "fragile/1  3 attempts, tests.integration.test_commands.Broken: a-secret" in run(
        "kck_dead_letters", "list"
    )


def test_dead_letters_are_retried(dead_letter: str) -> None:
    assert run("kck_dead_letters", "retry", dead_letter) == "1 to be retried\n"
    drain()
    assert run("kck_dead_letters", "list") == "No dead letters.\n"
    assert cache.get(dead_letter) == [6]
    assert_fresh("fragile")


def test_dead_letters_are_discarded(dead_letter: str) -> None:
    assert run("kck_dead_letters", "discard", "--all") == "1 discarded\n"
    assert json.loads(run("kck_dead_letters", "list", "--json")) == []
    entry = stored(dead_letter)
    assert entry is not None
    assert entry.behind  # what is stored is still not right


@pytest.mark.parametrize("action", ["retry", "discard"])
def test_dead_letters_that_are_none(action: str, dead_letter: str) -> None:
    with pytest.raises(CommandError, match="No dead letter: fragile/7"):
        run("kck_dead_letters", action, "fragile/7")
    with pytest.raises(CommandError, match="Name the keys, or say --all"):
        run("kck_dead_letters", action)
    assert len(json.loads(run("kck_dead_letters", "list", "--json"))) == 1


# kck_verify


def test_verify_finds_nothing_where_all_is_right(item: Item, author: Author) -> None:
    cache.get(f"shelf_sum/{author.pk}")
    Item.cached.filter(group=1)
    drain()
    assert " 0 wrong" in run("kck_verify")
    assert " 0 wrong" in run("kck_verify", "shelf_sum", "catalog.item")


@pytest.mark.parametrize("listen", [False, True], ids=["alone", "with a listener"])
@pytest.mark.parametrize("key", ["item_names/1", "item_total/1", "catalog.item[group]/1"])
def test_verify_names_what_differs_and_repairs_it(item: Item, key: str, listen: bool) -> None:
    for one in (key, "item_names/2"):
        product, parameters = cache.parse_key(one)
        if product == "catalog.item[group]":
            Item.cached.filter(group=parameters["group"])
        else:
            cache.get(one)
    drain()
    corrupt(key, '["a-secret-value"]')
    with listening() if listen else nothing():
        out = fails("kck_verify")
        assert re.search(rf"different +{re.escape(key)}", out)
        assert "1 wrong" in out
        assert "a-secret-value" not in out
        assert "item_names/2" not in out
        assert "different" not in run("kck_verify", "item_total" if "names" in key else "stock")
        assert f"repaired   {key}" in run("kck_verify", "--repair")
        assert " 0 wrong" in run("kck_verify")
    assert_fresh()


@contextmanager
def nothing() -> Iterator[None]:
    yield


def test_verify_before_any_listener_has_run(item: Item) -> None:
    cache.get("item_names/1")
    assert " 0 wrong" in run("kck_verify")
    corrupt("item_names/1")
    assert "item_names/1" in fails("kck_verify")


def test_verify_names_what_was_set_by_hand_and_what_should_not_exist(item: Item) -> None:
    cache.get("item_names/1")
    Item.cached.get(pk=item.pk)
    drain()
    cache.set("item_names/1", ["by hand"])
    sql("UPDATE kck_publish_entry SET body = NULL WHERE key = %s", f"catalog.item/{item.pk}")
    out = fails("kck_verify")
    assert "item_names/1  (was set by hand)" in out
    assert f"catalog.item/{item.pk}" in out
    run("kck_verify", "--repair")
    assert cache.get("item_names/1") == [[item.pk, "lamp"]]


def test_verify_does_not_count_what_waits_for_a_listener(item: Item, author: Author) -> None:
    """Changed, not drained: also what depends on a product that waits."""
    for key in ("item_names/1", f"shelf_sum/{author.pk}"):
        cache.get(key)
    drain()
    Item.objects.update(name="other")
    Edition.objects.update(copies=99)
    out = run("kck_verify")
    assert re.search(r"waiting +item_names/1", out)
    assert re.search(rf"waiting +shelf_sum/{author.pk}", out)
    assert " 0 wrong" in out
    assert "repaired   item_names/1" in run("kck_verify", "--repair")
    assert_fresh()


def test_verify_does_not_mind_the_order_of_a_dict(item: Item) -> None:
    cache.get("item_total/1")
    drain()
    corrupt("item_total/1", '{"amount":5,"count":1}')
    assert " 0 wrong" in run("kck_verify", "item_total")
    corrupt("item_total/1", '{"amount":5,"count":true}')
    assert "item_total/1" in fails("kck_verify", "item_total")


def test_verify_a_sample(item: Item) -> None:
    for group in range(5):
        cache.get(f"item_names/{group}")
    drain()
    assert run("kck_verify", "item_names", "--sample", "2").startswith("2 keys compared")
    assert run("kck_verify", "item_names", "--sample", "9").startswith("5 keys compared")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["item_nams"], "Did you mean item_names"), (["--sample", "0"], "at least 1")],
)
def test_verify_refuses_by_name(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run("kck_verify", *arguments)


def test_verify_tells_what_is_behind_from_what_differs(dead_letter: str) -> None:
    out = run("kck_verify", "fragile")
    assert re.search(r"behind +fragile/1", out)
    assert "a-secret-value" not in out
    assert "repaired   fragile/1" in run("kck_verify", "fragile", "--repair")
    assert status()["dead_letters"] == 0


def test_verify_tells_what_cannot_be_computed(item: Item) -> None:
    cache.get("fragile/1")
    cache.get("fragile/2")
    drain()

    def interfere(name: str, parameters: Any) -> None:
        if parameters == {"group": 1}:
            sql("SELECT 1 / 0")  # which also spoils the transaction

    with interfering(interfere):
        out = fails("kck_verify", "fragile", "--repair")
    assert re.search(r"failing +fragile/1 +\(its compute raises \w+\)", out)
    assert "fragile/2" not in out


def test_verify_passes_over_what_is_kept_by_time(
    item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(primers.Anything, "soft_expire", timedelta(hours=1))
    monkeypatch.setattr(primers.Anything, "values", {"x": 1})
    cache.get("anything/x")
    primers.Anything.values = {"x": 2}
    assert " 0 wrong" in run("kck_verify")
    assert "anything/x" in fails("kck_verify", "anything")


def test_verify_inside_a_test_case(item: Item) -> None:
    """In a transaction it looks at what that sees; a repair would wait for ever."""
    cache.get("item_names/1")
    drain()
    with transaction.atomic():
        assert " 0 wrong" in run("kck_verify")
        with pytest.raises(CommandError, match="inside a transaction"):
            run("kck_verify", "--repair")


def test_verify_does_not_count_what_a_second_look_does_not_find(
    item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A difference that is gone when all that the first look saw has been handled is none."""
    cache.get("item_names/1")
    drain()
    corrupt("item_names/1")
    looks: list[int] = []

    def look_at(*args: Any) -> Any:
        seen = compare.look_at(*args)
        looks.append(len(seen.findings))
        cache.refresh("item_names/1")
        drain()
        return seen

    monkeypatch.setattr(judge, "look_at", look_at)
    report = audit(["item_names"], patience=5)
    assert looks[0] == 1
    assert report.good
    assert report.findings == []


def test_verify_reports_no_lag_as_a_difference(author: Author) -> None:
    """Under writes to the very keys that are compared, back and forth, with a listener at work."""
    book = Book.objects.get()
    for group in range(4):
        Item.objects.create(name=f"item{group}", group=group, amount=1)
    keys = [f"{name}/{group}" for name in ("item_names", "item_total") for group in range(4)]
    keys += ["item_names/9"]
    keys += [f"{name}/{author.pk}" for name in ("author_page", "shelf", "shelf_sum")]
    names = ["item_names", "item_total", "author_page", "shelf", "shelf_sum"]
    stop, written = threading.Event(), [0]

    def write() -> None:
        while not stop.is_set():
            number = written[0] = written[0] + 1
            with transaction.atomic():
                Item.objects.filter(group=number % 4).update(amount=number % 2, name=f"n{number}")
                Edition.objects.update(copies=number % 3)
                Book.objects.filter(pk=book.pk).update(title=f"t{number % 2}")

    with listening():
        for key in keys:
            cache.get(key)
        writer = Session(write)
        try:
            reports: list[verify.Report] = []
            while len(reports) < 4 or (written[0] <= 50 and len(reports) < 100):
                reports.append(audit(names, patience=0.3))
            before = written[0]
            corrupt("item_names/9")  # nobody writes there, so it is found for what it is
            wrong = audit(["item_names"], patience=0.5)
        finally:
            stop.set()
            writer.result()
        assert [report.findings for report in reports if not report.good] == []
        assert [one.key for one in wrong.findings if one.kind == "different"] == ["item_names/9"]
        assert before > 50
        assert all(report.compared >= len(keys) for report in reports)
    drain()
    assert " 1 wrong" in fails("kck_verify")
    run("kck_verify", "--repair")
    assert_fresh()


# kck_explain


def explained(key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("kck_explain", key, "--json"))
    return found


def test_explain_a_stored_key(author: Author) -> None:
    key = f"shelf/{author.pk}"
    cache.get(f"shelf_sum/{author.pk}")
    cache.get(key)
    drain()
    Edition.objects.update(copies=11)
    drain()
    found = explained(key)
    assert found["product"] == "shelf"
    assert found["computed_by"] == "tests.catalog.primers.Shelf"
    assert found["parameters"] == {"author": author.pk}
    assert found["inputs"]["sources"] == [
        {"name": "catalog_book", "by": "author=author_id; columns title"}
    ]
    assert [one["name"] for one in found["inputs"]["products"]] == ["stock"]
    assert found["stored"]["version"] == cache.entry(key).version
    assert found["stored"]["stamp"] == cache.entry(key).stamp
    assert found["stored"]["behind"] is False
    assert found["last_refresh"].keys() == {"why", "change", "seconds", "at", "by"}
    assert re.fullmatch(r"update of stock, xid \d+", found["last_refresh"]["change"])
    assert (found["last_refresh"]["why"], found["last_refresh"]["by"]) == ("change", "listener")
    assert found["pending"] == {"changes": 0, "requests": 0}
    assert found["failure"] is None
    assert found["dependents"] == [{"product": "shelf_sum", "stored_keys": 1}]
    assert found["shard"]["shard"] == 0
    Edition.objects.update(copies=12)
    cache.refresh(key)
    assert explained(key)["pending"] == {"changes": 1, "requests": 1}


def test_explain_in_words(author: Author) -> None:
    key = f"shelf/{author.pk}"
    cache.get(key)
    out = run("kck_explain", key)
    assert "tests.catalog.primers.Shelf" in out
    assert "because of: miss" in out
    assert "source       catalog_book" in out
    assert "product      stock" in out
    assert "The Dispossessed" not in out  # no value is shown


def test_explain_what_is_not_stored_or_set_by_hand(item: Item) -> None:
    assert "stored       no" in run("kck_explain", "item_names/7")
    assert stored("item_names/7") is None
    cache.set("any/key", "a-secret-value")
    out = run("kck_explain", "any/key")
    assert "set by hand" in out
    assert "a-secret-value" not in out
    assert "the rows of catalog.Item" in run("kck_explain", f"catalog.item/{item.pk}")


def test_explain_a_key_that_fails(dead_letter: str) -> None:
    failure = explained(dead_letter)["failure"]
    assert (failure["attempts"], failure["due"], failure["dead_letter"]) == (3, None, True)
    out = run("kck_explain", dead_letter)
    assert "behind       YES" in out
    assert re.search(r"failed +3 times, .*Broken; a DEAD LETTER", out)
    assert re.search(r"message +a-secret-value", out)
    assert "Broken: a-secret-value" in failure["traceback"]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("item_nams/1", "Did you mean item_names"),
        ("item_names/x", "takes an integer"),
        ("item_names/1/2", "has 2 parameter"),
    ],
)
def test_explain_refuses_by_name(key: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run("kck_explain", key)


# kck_graph


def test_graph_as_text() -> None:
    out = run("kck_graph")
    assert out == run("kck_graph", "--format", "text")
    assert "  catalog_book  catalog.Book\n" in out
    assert "    -> author_page  [author=author_id; columns title, price]\n" in out
    assert "  stock(book)  augmented\n    <- catalog_edition  [book=book_id; columns copies]" in out
    assert "  titles()  eager\n    <- catalog_book  [ALL]" in out
    assert "    <- product stock  [keys=callable]" in out
    assert out.index("\n  stock(") < out.index("\n  shelf(") < out.index("\n  shelf_sum(")


def node(out: str, pattern: str) -> str:
    found = re.search(pattern, out)
    assert found, pattern
    return found[1]


def test_graph_as_mermaid() -> None:
    out = run("kck_graph", "--format", "mermaid")
    assert out.startswith("flowchart LR\n")
    book, stock = node(out, r'(s\d+)\[\("catalog_book"\)\]'), node(out, r'(p\d+)\["stock\(book\)"')
    page, shelf = node(out, r'(p\d+)\["author_page'), node(out, r'(p\d+)\["shelf\(')
    assert f'    {book} -->|"author=author_id; columns title, price"| {page}\n' in out
    assert f'    {stock} -->|"keys=callable"| {shelf}\n' in out


def test_graph_as_dot() -> None:
    out = run("kck_graph", "--format", "dot")
    assert out.startswith("digraph kck_publish {\n")
    assert out.endswith("}\n")
    titles, book = (
        node(out, r'(p\d+) \[.*label="titles\(\)"'),
        node(out, r'(s\d+) .*"catalog_book"'),
    )
    assert f'    {book} -> {titles} [label="ALL"];\n' in out


def test_graph_escapes_names() -> None:
    """A table may be called anything."""
    quoted = 'a "quoted" <b> & back\\slash #1'
    original = Item._meta.db_table
    Item._meta.db_table = quoted
    try:
        graph = Graph({"item_names": registry.get("item_names")})
        for dependency in registry.get("item_names").depends_on:
            graph.by_model[Item].append((registry.get("item_names"), dependency))
        mermaid, dot = draw(graph, "mermaid"), draw(graph, "dot")
    finally:
        Item._meta.db_table = original
    assert '[("a #quot;quoted#quot; #lt;b#gt; #amp; back\\slash #35;1")]' in mermaid
    assert 'label="a \\"quoted\\" <b> & back\\\\slash #1"' in dot
    assert original in draw(registry.graph())


def test_graph_refuses_an_unknown_format() -> None:
    with pytest.raises(CommandError, match="invalid choice"):
        run("kck_graph", "--format", "svg")


# What the checks and the fixture add


@contextmanager
def declared(**attributes: Any) -> Iterator[str]:
    """A primer for the time of the block."""
    attributes = {"key": "declared_here", "compute": lambda self, **_: None, **attributes}
    type("Declared", (Primer,), attributes)
    try:
        yield "declared_here"
    finally:
        registry.unregister("declared_here")


def checked() -> str:
    err = io.StringIO()
    call_command("check", database=["default"], stdout=io.StringIO(), stderr=err)
    return err.getvalue()


def test_the_check_of_eager_products() -> None:
    assert "E007" not in checked()
    with (
        declared(eager=True, parameters=[IntegerParameter("group")], depends_on=[Depends(Item)]),
        pytest.raises(CommandError, match=r"kck_publish.E007\) declared_here is eager"),
    ):
        checked()


def test_the_check_of_publish(monkeypatch: pytest.MonkeyPatch) -> None:
    from kck_publish.rows import publish

    assert "catalog.Book" not in checked()
    monkeypatch.setitem(publish.unreadable, "catalog.Book", "TypeError: nothing there")
    assert "catalog.Book.publish() could not be run" in checked()


def test_the_check_of_tables() -> None:
    assert "W005" not in checked()
    with transaction.atomic():
        sql("ALTER TABLE kck_publish_failure RENAME TO elsewhere")
        out = checked()
        transaction.set_rollback(True)
    assert "Table kck_publish_failure does not exist in database 'default'" in out
    assert "manage.py migrate" in out


def test_the_plugin_is_loaded_before_django() -> None:
    code = "import kck_publish.pytest_plugin, sys; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_fixture_drains_what_is_committed(kck_drain: Callable[[], Any], item: Item) -> None:
    cache.get("item_names/1")
    with another_session() as other:
        other.execute("UPDATE catalog_item SET name = 'changed'")
    kck_drain()
    assert cache.get("item_names/1") == [[item.pk, "changed"]]


@pytest.mark.django_db(transaction=False)
def test_the_fixture_drains_a_tests_own_transaction(kck_drain: Callable[[], Any]) -> None:
    row = Item.objects.create(name="lamp", group=1)
    cache.get("item_names/1")
    kck_drain()
    row.name = "changed"
    row.save()
    kck_drain()
    assert connection.in_atomic_block
    assert_fresh("item_names")
    assert " 0 wrong" in run("kck_verify", "item_names")
