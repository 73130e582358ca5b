"""A session that ends here ends its streams at once; one that ends elsewhere within a minute."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_out

from . import process_hub
from .client import wake


def watch_logouts() -> None:
    """Be told of logouts in this process."""
    user_logged_out.connect(_logged_out, dispatch_uid="kck_publish.live")


def _logged_out(request: Any = None, **_: Any) -> None:
    session = getattr(getattr(request, "session", None), "session_key", None)
    hub = process_hub.running()
    if session is None or hub is None:
        return
    ended = [client for client in hub.clients if client.session == session]
    for client in ended:
        client.session_ended = client.recheck = True
    wake(ended)
