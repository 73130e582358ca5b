"""The reviewable SQL in migrations/ is exactly what Django would run."""

import io
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in (ROOT / "kck_publish" / "migrations").glob("[0-9]*.py"))


@pytest.mark.django_db
@pytest.mark.parametrize("name", NAMES)
def test_the_sql_file_is_what_sqlmigrate_prints(name: str) -> None:
    """If this fails after a migration was added or changed: `make sql`."""
    output = io.StringIO()
    call_command("sqlmigrate", "kck_publish", name, stdout=output, no_color=True)
    assert (ROOT / "migrations" / f"{name}.sql").read_text() == output.getvalue()


def test_there_is_no_sql_file_without_a_migration() -> None:
    assert sorted(path.stem for path in (ROOT / "migrations").glob("*.sql")) == NAMES


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    """The models and the migrations of the library say the same."""
    call_command("makemigrations", "kck_publish", check=True, dry_run=True)
