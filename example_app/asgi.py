"""The ASGI entry to the example's pages, and to the streams that tell them of new versions."""

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

from kck_publish.contrib.live import live

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_app.settings")
application = live(ASGIStaticFilesHandler(get_asgi_application()))  # the admin has files
