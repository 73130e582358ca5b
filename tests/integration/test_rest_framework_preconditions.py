"""Validators of answers, and writes that hold only for the answer that was seen (D11)."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from rest_framework import permissions, viewsets
from rest_framework.test import APIClient

from kck_publish.contrib.rest_framework import CachedViewMixin
from tests.catalog.fixtures import Session, another_session, drain, sql
from tests.rest_app.fixtures import fill
from tests.rest_app.models import Novel
from tests.rest_app.primers import NovelV1Primer
from tests.rest_app.serializers import TitleSerializer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.rest_app.views")]


@pytest.fixture
def client() -> APIClient:
    return APIClient()


@pytest.fixture
def path() -> str:
    fill()
    drain()
    return f"/cached/novels/{Novel.objects.order_by('pk')[1].pk}/"


def seen(client: APIClient, path: str) -> dict[str, str]:
    """The validators of an answer."""
    headers = client.get(path).headers
    return {name: headers[name] for name in ("ETag", "Last-Modified") if name in headers}


def elsewhere(statement: str) -> None:
    """A write that this session does not know of, and no listener has handled."""
    with another_session() as session:
        session.execute(statement)


def write(client: APIClient, method: str, path: str, **headers: str) -> int:
    data = (
        {}
        if method == "delete"
        else {"title": "Mine", "writer_id": Novel.objects.all()[0].writer_id}
    )
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    code: int = getattr(client, method)(path, data, format="json", headers=given).status_code
    return code


@pytest.mark.usefixtures("over")
def test_a_miss_has_the_tag_of_the_hits(client: APIClient, path: str) -> None:
    miss = seen(client, path)
    drain()
    hit = seen(client, path)
    assert miss["ETag"] == hit["ETag"]
    Novel.objects.update(title="Another")
    own = seen(client, path)
    drain()
    assert miss["ETag"] != own["ETag"] == seen(client, path)["ETag"]


@pytest.mark.usefixtures("over")
def test_rows_that_were_made_together_have_tags_of_their_own(client: APIClient, path: str) -> None:
    pks = Novel.objects.order_by("pk").values_list("pk", flat=True)
    NovelV1Primer.cached.get_many([{"pk": pk} for pk in pks])
    Novel.objects.update(score=3)
    drain()
    tags = {seen(client, f"/cached/novels/{pk}/")["ETag"] for pk in pks}
    assert len(tags) == len(pks)


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_a_write_for_the_answer_that_was_seen_is_done(
    client: APIClient, path: str, method: str
) -> None:
    client.get(path)
    drain()
    assert write(client, method, path, If_Match=seen(client, path)["ETag"]) < 300


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_a_write_for_an_older_answer_is_refused(client: APIClient, path: str, method: str) -> None:
    client.get(path)
    drain()
    before = seen(client, path)
    elsewhere("UPDATE rest_app_writer SET name = 'Elsewhere'")  # which the answer shows
    assert seen(client, path) == before  # what is stored is behind
    rows = list(Novel.objects.order_by("pk").values())
    assert write(client, method, path, If_Match=before["ETag"]) == 412
    assert write(client, method, path, If_Match='"other", "another"') == 412
    assert list(Novel.objects.order_by("pk").values()) == rows
    drain()
    assert write(client, method, path, If_Match=seen(client, path)["ETag"]) < 300


def test_other_conditions(client: APIClient, path: str) -> None:
    client.get(path)
    drain()
    tags = seen(client, path)
    old = "Wed, 01 Jan 2020 00:00:00 GMT"
    assert write(client, "patch", path, If_None_Match="*") == 412
    assert write(client, "patch", path, If_None_Match=tags["ETag"]) == 412
    assert write(client, "patch", path, If_Unmodified_Since=old) == 412
    assert write(client, "patch", path, If_Match="*") == 200
    drain()
    stored = seen(client, path)["Last-Modified"]
    elsewhere("UPDATE rest_app_novel SET title = 'Elsewhere'")
    assert write(client, "patch", path, If_Unmodified_Since=stored) == 412
    drain()
    stored = seen(client, path)["Last-Modified"]
    assert write(client, "patch", path, If_Unmodified_Since=stored) == 200
    assert write(client, "patch", "/cached/novels/9999/", If_Match="*") == 404


def test_of_two_that_saw_the_same_the_second_is_refused(
    client: APIClient, path: str, wait_until: Any
) -> None:
    """The second waits for the first one's row."""
    client.get(path)
    drain()
    etag = seen(client, path)["ETag"]
    pk = int(path.split("/")[-2])
    with another_session() as session:
        session.execute("BEGIN")
        session.execute(f"UPDATE rest_app_novel SET title = 'First' WHERE id = {pk}")
        second = Session(lambda: write(APIClient(), "patch", path, If_Match=etag))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        wait_until(lambda: sql(waiting) != [(0,)])
        session.execute("COMMIT")
        assert second.result() == 412
    assert Novel.objects.get(pk=pk).title == "First"


def test_who_may_not_write_is_not_told_whether_it_moved(path: str, rf: Any) -> None:
    class Denied(permissions.AllowAny):
        def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
            return False

    class View(CachedViewMixin, viewsets.ModelViewSet):
        queryset = Novel.objects.order_by("pk")
        serializer_class = TitleSerializer
        permission_classes = (Denied,)

    request = rf.patch("/", b"{}", content_type="application/json", headers={"If-Match": '"x"'})
    response = View.as_view({"patch": "partial_update"})(request, pk=path.split("/")[-2])
    assert response.status_code == 403


def test_views_whose_answers_have_no_tag_judge_none(path: str, rf: Any) -> None:
    class View(CachedViewMixin, viewsets.ModelViewSet):
        queryset = Novel.objects.only("title").order_by("pk")
        serializer_class = TitleSerializer

    pk = path.split("/")[-2]
    assert "ETag" not in View.as_view({"get": "retrieve"})(rf.get("/"), pk=pk).headers
    request = rf.patch("/", b"{}", content_type="application/json", headers={"If-Match": '"x"'})
    assert View.as_view({"patch": "partial_update"})(request, pk=pk).status_code == 200


@pytest.mark.usefixtures("over")
class TestInAContentCoding:
    @pytest.fixture(autouse=True)
    def coded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(NovelV1Primer, "content_encodings", ("gzip",))

    def test_rows_and_lists_are_sent_so(self, client: APIClient, path: str) -> None:
        Novel.objects.update(title="A" * 60)
        drain()
        for url in (path, "/cached/novels/"):
            plain, packed = client.get(url), client.get(url, headers={"Accept-Encoding": "gzip"})
            assert packed["Content-Encoding"] == "gzip"
            assert gzip.decompress(packed.content) == plain.content
            assert packed["ETag"] != plain["ETag"]
            assert "Accept-Encoding" in plain["Vary"]

    def test_a_write_may_name_its_tag(self, client: APIClient, path: str) -> None:
        Novel.objects.update(title="A" * 60)
        drain()
        etag = client.get(path, headers={"Accept-Encoding": "gzip"})["ETag"]
        assert etag.endswith('-gzip"')
        assert write(client, "put", path, If_Match=etag) == 200
        assert write(client, "put", path, If_Match=etag) == 412
