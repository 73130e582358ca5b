"""Django settings of the tests, and of the processes that the acceptance tests start.

The server's address comes from KCK_TEST_DATABASE, a URL that conftest puts into the environment: of
the server for pytest itself, of a test's own database for the processes that a test starts.
"""

import os

from example_app.embedded_postgres import PostgresServer

SECRET_KEY = "only for tests"
USE_TZ = True
TIME_ZONE = "UTC"
ALLOWED_HOSTS = ["*"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sites",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "debug_toolbar",
    "pgtrigger",
    "kck_publish",
    "tests.testbed",
    "tests.capture_app",
    "tests.capture_moving",
    "example_app",
    "tests.catalog",
    "tests.relations",
    "django.contrib.postgres",
    "tests.kinds",
    "tests.zoo",
    "rest_framework",
    "tests.rest_app",
    "tests.atlas",
    "tests.kafka_app",
]

SERVER = PostgresServer.from_url(
    os.environ.get("KCK_TEST_DATABASE", "postgresql://postgres@127.0.0.1:1/postgres")
)
DATABASES = {"default": SERVER.database_settings()}

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
# One panel: others lay themselves over Django's classes as soon as they are installed.
DEBUG_TOOLBAR_PANELS = ["kck_publish.contrib.debug_toolbar.ProductsPanel"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SITE_ID = 1
ROOT_URLCONF = "example_app.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
# tests.kinds has a swappable model.
KINDS_MEMBER_MODEL = "kinds.Person"
# An ImageField without Pillow: no image is ever opened. What processes print must not be about the
# models that are there to be warned of (tests.zoo): process_environment names those checks. The
# admin and the toolbar have their middleware in the tests that open them (tests.operated).
SILENCED_SYSTEM_CHECKS = [
    "fields.E210",
    *("admin.E404", "admin.E408", "admin.E409", "admin.E410"),
    *("admin.E402", "admin.E411", "admin.W411", "debug_toolbar.W001"),
    "kck_publish.I033",  # of the demo's boards, which have a compute of their own
    *os.environ.get("KCK_TEST_SILENCED", "").split(),
]
