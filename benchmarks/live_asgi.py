"""What a server of ``live`` runs: the hub beside Django, where a peer's view is."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

from benchmarks.live_notify import notified
from kck_publish.contrib.live import live

application = live(get_asgi_application())
if os.environ.get("KCK_BENCH_PEER") == "notify":
    application = notified(application)
