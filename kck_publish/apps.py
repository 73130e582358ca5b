"""Django's entry into the library: finds the primers, and connects capture and checks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

if TYPE_CHECKING:
    from .products.product import Product


def _watch(product: Product, key: str) -> AsyncIterator[tuple[bytes, bytes | None]]:
    """The live hub, which is loaded when somebody watches."""
    from .contrib.live.watching import bodies

    return bodies(product, key)


class KckPublishConfig(AppConfig):
    """``INSTALLED_APPS = [..., "pgtrigger", "kck_publish"]``."""

    name = "kck_publish"
    verbose_name = "kck_publish"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, devserver, log_lines  # noqa: F401 - importing checks connects them
        from .capture import install, migrate, statements
        from .exceptions import InvalidPrimer
        from .products import registry
        from .reading import watching
        from .stores import flushed

        autodiscover_modules("primers", "followers", "kafka")
        migrate.connect(self, lambda: registry.sources())
        flushed.connect(self)
        statements.connect()
        log_lines.connect()
        watching.connect(_watch)
        devserver.connect()
        with suppress(InvalidPrimer):  # a system check names it; a shell must still start
            install.register(registry.sources())
