"""``live``: the hub beside Django's own application, under one server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from django.core.handlers.asgi import ASGIHandler

# As asgiref says it, whose types Django's own application does not have.
Application = Callable[[Any, Any, Any], Awaitable[None]]


class LiveHandler(ASGIHandler):
    """Django's handler, with the project's middleware, and LiveView at every path."""

    def create_request(self, scope: Any, body_file: Any) -> Any:
        request, error = super().create_request(scope, body_file)
        if request is not None:
            request.urlconf = "kck_publish.contrib.live.urls"
        return request, error


def live(application: Application, path: str = "/live/") -> Application:
    """An ASGI application that answers one path, and leaves all others to another.

    Args:
        application: Django's own.
        path: of the streams; the setting LIVE_URL tells pages of it.
    """

    @cache
    def handler() -> Any:
        return LiveHandler()

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and _path(scope) == path:
            await handler()(scope, receive, send)
        else:
            await application(scope, receive, send)

    return serve


def _path(scope: Any) -> str:
    """The path below the one that the server mounts the application at."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root and path.startswith(root + "/") else path
