"""REST framework's permissions as the rule of who may see a serializer's product."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import Client, RequestFactory
from django.urls import path
from rest_framework import exceptions, permissions

from kck_publish import (
    ConfigurationError,
    InvalidPrimer,
    KeyParameterMismatch,
    ProductView,
    Public,
)
from kck_publish.contrib.live import LiveView
from kck_publish.contrib.rest_framework import SerializerPrimer
from kck_publish.products import registry
from kck_publish.products.options import Options, check_options
from kck_publish.products.rights import allows
from tests.catalog.fixtures import drain
from tests.live.streams import Stream
from tests.rest_app.models import Novel, Writer
from tests.rest_app.primers import MinePrimer, NovelV2Primer
from tests.rest_app.serializers import NovelV2

pytestmark = pytest.mark.django_db(transaction=True)
Cookie = Callable[[User], dict[str, str]]

urlpatterns = [
    path("watch/", LiveView.as_view()),
    path("novels/<pk>/", ProductView.as_view(primer=NovelV2Primer)),
    path("mine/<pk>/<user>/", ProductView.as_view(primer=MinePrimer)),
]


class IsWriter(permissions.BasePermission):
    """Of the row."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return bool(request.user.is_authenticated)

    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        return bool(obj.writer.slug == request.user.username)


@pytest.fixture(autouse=True)
def live(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    writer: Any = IsWriter  # classes are joined by operators of their metaclass
    settings.ROOT_URLCONF = __name__
    monkeypatch.setattr(NovelV2Primer, "live", [writer | permissions.IsAdminUser])


@pytest.fixture
def novel(transactional_db: None) -> Novel:
    """One by ann."""
    return Novel.objects.create(title="a", writer=Writer.objects.create(slug="ann", name="Ann"))


@pytest.fixture
def users(transactional_db: None) -> tuple[User, User, User]:
    """Ann, Bob, and one of the staff."""
    ann, bob = User.objects.create_user("ann"), User.objects.create_user("bob")
    return ann, bob, User.objects.create_user("root", is_staff=True)


def key_of(novel: Novel) -> str:
    return registry.get("api.novel.v2").key_of({"pk": novel.pk})


def mine(novel: Novel, user: User | None) -> str:
    return registry.get("api.mine").key_of({"pk": novel.pk, "user": user and user.pk})


def test_a_stream_begins_for_whom_the_permissions_allow_it(
    port: int, cookie: Cookie, novel: Novel, users: tuple[User, User, User]
) -> None:
    ann, bob, root = users
    key = key_of(novel)
    assert Stream(port, key).status == 403
    assert Stream(port, key, headers=cookie(bob)).status == 403
    assert Stream(port, "api.novel.v2/0", headers=cookie(root)).status == 403
    for user in (ann, root):
        with Stream(port, key, headers=cookie(user)) as stream:
            assert stream.next().value["title"] == "a"


def test_a_row_that_is_given_to_another_is_denied_before_the_listener_knows(
    port: int, cookie: Cookie, novel: Novel, users: tuple[User, User, User]
) -> None:
    with Stream(port, key_of(novel), headers=cookie(users[0])) as stream:
        assert stream.next().event == "value"
        Novel.objects.update(writer=Writer.objects.create(slug="bob", name="Bob"))
        assert stream.next(3).event == "denied"
        Novel.objects.update(title="secret")
        drain()
        with pytest.raises((EOFError, TimeoutError)):
            stream.next(0.5)


@pytest.mark.parametrize("rule", [[permissions.AllowAny], Public])
def test_a_user_sees_only_the_own_values(
    rule: Any,
    port: int,
    cookie: Cookie,
    novel: Novel,
    users: tuple[User, User, User],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the rule says: it is asked about the row, not about whose value it is."""
    ann, _, root = users
    monkeypatch.setattr(MinePrimer, "live", rule)
    for headers in ({}, *map(cookie, users[1:])):
        assert Stream(port, mine(novel, ann), headers=headers).status == 403
    assert Stream(port, mine(novel, None), headers=cookie(root)).status == 403
    for user, headers in ((ann, cookie(ann)), (None, {})):
        with Stream(port, mine(novel, user), headers=headers) as stream:
            assert stream.next().value["mine"] is False


def test_who_has_a_permission_sees_the_own_value_alone(
    novel: Novel, rf: RequestFactory, users: tuple[User, User, User], monkeypatch: Any
) -> None:
    request: Any = rf.get("/")
    request.user = users[1]
    monkeypatch.setattr(MinePrimer, "live", [])  # anybody who is logged in
    product = registry.get("api.mine")
    sees = [allows(product.live, request, {"pk": novel.pk, "user": user.pk}) for user in users]
    assert sees == [False, True, False]
    # A callable is told whose value it is.
    monkeypatch.setattr(MinePrimer, "live", lambda request, parameters: True)
    assert allows(product.live, request, {"pk": novel.pk, "user": users[0].pk})


def test_polls_and_product_views_ask_the_same(
    quick: None, client: Client, novel: Novel, users: tuple[User, User, User]
) -> None:
    ann = users[0]
    polled = f"/watch/?key={key_of(novel)}&key={mine(novel, ann)}"
    answers = {}
    for user in users:
        client.force_login(user)
        answer = client.get(polled, headers={"Accept": "application/json"})
        events = json.loads(answer.content) if answer.status_code == 200 else []
        answers[user.username] = (
            [event["event"] for event in events],
            client.get(f"/novels/{novel.pk}/").status_code,
            client.get(f"/novels/{novel.pk + 1}/").status_code,
            client.get("/novels/none/").status_code,
            client.get(f"/mine/{novel.pk}/{ann.pk}/").status_code,
        )
    assert answers == {
        "ann": (["value", "value"], 200, 403, 403, 200),
        "bob": ([], 403, 403, 403, 403),
        "root": (["value", "denied"], 200, 403, 403, 403),
    }
    client.force_login(ann)
    assert client.get(f"/novels/{novel.pk}/")["Cache-Control"] == "private, no-cache"
    Novel.objects.all().delete()  # the listener has not heard of it
    assert client.get(f"/novels/{novel.pk}/").status_code == 403


def asks(permission: Any, request: Any, novel: Novel, monkeypatch: pytest.MonkeyPatch) -> bool:
    """What the rule answers, of these permissions."""
    monkeypatch.setattr(NovelV2Primer, "live", [permission])
    return allows(registry.get("api.novel.v2").live, request, {"pk": novel.pk})


@pytest.mark.parametrize("method", ["get", "options"])
def test_they_are_asked_as_for_a_retrieve(
    novel: Novel,
    users: tuple[User, User, User],
    rf: RequestFactory,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    seen: list[Any] = []

    class Looks(permissions.BasePermission):
        def has_permission(self, request: Any, view: Any) -> bool:
            seen.append((view.action, view.detail, view.kwargs, request.method, request.auth))
            seen.append((request.user, view.get_queryset().model, view.get_object()))
            return True

    request: Any = getattr(rf, method)("/")
    request.user = users[0]
    assert asks(Looks, request, novel, monkeypatch)
    assert seen == [
        ("retrieve", True, {"pk": novel.pk}, "GET", None),
        (users[0], Novel, novel),
    ]
    assert asks(permissions.DjangoModelPermissions, request, novel, monkeypatch)
    request.user = AnonymousUser()
    assert not asks(permissions.DjangoModelPermissions, request, novel, monkeypatch)
    assert asks(permissions.IsAuthenticatedOrReadOnly, request, novel, monkeypatch)
    with pytest.raises(KeyParameterMismatch):  # a URL pattern that is wrong
        allows(registry.get("api.novel.v2").live, request, {"id": novel.pk})
    del request.user
    with pytest.raises(ConfigurationError, match="AuthenticationMiddleware"):
        asks(permissions.AllowAny, request, novel, monkeypatch)


@pytest.mark.parametrize(
    "error",
    [exceptions.NotAuthenticated(), exceptions.PermissionDenied(), PermissionDenied(), Http404()],
    ids=lambda error: f"{type(error).__module__}.{type(error).__name__}",
)
def test_what_a_permission_raises_is_no(
    novel: Novel, rf: RequestFactory, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    class Raises(permissions.BasePermission):
        def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
            raise error

    request: Any = rf.get("/")
    request.user = AnonymousUser()
    assert not asks(Raises, request, novel, monkeypatch)


def test_other_rules_are_as_of_every_primer(
    novel: Novel, rf: RequestFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, product = rf.get("/"), registry.get("api.novel.v2")
    monkeypatch.setattr(NovelV2Primer, "live", lambda request, parameters: parameters["pk"] == 1)
    assert [allows(product.live, request, {"pk": pk}) for pk in (1, 2)] == [True, False]
    for rule, says in ((Public, True), (None, False)):
        monkeypatch.setattr(NovelV2Primer, "live", rule)
        assert allows(product.live, request, {"pk": 1}) is says


def test_lists_that_cannot_work_are_refused() -> None:
    for wrong in ([permissions.IsAdminUser, "a.b"], [Options]):
        with pytest.raises(InvalidPrimer, match="live is Public"):
            type(
                "Mixed",
                (SerializerPrimer,),
                {"key": "api.mixed", "serializer_class": NovelV2, "live": wrong},
            )
    for wrong in ([permissions.IsAdminUser], permissions.IsAdminUser):  # of no serializer
        with pytest.raises(InvalidPrimer, match="live is Public"):
            check_options("x", type("Wrong", (Options,), {"live": wrong}))
