"""Write this folder's .sql files: what `sqlmigrate` prints for each migration of kck_publish.

Run by `make sql`. For reviewers, and for those who apply DDL by hand; a test holds the files equal.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

HERE = Path(__file__).resolve().parent
MIGRATIONS = HERE.parent / "kck_publish" / "migrations"


def names() -> list[str]:
    """The names of the library's migrations, in order."""
    return sorted(path.stem for path in MIGRATIONS.glob("[0-9]*.py"))


def rendered(name: str) -> str:
    """The SQL of one migration."""
    output = io.StringIO()
    call_command("sqlmigrate", "kck_publish", name, stdout=output, no_color=True)
    return output.getvalue()


def main() -> None:
    """Render all, on an embedded PostgreSQL: sqlmigrate wants to see which migrations ran."""
    sys.path.insert(0, str(HERE.parent))
    from example_app.embedded_postgres import find_or_start

    with find_or_start() as server:
        settings.configure(
            INSTALLED_APPS=["django.contrib.contenttypes", "pgtrigger", "kck_publish"],
            DATABASES={"default": server.database_settings()},
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
            USE_TZ=True,
        )
        django.setup()
        for stale in HERE.glob("*.sql"):
            stale.unlink()
        for name in names():
            (HERE / f"{name}.sql").write_text(rendered(name))
            print(f"migrations/{name}.sql")


if __name__ == "__main__":
    main()
