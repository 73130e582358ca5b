"""``LiveViewSet``: lists and rows as streams, with the view's own permissions and filters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework import permissions, serializers
from rest_framework.filters import BaseFilterBackend
from rest_framework.renderers import JSONRenderer
from rest_framework.routers import SimpleRouter

from kck_publish import ConfigurationError
from kck_publish.contrib.live import LiveViewSet
from tests.catalog.fixtures import drain
from tests.live.streams import Stream
from tests.rest_app.models import Novel, Writer
from tests.rest_app.views import NoCrime, Visible

pytestmark = pytest.mark.django_db(transaction=True)

closed: list[bool] = []
allowed: dict[str, list[str]] = {}


class Open(permissions.BasePermission):
    def has_permission(self, request: Any, view: Any) -> bool:
        return not closed


class ByToken(BaseFilterBackend):
    """Of a reader who is known by a token, that Django's request does not know."""

    def filter_queryset(self, request: Any, queryset: Any, view: Any) -> Any:
        token = request.headers.get("Authorization")
        return (
            queryset if token is None else queryset.filter(title__in=allowed[token]).order_by("pk")
        )


class NovelSerializer(serializers.ModelSerializer):
    class Meta:
        model = Novel
        fields = ("id", "title")


class Novels(LiveViewSet):
    queryset = Novel.objects.all()
    serializer_class = NovelSerializer
    permission_classes = (Open, NoCrime)
    filter_backends = (Visible, ByToken)
    renderer_classes = (JSONRenderer,)
    pagination_class = None


router = SimpleRouter()
router.register("novels", Novels, basename="live-novels")
urlpatterns = router.urls

STREAM = {"Accept": "text/event-stream"}


@pytest.fixture(autouse=True)
def urls(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    closed.clear()
    allowed.clear()
    yield
    closed.clear()


@pytest.fixture
def novels(transactional_db: None) -> list[Novel]:
    writer = Writer.objects.create(name="w")
    return [Novel.objects.create(writer=writer, title=title) for title in ("a", "b")]


def titles(event: Any) -> list[str]:
    return [row["title"] for row in event.value]


def change(novel: Novel, **values: Any) -> None:
    Novel.objects.filter(pk=novel.pk).update(**values)
    drain()


def test_a_list_is_told_as_the_view_would_answer(port: int, novels: list[Novel]) -> None:
    with Stream(port, path="/novels/", headers=STREAM) as stream:
        first = stream.next()
        assert titles(first) == ["a", "b"]
        change(novels[0], title="c")
        assert titles(stream.next()) == ["c", "b"]
        change(novels[0], visible=False)  # the filter's column is in no serializer
        assert titles(stream.next()) == ["b"]
        Novel.objects.create(writer=novels[0].writer, title="d")
        drain()
        last = stream.next()
        assert titles(last) == ["b", "d"]
        assert int(last.id or 0) > int(first.id or 0)
        change(novels[0], title="hidden")
        assert stream.silent()
    with Stream(port, path="/novels/", headers=STREAM | {"Last-Event-ID": last.id or ""}) as stream:
        assert stream.silent()
        change(novels[1], title="e")
        assert titles(stream.next()) == ["e", "d"]
    with Stream(port, path="/novels/", headers=STREAM | {"Last-Event-ID": last.id or ""}) as stream:
        assert titles(stream.next()) == ["e", "d"]


def test_who_comes_back_is_told_what_only_others_had_been_told(
    port: int, novels: list[Novel]
) -> None:
    """Two readers by token are nobody to Django, and have had other answers as of one version."""
    allowed.update({"a": ["a"], "b": ["a", "b"]})

    def listened(token: str, **more: str) -> Any:
        headers = STREAM | {"Authorization": token} | more
        with Stream(port, path="/novels/", headers=headers) as stream:
            return stream.next()

    listened("a")  # the hub has begun, and set the versions
    mine, theirs = listened("a"), listened("b")
    assert (mine.id, titles(mine), titles(theirs)) == (theirs.id, ["a"], ["a", "b"])
    allowed["a"] = ["a", "b"]
    assert titles(listened("a", **{"Last-Event-ID": mine.id or ""})) == ["a", "b"]


def test_an_answer_that_may_not_have_come_is_told_again(port: int, novels: list[Novel]) -> None:
    """One version may stand before two answers: of these only the first has come."""
    allowed["a"] = ["a"]
    headers = STREAM | {"Authorization": "a"}
    with Stream(port, path="/novels/", headers=headers) as stream:
        stream.next()  # the hub has begun, and set the versions
    with Stream(port, path="/novels/", headers=headers) as stream:
        first = stream.next()
        allowed["a"] = ["a", "b"]
        assert stream.next().id == first.id  # asked again now and then
    back = headers | {"Last-Event-ID": first.id or ""}
    with Stream(port, path="/novels/", headers=back) as stream:
        assert titles(stream.next()) == ["a", "b"]


def test_a_row_is_told_until_it_may_not_be_seen(port: int, novels: list[Novel]) -> None:
    path = f"/novels/{novels[0].pk}/"
    with Stream(port, path=path, headers=STREAM) as stream:
        assert stream.next().value == {"id": novels[0].pk, "title": "a"}
        change(novels[0], title="z")
        assert stream.next().value["title"] == "z"
        change(novels[0], visible=False)
        assert stream.next().event == "gone"
        change(novels[0], visible=True)
        assert stream.next().value["title"] == "z"
        change(novels[0], genre="c")
        assert stream.next().event == "denied"
        with pytest.raises(EOFError):
            stream.next(3)


def test_a_permission_that_is_lost_ends_the_stream(port: int, novels: list[Novel]) -> None:
    with Stream(port, path="/novels/", headers=STREAM) as stream:
        stream.next()
        closed.append(True)  # nothing was written: asked again now and then
        assert stream.next(3).event == "denied"
    assert Stream(port, path="/novels/", headers=STREAM).status == 403
    assert Stream(port, path="/novels/0/", headers=STREAM).status == 403


def test_other_requests_are_as_ever(port: int, novels: list[Novel], client: Any) -> None:
    assert [row["title"] for row in client.get("/novels/").json()] == ["a", "b"]
    assert client.get("/novels/", headers=STREAM).status_code == 501
    assert Stream(port, path="/novels/0/", headers=STREAM).status == 404
    origin = STREAM | {"Origin": "https://evil.example"}
    assert Stream(port, path="/novels/", headers=origin).status == 403


def test_a_model_whose_rows_are_not_published_is_refused() -> None:
    from django.contrib.auth.models import Group

    class Groups(LiveViewSet):
        queryset = Group.objects.all()

    view = Groups()
    with pytest.raises(ConfigurationError, match="no CacheModel"):
        view._products()
