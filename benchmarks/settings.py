"""Django settings of the benchmarks, of the listeners they start, and of the peers' processes.

``KCK_BENCH_DATABASE`` is put into the environment by ``world``: the benchmark's own database. The
other variables tell the processes of one benchmark apart: their store, and whose patches they have.
"""

import os
from importlib.util import find_spec

from benchmarks.peer_settings import of_peer
from example_app.embedded_postgres import PostgresServer

SECRET_KEY = "the benchmarks keep no secrets"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "benchmarks.urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "pgtrigger", "kck_publish", "benchmarks"]
if find_spec("rest_framework"):
    INSTALLED_APPS.insert(0, "rest_framework")
if os.environ.get("KCK_BENCH_ADMIN"):
    for _app in ("messages", "sessions", "auth", "admin"):
        INSTALLED_APPS.insert(0, f"django.contrib.{_app}")
    STATIC_URL = "/static/"
    MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    _PROCESSORS = ["template.context_processors.request", "contrib.auth.context_processors.auth"]
    _PROCESSORS += ["contrib.messages.context_processors.messages"]
    TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {"context_processors": [f"django.{name}" for name in _PROCESSORS]},
        }
    ]
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
}

SERVER = PostgresServer.from_url(
    os.environ.get("KCK_BENCH_DATABASE", "postgresql://postgres@127.0.0.1:1/postgres")
)
DATABASES = {"default": SERVER.database_settings() | {"CONN_MAX_AGE": None}}
if os.environ.get("KCK_BENCH_PREPARED"):
    DATABASES["default"]["OPTIONS"] |= {"prepare_threshold": 5, "server_side_binding": True}

REDIS = os.environ.get("KCK_BENCH_REDIS", "")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
    "database": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "benchmarks_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
    "peers": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": f"{REDIS}/1"},
    "store": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": f"{REDIS}/2"},
}
KCK_PUBLISH = {
    "STORE": os.environ.get("KCK_BENCH_STORE", "postgres"),
    "NEAR": os.environ.get("KCK_BENCH_NEAR") or None,
    "RETENTION": float(os.environ.get("KCK_BENCH_RETENTION", "300")),
    "SHARDS": int(os.environ.get("KCK_BENCH_SHARDS", "1")),
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {"kck_publish": {"handlers": ["stderr"], "level": "WARNING"}},
}
of_peer(os.environ.get("KCK_BENCH_PEER", ""), globals())
