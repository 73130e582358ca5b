"""Settings of the project whose database is upgraded; its address is in KCK_TEST_DATABASE."""

import os

from example_app.embedded_postgres import PostgresServer

SECRET_KEY = "only for tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": PostgresServer.from_url(os.environ["KCK_TEST_DATABASE"]).database_settings()
}
INSTALLED_APPS = ["django.contrib.contenttypes", "pgtrigger", "kck_publish", "tests.upgrade"]
