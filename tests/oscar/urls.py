"""No page is asked for."""

from __future__ import annotations

from typing import Any

urlpatterns: list[Any] = []
