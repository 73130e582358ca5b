"""What the servers of ``test_servers`` run."""

from __future__ import annotations

from django.core.asgi import get_asgi_application

from kck_publish.contrib.live import live

application = live(get_asgi_application())
