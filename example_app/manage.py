#!/usr/bin/env python
"""The example's manage.py: ``python example_app/manage.py load_flights`` and so on."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Run a management command with the example's settings."""
    # Started as a script, Python looks beside this file; the packages are one folder up.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_app.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
