"""Files that outlive a version of the library, pickles and migrations, name public paths only."""

from __future__ import annotations

import pickle
import pickletools
from typing import Any

import pytest
from django.db import migrations, models
from django.db.migrations.state import ModelState
from django.db.migrations.writer import MigrationWriter

from kck_publish import Cache, Primer
from kck_publish.request import GlobalRequest
from tests.catalog.fixtures import drain
from tests.catalog.models import Author, Card
from tests.relations.models import Chapter, House, Novel, Writer


def paths(data: bytes) -> set[str]:
    """The modules of this library that a pickle names."""
    return {
        word
        for _, argument, _ in pickletools.genops(data)
        if isinstance(argument, str)
        for word in argument.split()
        if word.startswith("kck_publish") and word != "kck_publish_peers"
    }


@pytest.fixture
def chapters(transactional_db: None) -> list[Chapter]:
    """Two chapters from one read, with their rows embedded, one relation of them looked up."""
    house = House.objects.create(name="Ace")
    writer = Writer.objects.create(name="Ursula", house=house)
    novel = Novel.objects.create(title="Always", writer=writer)
    written = [Chapter.objects.create(novel=novel, number=number) for number in range(2)]
    drain()
    rows = Chapter.cached.in_bulk([row.pk for row in written])
    assert {row.novel.writer.house.name for row in rows.values()} == {"Ace"}
    return list(rows.values())


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_row_names_nothing_private(chapters: list[Chapter], protocol: int) -> None:
    for thing in (chapters[0], chapters, chapters[0].novel):
        assert paths(pickle.dumps(thing, protocol)) == set()


def test_nor_does_a_row_of_a_request(chapters: list[Chapter]) -> None:
    with GlobalRequest():
        row = Chapter.cached.get(pk=chapters[0].pk)
        assert paths(pickle.dumps(row)) == set()


@pytest.mark.django_db(transaction=True)
def test_an_entry_names_its_public_path() -> None:
    entry = Cache.get_instance().set("any/key", {"a": 1})
    assert paths(pickle.dumps(entry)) == {"kck_publish"}


def _written(model: type[models.Model]) -> tuple[str, migrations.CreateModel]:
    """The text of a migration that creates the model, and the operation that it holds."""
    state = ModelState.from_model(model)
    operation = migrations.CreateModel(
        state.name, list(state.fields.items()), state.options, state.bases, state.managers
    )
    migration = type("Migration", (migrations.Migration,), {"operations": [operation]})
    text = MigrationWriter(migration("0001_initial", "catalog")).as_string()
    namespace: dict[str, Any] = {}
    exec(compile(text, "0001_initial.py", "exec"), namespace)
    return text, namespace["Migration"].operations[0]


@pytest.mark.parametrize("model", [Card, Author, Chapter])
def test_a_migration_of_a_model_names_only_public_bases(model: type[models.Model]) -> None:
    text, operation = _written(model)
    named = {line for line in text.splitlines() if line.startswith("import kck_publish")}
    assert named == ({"import kck_publish"} if model is Card else set())
    assert ("kck_publish.Primer" in text) == (model is Card)
    bases: Any = operation.bases
    assert (Primer in bases) == (model is Card)
