"""The faults of django-kck and kck, by their letters: none of them is ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kck_publish import (
    Cache,
    DependencyCycle,
    Depends,
    Primer,
    Retry,
    StringParameter,
    VersionMismatch,
)
from kck_publish.products import compute, registry
from kck_publish.testing import assert_fresh, travel
from tests.catalog.fixtures import Gate, Session, computes, drain, interfering, sql, stored
from tests.catalog.models import Author, Book, Edition
from tests.catalog.primers import Anything, Fragile

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


@pytest.fixture
def values(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> dict[str, Any]:
    """What the product ``anything`` gives, by name."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(Anything, "values", found)
    return found


@pytest.fixture
def edition(transactional_db: None) -> Edition:
    author = Author.objects.create(slug="le-guin", first="Ursula", last="Le Guin")
    book = Book.objects.create(author=author, title="Always", price=5)
    edition = Edition.objects.create(book=book, copies=3)
    drain()
    cache.get_many([f"stock/{book.pk}", f"shelf/{author.pk}", f"author_page/{author.pk}"])
    drain()
    return edition


@pytest.fixture
def undeclared() -> Iterator[list[str]]:
    """Names of products that a test declares, to be forgotten afterwards."""
    names: list[str] = []
    yield names
    for name in names:
        registry.unregister(name)


def test_a_nothing_is_carried_from_one_refresh_to_the_next(edition: Edition) -> None:
    """There, a hint of an old source value was used by later computes."""
    author = edition.book.author_id
    for copies in (4, 9, 2):
        Edition.objects.update(copies=copies)
        drain()
        assert compute.current() is None
        assert cache.get(f"shelf/{author}") == {"Always": copies}
    sql("UPDATE catalog_edition SET copies = 30")
    cache.refresh(f"stock/{edition.book_id}", queued=False)
    drain()
    assert cache.get(f"shelf/{author}") == {"Always": 30}
    assert_fresh()


def test_b_none_and_nothing_are_values(values: dict[str, Any]) -> None:
    values |= {"none": None, "list": [], "dict": {}, "text": "", "zero": 0, "false": False}
    for name, value in values.items():
        cache.get(f"anything/{name}")
        with computes() as seen:
            assert cache.get(f"anything/{name}") == value
            assert cache.is_set(f"anything/{name}")
        assert seen == []
        assert cache.set("by/hand", value).value == value == cache.get("by/hand")


def test_c_a_version_is_used_once(values: dict[str, Any]) -> None:
    first = cache.set("by/hand", 0)
    results = [
        Session(lambda: cache.set("by/hand", 1, check_version=first.version)) for _ in range(8)
    ]
    won = 0
    for one in results:
        try:
            one.result()
            won += 1
        except VersionMismatch:
            pass
    assert won == 1
    versions = [cache.set("by/hand", 2).version for _ in range(3)]
    assert len({first.version, *versions}) == 4  # a plain set moves it on too
    assert versions == sorted(versions)


def test_d_what_failed_is_tried_again_and_a_key_is_refreshed_as_often_as_one_asks(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fragile, "retry", Retry(max_retries=5, delay=timedelta(minutes=1)))
    cache.get("fragile/1")
    cache.refresh("fragile/1")

    def fail(name: str, parameters: Any) -> None:
        if name == "fragile":
            raise OSError

    with interfering(fail):
        drain()
    with travel(timedelta(minutes=5)), computes() as seen:
        drain()
    assert seen == ["fragile"]
    for _ in range(3):
        cache.refresh("fragile/1")
        with computes() as seen:
            drain()
        assert seen == ["fragile"]
    assert sql("SELECT count(*) FROM kck_publish_failure") == [(0,)]


def test_e_a_request_that_comes_during_the_compute_is_one_more(values: dict[str, Any]) -> None:
    values["x"] = 1
    cache.get("anything/x")
    drain()
    for _ in range(50):
        cache.refresh("anything/x")
    gate = Gate("anything")
    with interfering(gate), computes() as seen:
        listener = Session(drain)
        gate.wait()
        cache.refresh("anything/x")
        cache.refresh("anything/x")
        gate.open()
        listener.result()
        drain()
    assert seen == ["anything", "anything"]


def test_f_reading_what_is_softly_expired_asks_once(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Anything, "soft_expire", timedelta(minutes=1))
    values["x"] = 1
    cache.get("anything/x")
    with travel(timedelta(minutes=2)):
        waves = [Session(lambda: [cache.get("anything/x") for _ in range(5)]) for _ in range(5)]
        assert [one.result() for one in waves] == [[1] * 5] * 5
    assert sql("SELECT count(*) FROM kck_publish_change WHERE op = 'refresh'") == [(1,)]


def test_g_a_compute_that_fails_is_not_still_refreshing(values: dict[str, Any]) -> None:
    cache.get("fragile/1")
    drain()

    def fail(name: str, parameters: Any) -> None:
        raise OSError

    with interfering(fail):
        cache.refresh("fragile/1")
        assert cache.is_refreshing("fragile/1")
        drain()
        assert not cache.is_refreshing("fragile/1")
        with pytest.raises(OSError):  # noqa: PT011 - the compute's own
            cache.refresh("fragile/1", queued=False)
        assert not cache.is_refreshing("fragile/1")


def test_h_times_are_aware_and_right(values: dict[str, Any], settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    before = datetime.now(UTC)
    entry = cache.set("by/hand", 1, soft_expire=timedelta(days=1), hard_expire=timedelta(days=2))
    after = datetime.now(UTC)
    assert entry.primed_at is not None
    assert entry.soft_expire is not None
    assert entry.hard_expire is not None
    slack = timedelta(seconds=1)
    assert before - slack <= entry.primed_at <= after + slack
    assert before + timedelta(days=1) <= entry.soft_expire <= after + timedelta(days=1)
    assert entry.hard_expire - entry.soft_expire == pytest.approx(timedelta(days=1), abs=slack)


def test_i_an_error_in_a_hook_is_its_own_and_hooks_share_nothing(
    undeclared: list[str], values: dict[str, Any]
) -> None:
    seen: list[tuple[str, str]] = []
    broken: list[bool] = []

    class Hooked(Primer):
        key = "kck_hooked"
        parameters = (StringParameter("name"),)
        version = 1

        def compute(self, name: str) -> str:
            return f"{name}{len(broken)}"

        def pre_set(self, value: Any, name: str) -> None:
            if broken:
                raise TypeError("the hook's")
            seen.append((value, name))

    undeclared.append("kck_hooked")
    waves = [Session(lambda name=name: Hooked.cached.get(name=name)) for name in "abcdefgh"]  # type: ignore[misc]
    assert [one.result() for one in waves] == [f"{name}0" for name in "abcdefgh"]
    assert sorted(seen) == [(f"{name}0", name) for name in "abcdefgh"]
    broken.append(True)
    with pytest.raises(TypeError, match="the hook's"):
        cache.set("kck_hooked/a", "x")
    cache.refresh("kck_hooked/a")
    drain()
    assert Hooked.cached.get(name="a") == "a0"
    ((error,),) = sql("SELECT split_part(error, E'\\n', 1) FROM kck_publish_failure")
    assert error == "builtins.TypeError"


@pytest.mark.parametrize("text", ["a/b", "a:b", "/", "", "%2F", "é/☃", "x" * 5000])
def test_j_any_text_is_a_readable_key(values: dict[str, Any], text: str) -> None:
    values[text] = [text]
    key = cache.build_key("anything", name=text)
    assert cache.parse_key(key) == ("anything", {"name": text})
    assert cache.get(key) == [text]
    values[text] = ["new"]
    cache.refresh(key)
    assert cache.is_refreshing(key)
    drain()
    assert not cache.is_refreshing(key)
    assert cache.get(key) == ["new"]


def test_k_a_set_keeps_what_the_primer_says_and_nothing_primes_by_the_way(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Anything, "soft_expire", timedelta(minutes=1))
    monkeypatch.setattr(Anything, "hard_expire", timedelta(hours=1))
    values["x"] = 1
    with computes() as seen:
        assert not cache.is_set("anything/x")
        entry = cache.set("anything/x", 5)
        assert cache.is_set("anything/x")
    assert seen == []
    assert sql("SELECT count(*) FROM kck_publish_change WHERE op = 'refresh'") == [(0,)]
    assert entry.soft_expire is not None
    assert entry.hard_expire is not None
    assert sql("SELECT product FROM kck_publish_entry WHERE key = 'anything/x'") == [("anything",)]
    own = cache.set("anything/x", 5, soft_expire=timedelta(days=1))
    assert own.soft_expire is not None
    assert own.soft_expire - entry.soft_expire > timedelta(hours=23)
    with travel(timedelta(minutes=2)):
        cache.set("anything/x", 6)
        with travel(timedelta(minutes=2)):
            assert cache.get("anything/x") == 6
            drain()
        assert cache.get("anything/x") == 1  # its next refresh


def test_l_a_herd_computes_once_and_the_oldest_reader_does_not_win(values: dict[str, Any]) -> None:
    values["x"] = 1
    gate, barrier = Gate("anything"), threading.Barrier(8)

    def read() -> Any:
        barrier.wait(10)
        return cache.get("anything/x")

    with interfering(gate), computes() as seen:
        herd = [Session(read) for _ in range(8)]
        gate.wait()
        values["x"] = 2
        gate.open()
        answers = {one.result() for one in herd}
    assert seen == ["anything"]
    assert len(answers) == 1


def test_m_dependencies_are_a_graph_without_rings_walked_in_order(
    undeclared: list[str], edition: Edition
) -> None:
    Edition.objects.update(copies=7)
    with computes() as seen:
        drain()
    assert seen.index("stock+") < seen.index("shelf")
    assert cache.get(f"shelf/{edition.book.author_id}") == {"Always": 7}
    undeclared += ["kck_ring_a", "kck_ring_b"]
    for name, other in (("kck_ring_a", "kck_ring_b"), ("kck_ring_b", "kck_ring_a")):
        type(
            name,
            (Primer,),
            {"key": name, "depends_on": [Depends(other)], "compute": lambda self: 1},
        )
    with pytest.raises(DependencyCycle, match="kck_ring_a -> kck_ring_b -> kck_ring_a"):
        registry.graph()


def test_n_augment_is_no_prime_and_a_day_is_a_day(
    edition: Edition, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Edition.objects.update(copies=8)
    with computes() as seen:
        drain()
    assert "stock+" in seen
    assert "stock" not in seen
    assert cache.get(f"stock/{edition.book_id}") == 8
    monkeypatch.setattr(Anything, "hard_expire", timedelta(days=1))
    values["x"] = 1
    cache.get("anything/x")
    with travel(timedelta(hours=23)), computes() as seen:
        assert cache.get("anything/x") == 1
    assert seen == []
    with travel(timedelta(hours=25)), computes() as seen:
        assert cache.get("anything/x") == 1
    assert seen == ["anything"]
    assert cache.unset("anything/x")
    assert not cache.unset("anything/x")


def test_o_the_delete_of_a_source_reaches_what_is_derived(edition: Edition) -> None:
    book, author = edition.book_id, edition.book.author_id
    edition.delete()
    drain()
    assert cache.get_many([f"stock/{book}", f"shelf/{author}"]) == {
        f"stock/{book}": 0,
        f"shelf/{author}": {"Always": 0},
    }
    Author.objects.all().delete()
    drain()
    with pytest.raises(Author.DoesNotExist):
        cache.get(f"author_page/{author}")
    assert stored(f"author_page/{author}") is None
    assert_fresh()
