"""Builds the distributions, checks them, and uses the wheel in an environment of its own.

``python -m tests.release [--folder FOLDER]``; exit status 1 when something is wrong with them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NEEDED = [
    "kck_publish/py.typed",
    "kck_publish/sql/",
    "kck_publish/migrations/0001_initial.py",
    "kck_publish/dashboard/assets/dashboard.css",
    "kck_publish/dashboard/assets/vendor/uplot-1.6.32.min.js",
    "kck_publish/dashboard/assets/vendor/uplot-1.6.32.LICENSE.txt",
    "kck_publish/dashboard/templates/kck_publish/dashboard/base.html",
]
USE = """
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "pgtrigger", "kck_publish"],
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "none"}},
)
django.setup()
from importlib.metadata import version
import kck_publish
assert version("kck-publish") == kck_publish.__version__
for name in kck_publish.__all__:
    getattr(kck_publish, name)
from django.db.migrations.loader import MigrationLoader
assert ("kck_publish", "0001_initial") in MigrationLoader(None).disk_migrations
"""


def main() -> int:
    """Build, check, install, use."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the distributions stay")
    folder: Path | None = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary) / "dist"
        _run(sys.executable, "-m", "build", "--outdir", str(place), str(ROOT))
        built = sorted(place.iterdir())
        _run(sys.executable, "-m", "twine", "check", "--strict", *map(str, built))
        (wheel,) = [path for path in built if path.suffix == ".whl"]
        (source,) = [path for path in built if path.name.endswith(".tar.gz")]
        missing = _missing(wheel, source)
        if missing:
            print("missing:", *missing, sep="\n  ", file=sys.stderr)
            return 1
        environment = Path(temporary) / "environment"
        venv.create(environment, with_pip=True)
        python = str(environment / "bin" / "python")
        _run(python, "-m", "pip", "install", "-q", f"{wheel}[binary]")
        _run(python, "-W", "error", "-c", USE, cwd=temporary)
    print(f"{wheel.name} and {source.name} are complete, and the wheel works by itself")
    return 0


def _missing(wheel: Path, source: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    with tarfile.open(source) as archive_:
        names += [name.partition("/")[2] for name in archive_.getnames()]
    packed = {str(path.relative_to(ROOT)) for path in (ROOT / "kck_publish").rglob("*.sql")}
    wanted = [*NEEDED, *packed, "README.md", "docs/index.md"]
    return [name for name in wanted if not any(there.startswith(name) for there in names)]


def _run(*command: str, cwd: str | None = None) -> None:
    subprocess.run(command, check=True, cwd=cwd)


if __name__ == "__main__":
    sys.exit(main())
