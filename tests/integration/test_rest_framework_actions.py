"""CachedViewMixin answers the actions that a view has, and adds none (A1)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings
from rest_framework import generics, mixins, routers, viewsets
from rest_framework.exceptions import NotFound
from rest_framework.test import APIClient

from kck_publish.contrib.rest_framework import CachedViewMixin
from tests.catalog.fixtures import drain
from tests.rest_app.fixtures import fill
from tests.rest_app.models import Novel
from tests.rest_app.serializers import NovelV1

pytestmark = pytest.mark.django_db(transaction=True)


class OfNovels:
    queryset = Novel.objects.order_by("pk")
    serializer_class = NovelV1


class Retrieving(OfNovels, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    pass


class Listing(OfNovels, mixins.ListModelMixin, viewsets.GenericViewSet):
    pass


class Creating(OfNovels, mixins.CreateModelMixin, viewsets.GenericViewSet):
    pass


class Changing(OfNovels, mixins.UpdateModelMixin, viewsets.GenericViewSet):
    pass


class Reading(OfNovels, viewsets.ReadOnlyModelViewSet):
    pass


class Everything(OfNovels, viewsets.ModelViewSet):
    pass


class Hiding(Reading):
    """It denies in its actions, behind the mixin, what it would else show."""

    def retrieve(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotFound

    def list(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotFound


KINDS = (Retrieving, Listing, Creating, Changing, Reading, Everything, Hiding)
METHODS = ("get", "head", "options", "post", "put", "patch", "delete")


@pytest.fixture
def pk() -> int:
    fill()
    drain()
    return int(Novel.objects.order_by("pk")[1].pk)


def cached(view: type[Any]) -> type[Any]:
    return type(view.__name__, (CachedViewMixin, view), {"__doc__": view.__doc__})


def served(view: type[Any]) -> Any:
    router = routers.DefaultRouter()
    router.register("novels", view, basename="novels")
    return router.urls


def answers(urls: Any, pk: int) -> list[tuple[str, str, int, Any]]:
    """What each method gets; nothing is written, for the data are wrong.

    A list: two generators that override settings in turn would each answer for the other.
    """
    found = []
    with override_settings(ROOT_URLCONF=tuple(urls)):
        for path in ("/novels/", f"/novels/{pk}/", f"/novels/{pk}.json", "/novels.json"):
            for method in METHODS[:-1]:
                response = getattr(APIClient(), method)(path, {}, format="json")
                allow = response.headers.get("Allow")
                found.append((path, method, response.status_code, (allow, response.content)))
    return found


@pytest.mark.parametrize("view", KINDS, ids=lambda view: view.__name__)
def test_a_router_serves_the_actions_of_the_plain_view(view: type[Any], pk: int) -> None:
    plain, ours = served(view), served(cached(view))
    assert [one.name for one in ours] == [one.name for one in plain]
    assert [one.callback.actions for one in ours if hasattr(one.callback, "actions")] == [
        one.callback.actions for one in plain if hasattr(one.callback, "actions")
    ]
    for expected, found in zip(answers(plain, pk), answers(ours, pk), strict=True):
        assert found == expected


@pytest.mark.parametrize("action", ["list", "retrieve", "update", "partial_update", "destroy"])
@pytest.mark.parametrize("view", KINDS, ids=lambda view: view.__name__)
def test_the_mixin_has_what_the_view_has(view: type[Any], action: str) -> None:
    assert hasattr(cached(view), action) == hasattr(view, action)
    assert hasattr(cached(view)(), action) == hasattr(view(), action)


@pytest.mark.parametrize(
    "view",
    [generics.RetrieveAPIView, generics.ListAPIView, generics.RetrieveUpdateDestroyAPIView],
    ids=lambda view: view.__name__,
)
def test_generic_views_allow_the_methods_that_they_have(view: type[Any], pk: int, rf: Any) -> None:
    plain: Any = type("Plain", (OfNovels, view), {})
    for method in ("get", "head", "options", "post"):
        expected, found = (
            kind.as_view()(getattr(rf, method)("/"), pk=pk).render()
            for kind in (plain, cached(plain))
        )
        assert found.status_code == expected.status_code
        assert found.headers.get("Allow") == expected.headers.get("Allow")


def test_an_action_before_the_mixin_calls_it(pk: int, rf: Any) -> None:
    class Own(CachedViewMixin, Reading):
        def retrieve(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            response = super().retrieve(request, *args, **kwargs)
            response.headers["X-Own"] = "1"
            return response

    Own.as_view({"get": "retrieve"})(rf.get("/"), pk=pk)
    drain()
    response = Own.as_view({"get": "retrieve"})(rf.get("/"), pk=pk)
    assert (response.headers["X-Own"], "ETag" in response.headers) == ("1", True)


def test_a_schema_says_of_an_action_what_the_plain_view_says() -> None:
    class Said(Reading):
        pass

    for view in (Said, cached(Said)):
        for action in ("list", "retrieve"):
            assert getattr(view(), action).__doc__ == getattr(Reading, action).__doc__
