"""The addresses of the running example: its own, and Django's admin."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("", include("example_app.urls")), path("admin/", admin.site.urls)]
