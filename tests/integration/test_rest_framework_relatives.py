"""Other ways by which a kept answer could show what the plain view would not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import checks
from django.test import override_settings
from django.urls import path as at
from rest_framework import exceptions, permissions, serializers, versioning, viewsets
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.test import APIRequestFactory
from rest_framework.throttling import BaseThrottle

from kck_publish import ConfigurationError, RequestNeeded
from kck_publish.contrib.rest_framework import CachedViewMixin, SerializerPrimer
from kck_publish.contrib.rest_framework.context import ProductContext
from kck_publish.products import registry
from tests.catalog.fixtures import drain
from tests.rest_app.fixtures import fill
from tests.rest_app.models import Novel
from tests.rest_app.primers import NovelV1Primer, TitlePrimer
from tests.rest_app.serializers import NovelV1, NovelV2, TitleSerializer
from tests.rest_app.views import HasKey, Shouting

pytestmark = pytest.mark.django_db(transaction=True)

HEADERS = ("Content-Type", "Allow", "Vary", "Retry-After", "WWW-Authenticate", "Content-Language")


class Plain(viewsets.ModelViewSet):
    queryset: Any = Novel.objects.order_by("pk")
    serializer_class: Any = TitleSerializer


class Known(BaseAuthentication):
    def authenticate(self, request: Any) -> Any:
        name = request.headers.get("X-User")
        if name == "wrong":
            raise exceptions.AuthenticationFailed
        return (User(username=name, is_staff=name == "staff"), None) if name else None

    def authenticate_header(self, request: Any) -> str:
        return "X-User"


class Always(BaseThrottle):
    def allow_request(self, request: Any, view: Any) -> bool:
        return "X-Busy" not in request.headers

    def wait(self) -> float:
        return 7.0


class FirstRenderer(BaseContentNegotiation):
    """It does not look at what is accepted."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class Indented(JSONRenderer):
    def get_indent(self, accepted_media_type: Any, renderer_context: Any) -> int:
        return 4


class Wrapped(JSONRenderer):
    def render(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        return super().render({"wrapped": data}, *args, **kwargs)


class Formats(Plain):
    renderer_classes = (JSONRenderer, Shouting, Indented)


class Wrapping(Plain):
    renderer_classes = (Wrapped,)


class Negotiating(Plain):
    renderer_classes = (Indented, JSONRenderer)
    content_negotiation_class = FirstRenderer


class Versioned(Plain):
    """Each version has a serializer of its own."""

    versioning_class = versioning.AcceptHeaderVersioning

    def get_serializer_class(self) -> Any:
        return NovelV2 if self.request.version == "2" else TitleSerializer


class ByUser(Plain):
    """Staff is shown more, whatever primer is named."""

    authentication_classes = (Known,)

    def get_serializer_class(self) -> Any:
        return NovelV1 if self.request.user.is_staff else TitleSerializer


class Private(Plain):
    authentication_classes = (Known,)
    permission_classes: Any = (permissions.IsAuthenticated,)


class Busy(Private):
    throttle_classes = (Always,)


class PerRequest(Plain):
    """What is allowed is told with the request."""

    def get_permissions(self) -> Any:
        return [HasKey() if self.action == "list" else permissions.IsAdminUser()]


class Refusing(Plain):
    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if "X-Key" in request.headers:
            raise exceptions.PermissionDenied


class Varying(Plain):
    @property
    def default_response_headers(self) -> dict[str, str]:
        return {**super().default_response_headers, "Vary": "Accept, X-User"}


class Finished(Plain):
    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(response.data, dict):
            response.data.pop("price", None)
        return super().finalize_response(request, response, *args, **kwargs)


class Handled(Plain):
    permission_classes = (HasKey,)

    def handle_exception(self, error: Any) -> Any:
        response = super().handle_exception(error)
        response.data = {"why": "handled"}
        return response


class Filtered(Plain):
    """A filter that gives no queryset."""

    def filter_queryset(self, queryset: Any) -> Any:
        return [row for row in queryset if row.visible]


VIEWS = (
    Plain, Formats, Wrapping, Negotiating, Versioned, ByUser, Private, Busy, PerRequest, Refusing,
    Varying, Finished, Handled, Filtered,
)  # fmt: skip
REQUESTS: tuple[dict[str, str], ...] = (
    {},
    {"X-User": "reader"},
    {"X-User": "staff"},
    {"X-User": "wrong"},
    {"X-User": "reader", "X-Busy": "1"},
    {"X-Busy": "1"},
    {"X-Key": "wrong"},
    {"Accept": "application/json; indent=2"},
    {"Accept": "application/shout"},
    {"Accept": "application/json; version=2"},
    {"Accept": "text/nothing"},
    {"Accept-Language": "nl"},
)


def cached(view: type[Any]) -> Any:
    named = {"primer": NovelV1Primer} if view is ByUser else {}
    return type(view.__name__, (CachedViewMixin, view), {"__doc__": view.__doc__, **named})


@pytest.fixture
def pk() -> int:
    fill()
    drain()
    return int(Novel.objects.order_by("pk")[1].pk)


def answered(view: Any, method: str, headers: dict[str, str], **kwargs: Any) -> Any:
    """The answer, or the type of the error that no handler knows."""
    query = {"format": "shout"} if headers.get("X-Key") else {}
    request = getattr(APIRequestFactory(), method)("/", query, headers=headers)
    actions = {"get": "retrieve" if "pk" in kwargs else "list"}
    try:
        response = view.as_view(actions)(request, **kwargs).render()
    except Exception as error:  # noqa: BLE001 - compared
        return type(error)
    found = [response.headers.get(name) for name in HEADERS]
    return response.status_code, response.content, found


@pytest.mark.long
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_a_view_answers_as_the_plain_one(view: Any, pk: int) -> None:
    ours = cached(view)
    asked: list[dict[str, Any]] = [
        {},
        {"pk": pk},
        {"pk": pk, "format": "json"},
        {"format": "shout"},
    ]
    for _ in ("computed", "stored"):
        for method in ("get", "head", "options"):
            for headers in REQUESTS:
                for kwargs in asked:
                    expected = answered(view, method, headers, **kwargs)
                    found = answered(ours, method, headers, **kwargs)
                    assert found == expected, (method, headers, kwargs)
        drain()


class ByFormat(serializers.ModelSerializer):
    """A method that looks at the format of the answer."""

    shape = serializers.SerializerMethodField()

    class Meta:
        model = Novel
        fields = ("id", "shape")

    def get_shape(self, novel: Any) -> Any:
        return self.context["format"]


class Copying(ByFormat):
    """A method that copies the context, and takes what is not there for missing."""

    def get_shape(self, novel: Any) -> Any:
        return "request" in {**self.context}


@contextmanager
def declared(serializer: Any) -> Iterator[Any]:
    attributes = {"key": "api.here", "serializer_class": serializer, "sources": {"shape": []}}
    try:
        yield type("HerePrimer", (SerializerPrimer,), attributes)
    finally:
        registry.unregister("api.here")


def test_a_method_that_looks_at_the_format(pk: int) -> None:
    class Shaped(Plain):
        serializer_class = ByFormat

    with declared(ByFormat):
        for kwargs in ({"pk": pk}, {"pk": pk, "format": "json"}, {"format": "json"}, {}):
            expected = answered(Shaped, "get", {}, **kwargs)
            assert answered(cached(Shaped), "get", {}, **kwargs) == expected


def test_a_method_that_copies_the_context_is_refused(pk: int) -> None:
    with declared(Copying) as primer, pytest.raises(RequestNeeded):
        primer.cached.get(pk=pk)
    context = ProductContext("x", None)
    for copy in (dict, list, lambda found: {**found}, lambda found: found.items()):
        with pytest.raises(RequestNeeded):
            copy(context)
    with pytest.raises(RequestNeeded):
        context.copy()["request"]


class Built(viewsets.ReadOnlyModelViewSet):
    """It has no serializer_class: get_serializer makes what it answers by (D12)."""

    queryset = Novel.objects.order_by("pk")

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        return TitleSerializer(*args, **kwargs)


def test_a_view_with_get_serializer_alone(pk: int, rf: Any) -> None:
    with pytest.raises(ConfigurationError, match="a get_serializer of its own"):
        cached(Built).as_view({"get": "list"})(rf.get("/"))
    named = type("Named", (CachedViewMixin, Built), {"primer": TitlePrimer})
    for kwargs in ({}, {"pk": pk}):
        assert answered(named, "get", {}, **kwargs) == answered(Built, "get", {}, **kwargs)
    off = type("Off", (CachedViewMixin, Built), {"cached_reads": False})
    assert answered(off, "get", {}, pk=pk) == answered(Built, "get", {}, pk=pk)


def test_the_check_names_what_is_refused() -> None:
    views = {
        "get_serializer of its own": cached(Built),
        "answers by TitleSerializer": type(
            "Other", (CachedViewMixin, Plain), {"primer": NovelV1Primer}
        ),
    }
    for text, view in views.items():
        with override_settings(ROOT_URLCONF=(at("x/", view.as_view({"get": "list"})),)):
            found = [
                one for one in checks.run_checks(tags=["urls"]) if one.id == "kck_publish.E101"
            ]
        assert len(found) == 1
        assert text in found[0].msg
    with override_settings(ROOT_URLCONF=(at("x/", cached(Versioned).as_view({"get": "list"})),)):
        assert not checks.run_checks(tags=["urls"])
