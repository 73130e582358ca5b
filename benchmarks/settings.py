"""Django settings of the benchmarks and of the listeners they start.

``KCK_BENCH_DATABASE`` is put into the environment by ``world``: the benchmark's own database.
"""

import os

from example_app.embedded_postgres import PostgresServer

SECRET_KEY = "the benchmarks keep no secrets"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "pgtrigger", "kck_publish", "benchmarks"]

SERVER = PostgresServer.from_url(
    os.environ.get("KCK_BENCH_DATABASE", "postgresql://postgres@127.0.0.1:1/postgres")
)
DATABASES = {"default": SERVER.database_settings()}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
# ``push`` shortens the lingering, to see the listener asleep more often in less time.
KCK_PUBLISH = {
    "LINGER": float(os.environ.get("KCK_BENCH_LINGER", "0.2")),
    "RETENTION": float(os.environ.get("KCK_BENCH_RETENTION", "300")),
    "SHARDS": int(os.environ.get("KCK_BENCH_SHARDS", "1")),
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {"kck_publish": {"handlers": ["stderr"], "level": "WARNING"}},
}
