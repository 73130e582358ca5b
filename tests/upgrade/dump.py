"""Wrote 0.1.0.sql, run once with the code of that version: what its database holds, as plain SQL.

KCK_TEST_DATABASE=... python -m tests.upgrade.dump; pg_dump --no-owner (of PostgreSQL 16)
"""

from __future__ import annotations

import os


def main() -> None:
    """Make the tables, write, read, and refresh."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.upgrade.settings"
    import django
    from django.core.management import call_command

    django.setup()
    from tests.upgrade.models import Author, Book
    from tests.upgrade.primers import Broken, Page, Spending

    call_command("migrate", verbosity=0)
    for slug in ("le-guin", "jemisin"):
        author = Author.objects.create(slug=slug, name=slug.title())
        for number in range(3):
            Book.objects.create(author=author, title=f"{slug} {number}", price=number + 1)
        for primer in (Page, Spending, Broken):
            primer.cached.get(author=author.pk)
    Book.objects.filter(title="jemisin 2").update(title="broken")
    call_command("kck_listen", "--once", verbosity=0)


if __name__ == "__main__":
    main()
