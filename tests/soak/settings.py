"""Django's settings in each process of the soak; where everything is comes by the environment.

SOAK_DSN is the server's URL (or the proxy's before it), SOAK_FOLDER the folder that the processes
share, SOAK_REDIS the URL of the Redis that is the store, if one is, and SOAK_NEAR the file of the
near store, if there is one. SOAK_POOLED is set for a process behind the PgBouncer.
"""

from __future__ import annotations

import os
from datetime import timedelta

from example_app.embedded_postgres import PostgresServer

SECRET_KEY = "only for the soak"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["pgtrigger", "kck_publish", "tests.soak"]

REDIS = os.environ.get("SOAK_REDIS", "")
SERVER = PostgresServer.from_url(
    os.environ.get("SOAK_DSN", "postgresql://postgres@127.0.0.1:1/postgres")
)
DATABASES = {"default": SERVER.database_settings()}
# An immediate restart is no crash of the machine: what was written to the disk's cache is there.
DATABASES["default"]["OPTIONS"] |= {"connect_timeout": 10}
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = bool(os.environ.get("SOAK_POOLED"))

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if REDIS:
    CACHES["soak"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS,
    }

KCK_PUBLISH = {
    "NEAR": os.environ.get("SOAK_NEAR") or None,
    # So small that cold keys make way, and that a reader who holds old pages soon fills it.
    "NEAR_SIZE": 2**20,
    "NEAR_LEASE": 1.0,
    "STORE": "cache:soak" if REDIS else "postgres",
    "SHARDS": 4,
    "SILENCE": 6.0,
    # Longer than from one quiet point to the next: the log is the history of a wrong key.
    "RETENTION": timedelta(seconds=float(os.environ.get("SOAK_RETENTION", "600"))),
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"err": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["err"], "level": "WARNING"},
}
