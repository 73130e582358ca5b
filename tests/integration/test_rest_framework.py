"""Views that answer from their serializer's product, as the plain ones do (promise of issue 6)."""

from __future__ import annotations

import pickle
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import checks
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import resolve
from django.utils import timezone, translation
from rest_framework import serializers
from rest_framework.test import APIClient, APIRequestFactory

from kck_publish import ConfigurationError, Depends, InvalidPrimer, RequestNeeded
from kck_publish.contrib.rest_framework import SerializerPrimer
from kck_publish.products import registry
from kck_publish.testing import assert_fresh, travel
from tests.catalog.fixtures import another_session, drain, stored
from tests.rest_app import serializers as declared
from tests.rest_app import views
from tests.rest_app.fixtures import fill, write
from tests.rest_app.models import Copy, Novel, Tag, Writer
from tests.rest_app.primers import MinePrimer, NovelV1Primer, NovelV2Primer, visible

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.rest_app.views"),
]

PRODUCTS = ("api.writer", "api.novel.v1", "api.novel.v2", "api.tag", "api.mine", "api.link")
HEADERS = ("Content-Type", "Allow", "Vary", "Retry-After", "WWW-Authenticate")


@pytest.fixture
def client() -> APIClient:
    return APIClient()


@pytest.fixture
def library() -> None:
    """Some rows of everything."""
    fill()
    drain()


def get(client: APIClient, path: str, **headers: str) -> Any:
    return client.get(path, headers={name.replace("_", "-"): one for name, one in headers.items()})


def both(client: APIClient, path: str, **headers: str) -> Any:
    """The cached view's response, which is as the plain one's."""
    plain = get(client, f"/plain/{path}", **headers)
    cached = get(client, f"/cached/{path}", **headers)
    assert cached.status_code == plain.status_code, path
    for name in HEADERS:
        assert cached.headers.get(name) == plain.headers.get(name), (path, name)
    if not plain.headers.get("Content-Type", "").startswith("text/html"):
        # Byte for byte, but for the view's own name in the links of pages.
        same = plain.content.replace(b"/plain/", b"/cached/").replace(b"/PLAIN/", b"/CACHED/")
        assert cached.content == same, path
        assert plain.data is None or "detail" in plain.data or cached.data is not None
    return cached


def source_queries(client: APIClient, path: str, **headers: str) -> int:
    """How many queries ask a table of the application; the answer comes from the store."""
    with CaptureQueriesContext(connection) as asked:
        assert get(client, path, **headers).status_code == 200
    assert sum("kck_publish_entry" in one["sql"] for one in asked) <= 2
    found = [one["sql"] for one in asked if "rest_app_" in one["sql"]]
    return len(found)


def warm(client: APIClient, *paths: str, **headers: str) -> None:
    for path in paths:
        get(client, path, **headers)
    drain()


# Must show 1: what is answered


def some_request(chance: random.Random, pks: list[int]) -> tuple[str, dict[str, str]]:
    """A path and its headers; many are wrong in some way."""
    pk = chance.choice([*pks, *pks, 9999, "x", "007", "99999999999999999999"])
    some = (
        ("X_Key", "wrong"),
        ("X_Adult", "1"),
        ("X_All", chance.choice(["", "1"])),
        ("X_Country", chance.choice(["nl", "be"])),
        ("Accept", chance.choice(["application/json; indent=2", "application/shout", "a/b"])),
    )
    headers = {name: value for name, value in some if chance.random() < 0.15}
    novels = chance.choice(["novels", "guarded", "guarded", "cursor"])
    page = chance.choice(
        [
            "",
            "page=2",
            "page=99",
            "page=x",
            "size=2&page=3",
            "limit=2&offset=3",
            "limit=0",
            "cursor=bad",
            "search=Novel",
            "search=tag1&ordering=-title",
            "search=writer 1",
            "ordering=price,-title",
            "ordering=writer__name,title",
            "format=json",
        ]
    )
    path = chance.choice(
        [
            f"{novels}/{pk}/",
            f"{novels}/{pk}/",
            f"{novels}/?{page}",
            f"{novels}/?{page}",
            f"writers/{chance.choice(['w0', 'w1', 'w9', 'x.y'])}/",
            "writers/",
            f"tags/{chance.choice(['tag0', 'tag2', 'none'])}/",
            "tags/",
            "links/",
            f"mine/{pk}/",
            "mine/",
        ]
    )
    return path, headers


@pytest.mark.long
@pytest.mark.parametrize("requests", [150, pytest.param(500, marks=pytest.mark.long)])
def test_random_requests_are_answered_as_by_the_plain_view(
    over: str, client: APIClient, library: None, requests: int
) -> None:
    """Status, the headers that matter and the body, with writes of all kinds in between."""
    chance = random.Random(6)
    seen: dict[int, int] = {}
    denied_rows = 0
    for number in range(requests):
        if number % 10 == 0:
            write(chance)
            drain()
        pks = list(Novel.objects.values_list("pk", flat=True))
        path, headers = some_request(chance, pks)
        response = both(client, path, **headers)
        seen[response.status_code] = seen.get(response.status_code, 0) + 1
        denied_rows += response.status_code == 403 and "X_Key" not in headers
    assert_fresh(*PRODUCTS)
    assert seen[200] > requests * 0.4, seen
    assert denied_rows, seen
    assert {403, 404, 406} <= set(seen), seen


def test_each_page_of_a_cursor(client: APIClient, library: None) -> None:
    path = "cursor/"
    pages = 0
    while path:
        following = both(client, path).json()["next"]
        path = following.split("/cached/")[1] if following else ""
        pages += 1
    assert pages == 3


# Must show 2: what is asked


def test_a_row_asks_nothing_of_the_sources(client: APIClient, library: None) -> None:
    pk = Novel.objects.order_by("pk")[1].pk
    paths = [f"/cached/novels/{pk}/", f"/cached/cursor/{pk}/", "/cached/writers/w1/"]
    warm(client, *paths)
    assert [source_queries(client, path) for path in paths] == [0, 0, 0]
    # Who looks at the row is given that of the table, by a query that decides conditions, too.
    warm(client, f"/cached/guarded/{pk}/", X_Adult="1")
    assert source_queries(client, f"/cached/guarded/{pk}/", X_Adult="1") == 1
    assert source_queries(client, f"/cached/guarded/{pk}/", X_Adult="1", X_All="1") == 1


def test_an_answer_that_a_cache_keeps_names_no_class_of_ours(
    client: APIClient, library: None
) -> None:
    path = f"/cached/novels/{Novel.objects.order_by('pk')[1].pk}/"
    warm(client, path)
    view = resolve(path)
    answer = view.func(APIRequestFactory().get(path), *view.args, **view.kwargs).render()
    data = pickle.dumps(answer)
    again = pickle.loads(data)
    assert b"kck_publish" not in data
    assert again.content == answer.content
    assert again.headers == answer.headers
    assert again.data == answer.data


def test_a_list_of_100_asks_one_query(client: APIClient, library: None) -> None:
    writer = Writer.objects.first()
    assert writer is not None
    for number in range(100):
        Novel.objects.create(writer=writer, title=f"More {number}").tags.set(Tag.objects.all())
    path = "/cached/novels/?size=100"
    warm(client, path)
    assert source_queries(client, path) == 2  # the paginator's count, and the keys of the page
    warm(client, "/cached/mine/")
    assert len(get(client, "/cached/mine/").json()) == 109
    assert source_queries(client, "/cached/mine/") == 1
    assert source_queries(client, "/cached/cursor/") == 1


def test_rows_that_are_near_are_not_asked_for(
    over: str, client: APIClient, library: None, wait_until: Any
) -> None:
    """The store is not asked at all: one row asks nothing, a page two queries of the rows."""
    pk = Novel.objects.order_by("pk")[1].pk
    paths = [f"/cached/novels/{pk}/", "/cached/novels/?size=9"]
    warm(client, *paths)

    def asked(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert get(client, path).status_code == 200
        return len(queries)

    # The session has to find that its writes are there, and the lease may be late.
    wanted = [0, 2] if over == "near" else [1, 3]
    wait_until(lambda: [asked(path) for path in paths] == wanted)


def test_a_list_that_is_a_product_asks_none(client: APIClient, library: None) -> None:
    warm(client, "/cached/tags/")
    assert source_queries(client, "/cached/tags/") == 0
    Tag.objects.create(name="another")
    drain()
    assert both(client, "tags/").json()[0]["name"] == "another"


def test_many_rows_are_computed_in_a_query_a_table(client: APIClient, library: None) -> None:
    with CaptureQueriesContext(connection) as asked:
        get(client, "/cached/novels/?size=9")
    # Beside the page: the novels with their writers and summaries, the writers' other novels,
    # copies, tags.
    assert sum("rest_app_" in one["sql"] for one in asked) == 2 + 4


# Answers


def test_who_has_it_is_told_so(client: APIClient, library: None) -> None:
    novel = Novel.objects.all()[0]
    path = f"/cached/novels/{novel.pk}/"
    warm(client, path)
    first = get(client, path)
    assert first.headers["Cache-Control"] == "no-cache"
    again = get(client, path, If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["Vary"] == first.headers["Vary"] == "Accept"
    dated = get(client, path, If_Modified_Since=first.headers["Last-Modified"])
    assert dated.status_code == 304
    Writer.objects.filter(pk=novel.writer_id).update(name="Another")
    drain()
    changed = get(client, path, If_None_Match=first.headers["ETag"])
    assert (changed.status_code, changed.json()["writer"]["name"]) == (200, "Another")
    # Who may not have it is not told that he has it.
    denied = get(client, path, If_None_Match=changed.headers["ETag"], X_Key="wrong")
    assert denied.status_code == 403


def test_a_list_has_a_tag_too(client: APIClient, library: None) -> None:
    first = get(client, "/cached/novels/")
    assert "Last-Modified" not in first.headers
    assert get(client, "/cached/novels/", If_None_Match=first.headers["ETag"]).status_code == 304
    Novel.objects.filter(pk=first.json()["results"][0]["id"]).delete()
    drain()
    assert get(client, "/cached/novels/", If_None_Match=first.headers["ETag"]).status_code == 200


def test_who_may_not_see_a_row_is_not_shown_it(client: APIClient, library: None) -> None:
    Novel.objects.update(genre="c", visible=True)
    drain()
    pk = Novel.objects.all()[0].pk
    for headers in ({}, {"X_All": "1"}):  # with a condition in the queryset, and without one
        assert both(client, f"guarded/{pk}/", **headers).status_code == 403
        assert both(client, f"guarded/{pk}/", X_Adult="1", **headers).status_code == 200
        assert both(client, f"guarded/{pk}/", X_Adult="1", X_Key="wrong").status_code == 403


def test_the_browsable_api_works_with_its_forms(client: APIClient, library: None) -> None:
    pk = Novel.objects.all()[0].pk
    client.force_authenticate(User.objects.create_superuser("root"))
    plain = get(client, f"/plain/novels/{pk}/", Accept="text/html").content.decode()
    cached = get(client, f"/cached/novels/{pk}/", Accept="text/html").content.decode()
    assert "Novel 0" in cached
    assert cached.count("<input") == plain.count("<input") > 0


def test_writes_are_untouched_and_seen_at_once(client: APIClient, library: None) -> None:
    novel = Novel.objects.all()[0]
    path = f"/cached/novels/{novel.pk}/"
    warm(client, path)
    response = client.patch(path, {"title": "Changed"}, format="json")
    assert response.status_code == 200, response.content
    assert get(client, path).json()["title"] == "Changed"  # no drain: my own write
    assert client.delete(path).status_code == 204
    assert get(client, path).status_code == 404


def test_code_that_changes_the_data_is_heard(library: None, rf: Any) -> None:
    class Signed(views.cached(views.NovelViews)):  # type: ignore[misc]
        def finalize_response(self, request: Any, response: Any, *args: Any, **kw: Any) -> Any:
            response.data["signed"] = True
            return super().finalize_response(request, response, *args, **kw)

    pk = Novel.objects.all()[0].pk
    response = Signed.as_view({"get": "retrieve"})(rf.get("/"), pk=pk).render()
    assert b'"signed":true' in response.content
    assert "ETag" not in response.headers


def test_versions_live_side_by_side(client: APIClient, library: None) -> None:
    pk = Novel.objects.all()[0].pk
    first, second = NovelV1Primer.cached.get(pk=pk), NovelV2Primer.cached.get(pk=pk)
    assert first["writer_id"] == second["writer"]["id"]
    Novel.objects.filter(pk=pk).update(title="Both")
    drain()
    assert NovelV1Primer.cached.get(pk=pk)["title"] == "Both"
    assert NovelV2Primer.cached.get(pk=pk)["title"] == "Both"


def test_only_what_was_read_is_kept(client: APIClient, library: None) -> None:
    """update_only: a cold cache is not filled by writes."""
    read, unread = Novel.objects.all()[:2]
    NovelV1Primer.cached.get(pk=read.pk)
    Novel.objects.update(score=9)
    drain()
    kept = stored(f"api.novel.v1/{read.pk}")
    assert kept is not None
    assert b'"score":9.0' in (kept.body or b"")
    assert stored(f"api.novel.v1/{unread.pk}") is None


def test_what_is_not_read_wakes_nobody(client: APIClient, library: None) -> None:
    pk = Novel.objects.all()[0].pk
    NovelV1Primer.cached.get(pk=pk)
    version = stored(f"api.novel.v1/{pk}").version  # type: ignore[union-attr]
    Novel.objects.update(internal="secret")
    Copy.objects.update(owner=3)
    drain()
    assert stored(f"api.novel.v1/{pk}").version == version  # type: ignore[union-attr]


# Users, hosts, languages


def test_a_users_own_values(client: APIClient, library: None) -> None:
    novel = Novel.objects.all()[0]
    one, other = (User.objects.create_user(name) for name in ("one", "other"))
    Copy.objects.create(novel=novel, shelf="x", owner=one.pk)
    drain()

    def mine(user: Any) -> bool:
        client = APIClient()
        if user is not None:
            client.force_authenticate(user)
        answer = both(client, f"mine/{novel.pk}/").json()["mine"]
        assert both(client, "mine/").json()[0]["mine"] is answer
        return bool(answer)

    assert [mine(None), mine(one), mine(other)] == [False, True, False]
    Copy.objects.filter(owner=one.pk).update(owner=other.pk)
    drain()
    assert [mine(None), mine(one), mine(other)] == [False, False, True]
    assert MinePrimer.cached.get(pk=novel.pk, user=None)["mine"] is False
    with pytest.raises(User.DoesNotExist):
        MinePrimer.cached.get(pk=novel.pk, user=999)


def test_urls_are_of_their_host(client: APIClient, library: None) -> None:
    here = {"SERVER_NAME": "api.example.org", "wsgi.url_scheme": "https", "SERVER_PORT": "443"}
    plain = client.get("/plain/links/", **here)
    assert plain.json()[0]["url"].startswith("https://api.example.org/tag/")
    assert client.get("/cached/links/", **here).content == plain.content
    with CaptureQueriesContext(connection) as asked:
        client.get("/cached/links/", **here)
    assert sum("kck_publish_entry" in one["sql"] for one in asked) == 1
    both(client, "links/")  # another host: computed for it


def test_another_language_or_zone_is_answered_in_it(client: APIClient, library: None) -> None:
    pk = Novel.objects.all()[0].pk
    warm(client, f"/cached/novels/{pk}/")
    with timezone.override("Asia/Tokyo"):
        assert "+09:00" in both(client, f"novels/{pk}/").json()["changed"]
    with translation.override("nl"):
        assert source_queries(client, f"/cached/novels/{pk}/") > 0
    with translation.override("en"):  # as LocaleMiddleware calls en-us
        assert source_queries(client, f"/cached/novels/{pk}/") == 0
    # A first reader elsewhere does not put his own zone into the store.
    with timezone.override("Asia/Tokyo"):
        NovelV1Primer.cached.get(pk=pk + 1)
    assert_fresh("api.novel.v1")
    both(client, f"novels/{pk + 1}/")


def test_behind_is_said(client: APIClient, library: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NovelV1Primer, "when_behind", "raise")
    pk = Novel.objects.all()[0].pk
    warm(client, f"/cached/novels/{pk}/")
    with another_session() as session:
        session.execute("UPDATE rest_app_novel SET title = 'Newer'")
    with travel(timedelta(hours=1)):
        for path in (f"/cached/novels/{pk}/", "/cached/novels/"):
            response = get(client, path)
            assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    drain()
    assert both(client, f"novels/{pk}/").json()["title"] == "Newer"


# Off


def test_it_can_be_switched_off(client: APIClient, library: None, rf: Any) -> None:
    pk = Novel.objects.all()[0].pk
    path = f"/cached/novels/{pk}/"
    warm(client, path)
    with override_settings(KCK_PUBLISH={"ENABLED": False}):
        response = both(client, f"novels/{pk}/")
        assert "ETag" not in response.headers
    view = type("Off", (views.cached(views.NovelViews),), {"cached_reads": False})
    with CaptureQueriesContext(connection) as asked:
        view.as_view({"get": "retrieve"})(rf.get("/"), pk=pk)  # type: ignore[attr-defined]
    assert not any("kck_publish_entry" in one["sql"] for one in asked)


# What is refused


def refused(match: str, **attributes: Any) -> None:
    with pytest.raises(InvalidPrimer, match=match):
        type("Refused", (SerializerPrimer,), {"key": "api.refused", **attributes})
    assert "api.refused" not in registry.graph().products


class Hiding(serializers.ModelSerializer):  # type: ignore[misc]
    names = serializers.SerializerMethodField()
    fee = serializers.IntegerField(source="compute_fee")
    whole = serializers.Field(source="*")

    class Meta:
        model = Novel
        fields = ("id", "label", "names", "fee", "whole")


def test_a_field_that_hides_what_it_reads_is_named() -> None:
    refused(r"label: .*names: .*fee: .*whole: ", serializer_class=Hiding)
    refused("names: .*SerializerMethodField", serializer_class=Hiding, sources={"label": ["title"]})
    refused(
        "leads to no column",
        serializer_class=declared.NovelV1,
        sources={"label": ["writer.nobody"], "shelves": []},
    )
    refused(
        "no field",
        serializer_class=declared.WriterSerializer,
        sources={"misspelled": ["title"]},
    )


def test_an_own_representation_is_named() -> None:
    class Own(declared.PlainWriterSerializer):
        def to_representation(self, row: Any) -> Any:
            return {"shout": row.name.upper()}

    refused("to_representation", serializer_class=Own)
    product = type(
        "OwnPrimer",
        (SerializerPrimer,),
        {"key": "api.own", "serializer_class": Own, "sources": {"*": ["name"]}},
    )
    assert product.__name__ in repr(registry.get("api.own"))
    registry.unregister("api.own")


class FileSerializer(declared.PlainWriterSerializer):
    scan = serializers.FileField(source="note")

    class Meta(declared.PlainWriterSerializer.Meta):
        fields = ("id", "scan")


def test_urls_without_a_host_are_refused() -> None:
    refused("scan begin with .*base_url", serializer_class=FileSerializer)
    refused("base_url", serializer_class=declared.LinkSerializer)
    for url in ("api.example.org", 5):  # at which no request would ever be
        refused("base_url begins with", serializer_class=FileSerializer, base_url=url)


def test_a_model_by_its_name_is_refused() -> None:
    refused("model takes a model", serializer_class=FileSerializer, model="rest_app.Novel")


def test_a_serializer_that_asks_who_reads_is_refused() -> None:
    refused("mine", serializer_class=declared.MineSerializer)
    writer = Writer.objects.create(slug="x", name="X")
    novel = Novel.objects.create(writer=writer, title="T")
    attributes = {
        "key": "api.asking",
        "serializer_class": declared.MineSerializer,
        "sources": {"mine": [Depends(Copy, pk="novel_id")]},
    }
    asking: Any = type("Asking", (SerializerPrimer,), attributes)
    try:
        with pytest.raises(RequestNeeded, match="per_user = True"):
            asking.cached.get(pk=novel.pk)
    finally:
        registry.unregister("api.asking")


class Unknown(views.cached(views.WriterViews)):  # type: ignore[misc]
    serializer_class = declared.PlainWriterSerializer


def test_a_view_of_no_product_is_told_what_to_declare(rf: Any) -> None:
    Writer.objects.create(slug="x", name="X")
    with pytest.raises(ConfigurationError, match="class PlainWriterSerializerPrimer"):
        Unknown.as_view({"get": "list"})(rf.get("/"))

    class Contextual(views.cached(views.WriterViews)):  # type: ignore[misc]
        def get_serializer_context(self) -> Any:
            return {**super().get_serializer_context(), "x": 1}

    with pytest.raises(ConfigurationError, match="get_serializer_context"):
        Contextual.as_view({"get": "list"})(rf.get("/"))


def test_the_check_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not [one for one in checks.run_checks(tags=["urls"]) if "E101" in str(one.id)]
    from django.urls import path

    monkeypatch.setattr(views, "urlpatterns", [path("x/", Unknown.as_view({"get": "list"}))])
    from django.urls import clear_url_caches

    clear_url_caches()
    (found,) = [one for one in checks.run_checks(tags=["urls"]) if one.id == "kck_publish.E101"]
    assert "PlainWriterSerializer" in found.msg
    clear_url_caches()


def test_the_list_of_pks_is_kept_too(library: None) -> None:
    before = visible.cached.get()
    Novel.objects.filter(pk=before[0]).update(visible=False)
    drain()
    assert visible.cached.get() == before[1:]


def test_a_date_and_a_decimal_are_as_the_renderer_writes_them(library: None) -> None:
    writer = Writer.objects.all()[0]
    novel = Novel.objects.create(
        writer=writer,
        title="é\u2029",
        price=Decimal("12345.60"),
        released=date(1999, 12, 31),
        changed=datetime(2000, 1, 1, tzinfo=UTC),
        score=1e22,
    )
    body = NovelV1Primer.cached.get_bytes(pk=novel.pk)
    assert b'"price":"12345.60","genre":"Science","released":"1999-12-31"' in body
    assert b'"changed":"2000-01-01T00:00:00Z","score":1e+22' in body
    assert "é\\u2029".encode() in body
