"""Django's entry into the library: finds the primers, and connects capture and checks."""

from __future__ import annotations

from contextlib import suppress

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class KckPublishConfig(AppConfig):
    """``INSTALLED_APPS = [..., "pgtrigger", "kck_publish"]``."""

    name = "kck_publish"
    verbose_name = "kck_publish"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, logs  # noqa: F401 - importing checks connects them
        from .capture import install, migrate, statements
        from .exceptions import InvalidPrimer
        from .products import registry

        autodiscover_modules("primers", "followers")
        migrate.connect(self, lambda: registry.sources())
        statements.connect()
        logs.connect()
        with suppress(InvalidPrimer):  # a system check names it; a shell must still start
            install.register(registry.sources())
