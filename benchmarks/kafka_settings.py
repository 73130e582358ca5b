"""Django settings of the benchmarks of Kafka, and of the processes that they start."""

import json
import os

from example_app.embedded_postgres import PostgresServer

SECRET_KEY = "the benchmarks keep no secrets"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "pgtrigger",
    "kck_publish",
    "tests.catalog",
    "tests.kafka_app",
]
DATABASES = {
    "default": PostgresServer.from_url(os.environ["KCK_TEST_DATABASE"]).database_settings()
}
KCK_PUBLISH = {"KAFKA": json.loads(os.environ["KCK_TEST_KAFKA"])}
DJANGO_KAFKA = {
    "GLOBAL_CONFIG": {"bootstrap.servers": KCK_PUBLISH["KAFKA"]["bootstrap.servers"]},
}
