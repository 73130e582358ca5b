"""The soak's manage.py: ``python tests/soak/manage.py kck_listen`` is a listener of the soak."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Run a management command with the soak's settings."""
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.soak.settings")
    from django.core.management import execute_from_command_line

    from tests.soak.children import die_with_parent

    die_with_parent()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
