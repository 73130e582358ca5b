"""A project that has the admin and the dashboard."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("ops/kck/", include("kck_publish.dashboard.urls")),
]
