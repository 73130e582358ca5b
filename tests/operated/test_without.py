"""A project without the admin and without the toolbar imports neither."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROJECT = """
import sys, django, pkgutil, importlib
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "pgtrigger", "kck_publish"],
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql"}},
)
django.setup()
import kck_publish
from django.core import checks
wrong = [each for each in checks.run_checks() if each.id.startswith("kck_publish.E")]
assert not wrong, wrong
for name in ("ops", "reading", "management.commands"):
    package = importlib.import_module(f"kck_publish.{name}")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"kck_publish.{name}.{module.name}")
absent = ("django.contrib.admin", "debug_toolbar")
loaded = [name for name in sys.modules if name.startswith(absent)]
assert not loaded, loaded
"""


@pytest.mark.long
def test_nothing_needs_the_admin() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROJECT], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
