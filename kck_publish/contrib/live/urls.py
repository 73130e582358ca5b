"""Where ``asgi.live`` sends a request: to LiveView, whatever its path."""

from __future__ import annotations

from django.urls import re_path

from .view import LiveView

urlpatterns = [re_path("", LiveView.as_view())]
