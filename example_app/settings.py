"""Settings of the example. ``DATABASE_URL`` (postgres://user@host:port/name) names its database."""

import os

from example_app.embedded_postgres import PostgresServer

SECRET_KEY = "the example keeps no secrets"
DEBUG = os.environ.get("DEBUG") == "1"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", "testserver"]

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.admin",
    "pgtrigger",
    "kck_publish",
    "example_app",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",  # these two for the dashboard's reader
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",  # for the admin
]
STATIC_URL = "/static/"
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"  # a page view asks no table
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "kck_publish_dashboard:overview"
ROOT_URLCONF = "example_app.site_urls"
WSGI_APPLICATION = "example_app.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

SERVER = PostgresServer.from_url(
    os.environ.get("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/example")
)
# A connection is kept for the next request of the same thread.
DATABASES = {"default": SERVER.database_settings() | {"CONN_MAX_AGE": 60}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The boards have a compute of their own: what informs of it would be said by each command.
SILENCED_SYSTEM_CHECKS = ["kck_publish.I033"]

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
