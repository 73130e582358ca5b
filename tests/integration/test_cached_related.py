"""``cached_related``: rows stored with those they point to, and made anew when one changes."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, models, transaction
from django.test.utils import CaptureQueriesContext

from kck_publish import Cache, CacheModel, InvalidPrimer
from kck_publish.listener.listener import Listener
from kck_publish.rows.embedded import tree_of
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain, reads, sql, stored
from tests.relations.models import Chapter, House, Novel, Review, Writer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def novel(transactional_db: None) -> Novel:
    """Three chapters of a novel, whose writer is with a house; all stored."""
    house = House.objects.create(name="Ace")
    writer = Writer.objects.create(name="Ursula", house=house)
    novel = Novel.objects.create(title="Always", writer=writer)
    before = None
    for number in range(3):
        before = Chapter.objects.create(
            number=number, title=f"c{number}", novel=novel, before=before, editor=writer
        )
    Chapter.cached.filter(novel=novel)
    drain()
    return novel


def everything(chapter: Chapter) -> tuple[Any, ...]:
    writer: Any = chapter.novel.writer
    return (
        chapter.number,
        chapter.novel.title,
        writer and writer.name,
        writer and writer.house and writer.house.name,
        chapter.editor and chapter.editor.name,
        chapter.before and chapter.before.number,
    )


READS: dict[str, Callable[[Novel], Any]] = {
    "pk": lambda novel: Chapter.cached.get(pk=Chapter.objects.get(number=1).pk),
    "lookup": lambda novel: Chapter.cached.get(novel=novel.pk, number=1),
    "publish_by": lambda novel: Chapter.cached.get(title="c1"),
    "list": lambda novel: Chapter.cached.filter(novel=novel.pk)[1],
}


@pytest.mark.parametrize("kind", READS)
def test_a_row_has_its_relations_with_it(novel: Novel, kind: str) -> None:
    Chapter.objects.first()  # the connection is there
    with reads(store=1, source=kind == "pk"):
        found = everything(READS[kind](novel))
    assert found == (1, "Always", "Ursula", "Ace", "Ursula", 0)


CHANGES: dict[str, tuple[Callable[[Novel], Any], tuple[Any, ...]]] = {
    "the far end": (
        lambda novel: House.objects.update(name="Tor"),
        (1, "Always", "Ursula", "Tor", "Ursula", 0),
    ),
    "the middle": (
        lambda novel: Writer.objects.update(name="Le Guin"),
        (1, "Always", "Le Guin", "Ace", "Le Guin", 0),
    ),
    "a link": (
        lambda novel: Writer.objects.update(house=House.objects.create(name="New")),
        (1, "Always", "Ursula", "New", "Ursula", 0),
    ),
    "the first link": (
        lambda novel: Novel.objects.update(writer=Writer.objects.create(name="W")),
        (1, "Always", "W", None, "Ursula", 0),
    ),
    "a link of its own": (
        lambda novel: Chapter.objects.filter(number=1).update(editor=None, before=None),
        (1, "Always", "Ursula", "Ace", None, None),
    ),
    "its own table": (
        lambda novel: Chapter.objects.filter(number=0).update(number=10),
        (1, "Always", "Ursula", "Ace", "Ursula", 10),
    ),
    "gone, and set null": (
        lambda novel: House.objects.all().delete(),
        (1, "Always", "Ursula", None, "Ursula", 0),
    ),
    "raw": (
        lambda novel: sql("UPDATE relations_house SET name = 'raw'"),
        (1, "Always", "Ursula", "raw", "Ursula", 0),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_made_anew_when_an_embedded_row_changes(novel: Novel, change: str) -> None:
    write, expected = CHANGES[change]
    write(novel)
    drain()
    assert_fresh()
    for kind, read in READS.items():
        with reads(store=1, source=kind == "pk"):
            assert everything(read(novel)) == expected


def test_a_write_of_a_related_row_publishes_nothing_that_nobody_asked_for(novel: Novel) -> None:
    reviews = [Review.objects.create(novel=novel) for _ in range(2)]
    drain()
    Cache.get_instance().clear("relations.review")
    assert Review.cached.get(pk=reviews[0].pk).novel.title == "Always"
    Novel.objects.update(title="Home")
    drain()
    assert stored(f"relations.review/{reviews[1].pk}") is None
    with reads(store=1):
        assert Review.cached.get(pk=reviews[0].pk).novel.title == "Home"


def test_many_changes_are_one_question(novel: Novel) -> None:
    """Not one for each changed row: they are looked up together."""
    writers = Writer.objects.bulk_create([Writer(name=f"w{n}") for n in range(300)])
    Chapter.objects.bulk_create(
        [Chapter(number=100 + n, novel=novel, editor=one) for n, one in enumerate(writers)]
    )
    drain()
    Writer.objects.filter(name__startswith="w").update(name="renamed")
    connection.ensure_connection()
    with CaptureQueriesContext(connection) as queries:
        Listener("default").once()
    # By two ways (editor and writer) for each of four products.
    asked = [one["sql"] for one in queries if "relations_chapter" in one["sql"]]
    assert sum(sql.startswith("SELECT DISTINCT") for sql in asked) == 8
    assert {one.editor.name for one in Chapter.cached.filter(novel=novel) if one.number >= 100} == {
        "renamed"
    }
    assert_fresh()


def test_truncate(novel: Novel) -> None:
    sql("TRUNCATE relations_house CASCADE")
    drain()
    assert_fresh()
    assert Chapter.cached.all() == []


def test_own_writes_are_seen(novel: Novel) -> None:
    with transaction.atomic():
        House.objects.update(name="mine")
        for read in READS.values():
            assert everything(read(novel))[3] == "mine"
        transaction.set_rollback(True)
    assert everything(Chapter.cached.get(title="c1"))[3] == "Ace"


def test_what_is_not_embedded_is_fetched_for_all_at_once(novel: Novel) -> None:
    House.objects.update(name="other")
    Novel.objects.update(imprint="other")
    drain()
    with reads(store=2):
        found = Chapter.cached.filter(novel=novel)
        assert {one.novel.imprint.name for one in found} == {"other"}


def test_it_is_as_select_related_gives_it(novel: Novel) -> None:
    paths = ["novel__writer__house", "editor", "before"]
    theirs = Chapter.objects.select_related(*paths).get(number=1)
    ours = Chapter.cached.get(novel=novel, number=1)
    for path in ("novel", "novel.writer", "novel.writer.house", "editor", "before"):
        one, other = ours, theirs
        for name in path.split("."):
            one, other = one._state.fields_cache[name], other._state.fields_cache[name]
        assert vars(one) | {"_state": 0} == vars(other) | {"_state": 0}
        assert type(one) is type(other)
        assert (one._state.db, one._state.adding) == ("default", False)
    assert ours.before.chapter is ours
    with reads(store=0):
        assert everything(pickle.loads(pickle.dumps(ours))) == everything(ours)


@pytest.mark.parametrize(
    ("paths", "what"),
    [
        (["nothing"], "has no field 'nothing'"),
        (["novel__title"], "Novel.title is no foreign key"),
        (["novel__novel"], "is no foreign key"),
        (["novel__about"], "is no foreign key"),
        (["chapter"], "is no foreign key"),
        (["novel_id"], "is no foreign key"),
        ("novel", r"write \['novel'\]"),
    ],
)
def test_other_paths_are_refused(paths: Any, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chapter, "cached_related", paths)
    with pytest.raises(InvalidPrimer, match=what):
        tree_of(Chapter)


def test_a_relation_that_may_dangle_is_refused() -> None:
    class Meta:
        app_label = "nowhere"
        abstract = True

    loose: Any = models.ForeignKey(House, models.DO_NOTHING, db_constraint=False)
    bad = type(
        "Loose",
        (CacheModel,),
        {"Meta": Meta, "house": loose, "cached_related": ["house"], "__module__": __name__},
    )
    with pytest.raises(InvalidPrimer, match="has no constraint"):
        tree_of(bad)
