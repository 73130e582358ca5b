"""The app: it loads what the installed peers call back."""

from __future__ import annotations

from importlib.util import find_spec

from django.apps import AppConfig


class PushedConfig(AppConfig):
    """``benchmarks.pushed``."""

    name = "benchmarks.pushed"

    def ready(self) -> None:
        """Register django-pgpubsub's triggers and callbacks."""
        if find_spec("pgpubsub"):
            from benchmarks.pushed import listeners as listeners
