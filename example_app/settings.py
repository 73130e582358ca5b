"""Settings of the example. ``DATABASE_URL`` (postgres://user@host:port/name) names its database."""

import os

from example_app.embedded_postgres import PostgresServer

SECRET_KEY = "the example keeps no secrets"
DEBUG = os.environ.get("DEBUG") == "1"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", "testserver"]

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "pgtrigger",
    "kck_publish",
    "example_app",
]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware"]
ROOT_URLCONF = "example_app.urls"
WSGI_APPLICATION = "example_app.wsgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

SERVER = PostgresServer.from_url(
    os.environ.get("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/example")
)
# A connection is kept for the next request of the same thread.
DATABASES = {"default": SERVER.database_settings() | {"CONN_MAX_AGE": 60}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"

# At INFO the carriers' primer says each time that it counts or amends; the demo listens to that.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        "example_app": {
            "handlers": ["console"],
            "level": os.environ.get("EXAMPLE_LOG_LEVEL", "WARNING"),
        }
    },
}
