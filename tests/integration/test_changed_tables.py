"""Tables that are changed by whoever may, and not by ``migrate`` only."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import ProgrammingError, transaction

from kck_publish.capture import install
from kck_publish.capture.source import Source
from kck_publish.products import registry
from tests.capture_app.capturing import Log, capturing, declared, execute, source
from tests.capture_app.models import Author, Book

BOOK = source(Book, "author_id", "title")
RENAMES = {
    "renamed": "ALTER TABLE capture_app_book RENAME COLUMN title TO heading",
    "dropped": "ALTER TABLE capture_app_book DROP COLUMN title",
    "only watched": "ALTER TABLE capture_app_book RENAME COLUMN pages TO leaves",
}


def a_book() -> None:
    Author.objects.create(name="Ada").book_set.create(title="One")
    execute("SET CONSTRAINTS ALL IMMEDIATE")


def problems() -> list[str]:
    return [str(fault) for fault in install.faults("default", registry.sources())]


def listener_looks() -> None:
    install.install("default", registry.sources(), only_missing=True)


def migrate_ends() -> None:
    install.install("default", registry.sources())


@pytest.mark.parametrize("looks", [listener_looks, migrate_ends])
@pytest.mark.parametrize("how", RENAMES)
def test_a_column_that_goes_outside_of_migrate(
    db: None, how: str, looks: Callable[[], None]
) -> None:
    """Writes fail until somebody looks, and are captured from then on (B9)."""
    a_book()
    book = Source(Book, BOOK.captured, ("title", "pages"))
    write = "UPDATE capture_app_book SET author_id = author_id"
    with capturing(book):
        execute(RENAMES[how])
        with pytest.raises(ProgrammingError) as failed, transaction.atomic():
            execute(write)
        assert failed.value.__cause__ is not None
        assert "`manage.py migrate` does at once" in failed.value.__cause__.__notes__[0]
        looks()
        execute(write)
        execute("DELETE FROM capture_app_book WHERE false")
        assert Log.ops() == ["truncate"]
        assert "Give the model the columns that the table has" in problems()[-1]
        looks()
        assert Log.ops() == []


def test_the_columns_of_other_code_that_go(db: None) -> None:
    """What the installed function names counts, not what the looking code wants (B9)."""
    with capturing(BOOK):
        execute(RENAMES["renamed"])
        with declared(source(Book, "author_id")):
            listener_looks()
            execute("UPDATE capture_app_book SET pages = 1")


def test_the_model_is_made_to_fit(db: None) -> None:
    """With the columns that there are, ``migrate`` puts the precise form back (B9)."""
    a_book()
    with capturing(BOOK):
        execute(RENAMES["renamed"])
        listener_looks()
        with declared(source(Book, "author_id")):
            migrate_ends()
            assert problems() == []
            execute("DELETE FROM capture_app_book")
            assert Log.ops() == ["delete"]
