"""Object permissions are decided on the row in its table, unless a view says otherwise (A3)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework import permissions, viewsets
from rest_framework.permissions import AllowAny, BasePermission

from kck_publish.contrib.rest_framework import CachedViewMixin
from kck_publish.contrib.rest_framework.retrieving import asks_for_objects
from tests.catalog.fixtures import another_session, drain
from tests.rest_app.fixtures import fill
from tests.rest_app.models import Novel, Writer
from tests.rest_app.serializers import NovelV2, WriterSerializer
from tests.rest_app.views import HasKey, NoCrime

pytestmark = pytest.mark.django_db(transaction=True)


class Wary(CachedViewMixin, viewsets.ReadOnlyModelViewSet):
    queryset: Any = Novel.objects.order_by("pk")
    serializer_class: Any = NovelV2
    permission_classes: Any = (NoCrime,)


class Conditioned(Wary):
    queryset = Novel.objects.filter(visible=True)


class Trusting(Wary):
    object_permissions_from_cache = True


class Unnamed(BasePermission):
    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        return bool(obj.name)


class BySlug(Wary):
    queryset = Writer.objects.order_by("pk")
    serializer_class = WriterSerializer
    lookup_field = "slug"
    permission_classes = (Unnamed,)


@pytest.fixture
def pk() -> int:
    fill()
    Novel.objects.update(genre="s", visible=True)
    drain()
    return int(Novel.objects.order_by("pk")[1].pk)


def status(view: Any, rf: Any, **lookup: Any) -> int:
    code: int = view.as_view({"get": "retrieve"})(rf.get("/"), **lookup).status_code
    return code


def elsewhere(statement: str) -> None:
    """A write that this session does not know of."""
    with another_session() as session:
        session.execute(statement)


@pytest.mark.parametrize("view", [Wary, Conditioned])
def test_a_right_that_is_taken_back_ends_at_once(view: Any, pk: int, rf: Any) -> None:
    assert status(view, rf, pk=pk) == 200
    drain()
    elsewhere("UPDATE rest_app_novel SET genre = 'c'")
    assert status(view, rf, pk=pk) == 403
    elsewhere("UPDATE rest_app_novel SET genre = 's'")
    assert status(view, rf, pk=pk) == 200
    elsewhere("UPDATE rest_app_novel SET genre = 'c'")
    drain()
    assert status(view, rf, pk=pk) == 403


def test_by_another_lookup_too(pk: int, rf: Any) -> None:
    Writer.cached.get(slug="w1")
    assert status(BySlug, rf, slug="w1") == 200
    drain()
    elsewhere("UPDATE rest_app_writer SET name = '' WHERE slug = 'w1'")
    assert status(BySlug, rf, slug="w1") == 403
    assert status(BySlug, rf, slug="none") == 404


def test_a_view_may_trust_what_is_kept(pk: int, rf: Any) -> None:
    status(Trusting, rf, pk=pk)
    drain()
    with CaptureQueriesContext(connection) as asked:
        assert status(Trusting, rf, pk=pk) == 200
    assert not [one["sql"] for one in asked if "rest_app_" in one["sql"]]
    elsewhere("UPDATE rest_app_novel SET genre = 'c'")
    drain()
    assert status(Trusting, rf, pk=pk) == 403
    assert status(Trusting, rf, pk=9999) == status(Trusting, rf, pk="x") == 404


class Masking(Wary):
    """It gives the row in another form."""

    permission_classes = ()

    def get_object(self) -> Any:
        row = super().get_object()
        row.title = "masked"
        return row


def test_an_own_get_object_is_asked(pk: int, rf: Any) -> None:
    for _ in range(2):
        response = Masking.as_view({"get": "retrieve"})(rf.get("/"), pk=pk)
        assert response.data["title"] == "masked"
        drain()


class AlsoLooks(NoCrime):
    pass


# REST framework's classes are joined by operators of their metaclass.
key: Any = HasKey
crime: Any = NoCrime


@pytest.mark.parametrize(
    ("permission", "looks"),
    [
        (AllowAny, False),
        (HasKey, False),
        (NoCrime, True),
        (AlsoLooks, True),
        (~key, True),
        (~crime, True),
        (key & AllowAny, False),
        (key & crime, True),
        (crime | AllowAny, True),
        (AllowAny | (key & ~crime), True),
        (permissions.DjangoModelPermissions, False),
        (permissions.DjangoObjectPermissions, True),
    ],
)
def test_who_looks_at_a_row_is_known(permission: Any, looks: bool) -> None:
    view = Wary()
    view.permission_classes = (permission,)
    assert asks_for_objects(view) is looks


def test_a_denied_key_is_denied_by_not(pk: int, rf: Any) -> None:
    """REST framework asks the operand for the row, whose base says yes, so NOT denies it."""

    class Denying(Wary):
        permission_classes = (~key,)

    class Plain(viewsets.ReadOnlyModelViewSet):
        queryset = Novel.objects.order_by("pk")
        serializer_class = NovelV2
        permission_classes = (~key,)

    for view in (Plain, Denying):
        request = rf.get("/", headers={"X-Key": "wrong"})
        assert view.as_view({"get": "retrieve"})(request, pk=pk).status_code == 403
