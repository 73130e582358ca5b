"""A server process that one may browse. Run by ``test_read_your_writes.py``; prints its port.

Sessions of the database are kept from request to request, as ``CONN_MAX_AGE`` would have it.
"""

from __future__ import annotations

import json
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer


class Quiet(WSGIRequestHandler):
    """Does not log requests."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def main() -> None:
    import django
    from django.conf import settings

    settings.MIDDLEWARE = [
        "kck_publish.request.ReadYourWritesMiddleware",
        "kck_publish.request.GlobalRequestMiddleware",
    ]
    settings.ROOT_URLCONF = __name__
    settings.DATABASES["default"]["CONN_MAX_AGE"] = None
    django.setup()
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    from tests.catalog.models import Item
    from tests.catalog.primers import ItemTotal

    def item(request: HttpRequest) -> HttpResponse:
        if request.method == "POST":
            Item.objects.filter(name="one").update(amount=int(request.POST["amount"]))
        return HttpResponse(json.dumps(ItemTotal.cached.get(group=1)["amount"]))

    globals()["urlpatterns"] = [path("item", item)]
    server = WSGIServer(("127.0.0.1", 0), Quiet)
    server.set_app(WSGIHandler())
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
