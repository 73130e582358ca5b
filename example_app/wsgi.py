"""The WSGI entry to the example's pages."""

import os

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_app.settings")
application = StaticFilesHandler(get_wsgi_application())  # the admin has files
