"""Querysets of every shape: a cached view answers as the plain one, by a product where it can (A2).

The table is ``tests.rest_app.shapes``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from django.db import connections, transaction
from rest_framework import viewsets

from kck_publish.contrib.rest_framework import CachedViewMixin
from tests.catalog.fixtures import drain
from tests.rest_app.fixtures import fill
from tests.rest_app.models import Offer, Shop
from tests.rest_app.shapes import SHAPES, Shape
from tests.rest_app.views import Followed, Numbered, Sliced

pytestmark = pytest.mark.django_db(transaction=True)

HEADERS = ("Content-Type", "Allow", "Vary", "Retry-After", "WWW-Authenticate")
PAGES = {
    None: [""],
    Numbered: ["", "page=2", "page=9", "size=3&page=3"],
    Sliced: ["", "offset=2", "limit=2&offset=3", "limit=0"],
    Followed: [""],
}


@pytest.fixture(autouse=True)
def rows() -> None:
    fill()
    Shop.objects.create(code="there")
    for code in ("there", "gone", "there"):
        Offer.objects.create(shop_id=code)
    drain()


@pytest.fixture(autouse=True)
def replica() -> Iterator[None]:
    """A second alias; no connection is ever made to it."""
    connections.settings["replica"] = {**connections.settings["default"], "PORT": "1"}
    yield
    del connections.settings["replica"]


def views_of(shape: Shape, pagination: type[Any] | None) -> tuple[type[Any], type[Any]]:
    """The plain view and the cached one."""

    class Plain(viewsets.ReadOnlyModelViewSet):
        serializer_class = shape.serializer
        pagination_class = pagination
        filter_backends = ()

        def get_queryset(self) -> Any:
            return shape.rows()

    return Plain, type("Cached", (CachedViewMixin, Plain), {})


def answer(view: Any, action: str, request: Any, **kwargs: Any) -> Any:
    """The response, or the type of the error that no handler knows."""
    try:
        return view.as_view({"get": action})(request, **kwargs).render()
    except Exception as error:  # noqa: BLE001 - compared
        return type(error)


def same(plain: Any, cached: Any, *what: Any) -> None:
    """The status, the headers that matter, the data and their order."""
    if isinstance(plain, type):
        assert cached is plain, what
        return
    assert not isinstance(cached, type), (what, cached)
    assert cached.status_code == plain.status_code, what
    assert cached.content == plain.content, what
    for name in HEADERS:
        assert cached.headers.get(name) == plain.headers.get(name), (*what, name)
    assert cached.data == plain.data, what


def lists(view: type[Any], pagination: type[Any] | None, rf: Any) -> Iterator[tuple[str, Any]]:
    """Each query of a list, and its answer; every page of a cursor."""
    for query in PAGES[pagination]:
        following: str | None = query
        while following is not None:
            found = answer(view, "list", rf.get(f"/?{following}"))
            yield following, found
            link = getattr(found, "data", None)
            link = link.get("next") if pagination is Followed and isinstance(link, dict) else None
            following = link.partition("?")[2] if link else None


def rows_of(view: type[Any], pks: list[Any], rf: Any) -> Iterator[tuple[Any, Any]]:
    """Each key, and its answer."""
    return ((pk, answer(view, "retrieve", rf.get("/"), pk=pk)) for pk in pks)


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_shape_is_answered_as_by_the_plain_view(shape: Shape, rf: Any) -> None:
    model = shape.serializer.Meta.model
    pks = [*model.objects.order_by("pk").values_list("pk", flat=True)[:6], 9999, "x"]
    tagged = []
    with transaction.atomic() if shape.locks else nullcontext():
        for _ in ("computed", "stored"):
            for pagination in PAGES:
                views = views_of(shape, pagination)
                ways = [zip(*(lists(view, pagination, rf) for view in views), strict=True)]
                if pagination is None:
                    ways.append(zip(*(rows_of(view, pks, rf) for view in views), strict=True))
                for (asked, plain), (also, cached) in (pair for way in ways for pair in way):
                    assert asked == also
                    same(plain, cached, pagination, asked)
                    if getattr(cached, "status_code", 0) == 200:
                        tagged.append("ETag" in cached.headers)
            if not shape.locks:
                drain()
    assert set(tagged) <= {shape.kept}, tagged
