"""Who may see: closed by default, asked at the start, again and again, and at the session's end."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import logout
from django.contrib.auth.models import Permission, User
from django.core.wsgi import get_wsgi_application
from django.http import Http404
from django.test import Client, RequestFactory, override_settings
from django.urls import path

from kck_publish import Behind, Cache, ConfigurationError, InvalidPrimer, ProductView, Public
from kck_publish.contrib.live import LiveView
from kck_publish.products.options import Options, check_options
from kck_publish.products.rights import allows
from tests.catalog.fixtures import drain, interfering, sql
from tests.catalog.models import Author, Item
from tests.catalog.primers import AuthorPage, ItemNames, Shelf
from tests.live.conftest import page, rename
from tests.live.streams import Stream, serving

pytestmark = pytest.mark.django_db(transaction=True)
Cookie = Callable[[User], dict[str, str]]

urlpatterns = [
    path("watch/", LiveView.as_view()),
    path("page/<author>/", ProductView.as_view(primer=AuthorPage)),
    path("names/<group>/", ProductView.as_view(primer=ItemNames)),
]


def grant(user: User) -> None:
    user.user_permissions.add(
        Permission.objects.get(codename="view_item", content_type__app_label="catalog")
    )


def test_nobody_sees_what_says_nothing(port: int, cookie: Cookie) -> None:
    root = User.objects.create_superuser("root")
    assert Stream(port, "shelf/1").status == 403
    assert Stream(port, "shelf/1", headers=cookie(root)).status == 403


def test_a_permission_is_needed_and_its_loss_is_told(port: int, cookie: Cookie) -> None:
    user = User.objects.create_user("ann")
    assert Stream(port, "item_total/1").status == 403
    assert Stream(port, "item_total/1", headers=cookie(user)).status == 403
    grant(user)
    with Stream(port, "item_total/1", "author_page/0", headers=cookie(user)) as stream:
        assert {stream.next().event, stream.next().event} == {"value", "gone"}
        user.user_permissions.clear()
        denied = stream.next(3)
        assert (denied.event, denied.data["key"]) == ("denied", "item_total/1")
        assert denied.id is None
        Item.objects.create(group=1, amount=5, name="secret")
        drain()
        assert stream.silent()


def test_of_several_keys_those_are_denied_that_may_not_be_seen(
    port: int, authors: list[Author]
) -> None:
    with Stream(port, page(authors[0]), "shelf/1") as stream:
        assert stream.next().event == "denied"
        assert stream.next().event == "value"


def test_a_value_of_a_user_is_only_for_that_user(port: int, cookie: Cookie) -> None:
    ann, bob = User.objects.create_user("ann"), User.objects.create_user("bob")
    key = f"item_names/{ann.pk}"
    assert Stream(port, key, headers=cookie(bob)).status == 403
    assert Stream(port, key).status == 403
    with Stream(port, key, headers=cookie(ann)) as stream:
        assert stream.next().value == []


def test_a_stream_ends_when_its_session_ends_elsewhere(port: int, cookie: Cookie) -> None:
    user = User.objects.create_user("ann")
    grant(user)
    headers = cookie(user)
    with Stream(port, "item_total/1", headers=headers) as stream:
        stream.next()
        engine = import_module(django_settings.SESSION_ENGINE)
        engine.SessionStore(headers["Cookie"].partition("=")[2]).delete()
        assert stream.next(3).event == "denied"
        with pytest.raises(EOFError):
            stream.next(3)


def test_a_stream_ends_at_once_when_the_user_logs_out_here(
    quick: None, settings: Any, cookie: Cookie
) -> None:
    settings.KCK_PUBLISH = {"LIVE_RECHECK": 600.0}
    user = User.objects.create_user("ann")
    grant(user)
    headers = cookie(user)
    with serving() as port, Stream(port, "item_total/1", headers=headers) as stream:
        stream.next()
        request = RequestFactory().get("/")
        engine = import_module(django_settings.SESSION_ENGINE)
        request.session = engine.SessionStore(headers["Cookie"].partition("=")[2])
        request.user = user
        logout(request)
        assert stream.next(5).event == "denied"


def test_a_user_who_is_no_longer_active_sees_nothing(port: int, cookie: Cookie) -> None:
    user = User.objects.create_user("ann")
    grant(user)
    with Stream(port, "item_total/1", headers=cookie(user)) as stream:
        stream.next()
        User.objects.filter(pk=user.pk).update(is_active=False)
        assert stream.next(3).event == "denied"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:{port}", 200),
        ("https://shop.example", 200),
        ("https://a.shop.example", 403),
        ("https://x.wide.example", 200),
        ("http://x.wide.example", 403),
        ("https://wide.example.evil", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_pages_of_other_sites_may_not_read(
    port: int, settings: Any, authors: list[Author], origin: str, status: int
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://shop.example", "https://*.wide.example"]
    headers = {"Origin": origin.format(port=port)}
    with Stream(port, page(authors[0]), headers=headers) as stream:
        assert stream.status == status


def test_what_cannot_be_read_is_refused(port: int, settings: Any) -> None:
    settings.KCK_PUBLISH = {"LIVE_KEYS": 2}
    for query, status in (
        ([], 400),
        ([("key", "nobody/1")], 404),
        ([("key", "author_page/x")], 400),
        ([("key", "author_page/1"), ("session", "abc")], 400),
        ([("key", "author_page/1"), ("since", "-1")], 400),
        ([("key", "author_page/1"), ("since", "9" * 30)], 400),
        ([("key", "author_page/1"), ("body", "2")], 400),
        ([("key", "author_page/1"), ("beat", "2")], 400),
        ([("key", "author_page/1"), ("since", "1"), ("since", "2")], 400),
        ([("key", f"author_page/{n}") for n in range(3)], 413),
    ):
        with Stream(port, query=query) as stream:
            assert (stream.status, bool(stream.text)) == (status, True), query


def test_a_key_of_another_release_is_gone_and_hides_no_other(
    port: int, authors: list[Author]
) -> None:
    keys = ["old_card/1", "author_page/x", page(authors[0])]
    with Stream(port, *keys) as stream:
        told = {(found := stream.next()).data["key"]: found.event for _ in keys}
        assert told == dict(zip(keys, ("gone", "gone", "value"), strict=True))
    with Stream(port, *keys[:2]) as stream:
        assert stream.status == 404
    with override_settings(ROOT_URLCONF=__name__):
        url = "/watch/?" + urlencode({"key": keys}, doseq=True)
        polled = Client().get(url, headers={"Accept": "application/json"})
    assert {each["key"]: each["event"] for each in json.loads(polled.content)} == told


def test_streams_are_limited_by_process_and_by_user(
    port: int, settings: Any, authors: list[Author], cookie: Cookie
) -> None:
    settings.KCK_PUBLISH = {"LIVE_STREAMS": 3, "LIVE_STREAMS_PER_USER": 1}
    key, ann, bob = page(authors[0]), *map(User.objects.create_user, ("ann", "bob"))
    streams = [Stream(port, key, headers=headers) for headers in (cookie(ann), cookie(bob), {})]
    for stream in streams:
        stream.next()
    full = Stream(port, key)
    assert (full.status, full.headers["Retry-After"]) == (503, "5")
    streams.pop().close()
    once_more = Stream(port, key, headers=cookie(ann))
    while once_more.status == 503:  # until the server knows that one has gone
        once_more = Stream(port, key, headers=cookie(ann))
    assert once_more.status == 429
    for stream in streams:
        stream.close()


@override_settings(ROOT_URLCONF=__name__)
def test_an_ordinary_view_streams_too(quick: None, authors: list[Author]) -> None:
    from django.core.asgi import get_asgi_application

    with (
        serving(get_asgi_application()) as port,
        Stream(port, page(authors[0]), path="/watch/") as stream,
    ):
        assert stream.next().event == "value"
        rename(authors[0], "eve")
        assert stream.next().value["name"] == "eve L"


@override_settings(ROOT_URLCONF=__name__)
def test_without_asgi_there_are_no_streams_and_clients_ask_again(authors: list[Author]) -> None:
    assert get_wsgi_application()
    client, url = Client(), f"/watch/?key={page(authors[0])}&key=shelf/1"
    refused = client.get(url)
    assert refused.status_code == 501
    assert b"uvicorn" in refused.content
    polled = client.get(url, headers={"Accept": "application/json"})
    value, denied = json.loads(polled.content)
    assert (value["event"], value["value"]["name"]) == ("value", "ann L")
    assert value["version"] == Cache.get_instance().entry(page(authors[0])).version
    assert denied == {"event": "denied", "key": "shelf/1", "version": None}
    headers = {"Accept": "application/json", "If-None-Match": polled["ETag"]}
    assert client.get(url, headers=headers).status_code == 304
    rename(authors[0], "eve")
    assert client.get(url, headers=headers).status_code == 200
    assert client.get("/watch/?key=shelf/1", headers=headers).status_code == 403


@override_settings(ROOT_URLCONF=__name__)
def test_what_is_too_large_to_store_is_told_anew_to_clients_that_ask_again(
    authors: list[Author], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reader computes it, under no version: no tag made of versions tells it apart."""
    Cache.get_instance().unset(page(authors[0]))
    monkeypatch.setattr(AuthorPage, "max_bytes", 1)
    client, url = Client(), f"/watch/?key={page(authors[0])}"
    polled = client.get(url, headers={"Accept": "application/json"})
    headers = {"Accept": "application/json", "If-None-Match": polled["ETag"]}
    assert client.get(url, headers=headers).status_code == 304
    rename(authors[0], "eve")
    (told,) = json.loads(client.get(url, headers=headers).content)
    assert (told["version"], told["value"]["name"]) == (None, "eve L")


@override_settings(ROOT_URLCONF=__name__)
def test_a_key_that_fails_takes_no_other_with_it(authors: list[Author]) -> None:
    """All fragments of a page, and all tabs of a browser, ask together."""
    Cache.get_instance().clear()
    ann, bob = map(page, authors)

    def interfere(name: str, parameters: Any) -> None:
        if parameters.get("author") == authors[0].pk:
            raise ZeroDivisionError

    headers = {"Accept": "application/json"}
    with interfering(interfere):
        polled = Client().get(f"/watch/?key={ann}&key={bob}", headers=headers)
        with pytest.raises(ZeroDivisionError):
            Client().get(f"/watch/?key={ann}", headers=headers)
    assert [told["key"] for told in json.loads(polled.content)] == [bob]


def test_a_rule_that_misses_its_row_denies_that_key_alone(
    port: int, authors: list[Author], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule asks about a row, which is deleted: the other keys of the stream go on."""

    def rule(request: Any, parameters: Any) -> bool:
        if Author.objects.get(pk=parameters["author"]).first == "none":
            raise Http404
        return True

    monkeypatch.setattr(AuthorPage, "live", staticmethod(rule))
    with Stream(port, *map(page, authors)) as stream:
        assert {stream.next().event, stream.next().event} == {"value"}
        Author.objects.filter(pk=authors[0].pk).delete()
        denied = stream.next(5)
        assert (denied.event, denied.data["key"]) == ("denied", page(authors[0]))
        rename(authors[1], "eve")
        while (event := stream.next(5)).event != "value":
            pass
        assert event.value["name"] == "eve L"
    assert Stream(port, page(authors[0])).status == 403
    rename(authors[1], "none")
    assert Stream(port, page(authors[1])).status == 403


@override_settings(ROOT_URLCONF=__name__)
def test_what_is_behind_is_told_as_it_is_stored(
    authors: list[Author], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``when_behind`` concerns readers; a page that asks again would lose what it shows."""
    monkeypatch.setattr(AuthorPage, "when_behind", "raise")
    sql("UPDATE kck_publish_entry SET behind = true WHERE key = %s", page(authors[0]))
    with pytest.raises(Behind):
        AuthorPage.cached.get(author=authors[0].pk)
    polled = Client().get(f"/watch/?key={page(authors[0])}", headers={"Accept": "application/json"})
    (told,) = json.loads(polled.content)
    assert (told["event"], told["value"]["name"]) == ("value", "ann L")


@override_settings(ROOT_URLCONF=__name__)
def test_a_product_view_asks_the_same_rule(
    quick: None, authors: list[Author], client: Client
) -> None:
    public = client.get(f"/page/{authors[0].pk}/")
    assert (public.status_code, public["Cache-Control"]) == (200, "public, no-cache")
    ann, bob = User.objects.create_user("ann"), User.objects.create_user("bob")
    client.force_login(ann)
    own = client.get(f"/names/{ann.pk}/")
    assert (own.status_code, own["Cache-Control"]) == (200, "private, no-cache")
    assert client.get(f"/names/{bob.pk}/").status_code == 403
    with pytest.raises(ConfigurationError, match="who may see it"):
        ProductView.as_view(primer=Shelf)


def test_a_rule_that_cannot_work_is_refused(rf: RequestFactory) -> None:
    request = rf.get("/")
    for wrong in (1, "", [1], {"a": 1}):
        with pytest.raises(InvalidPrimer, match="live is Public"):
            check_options("x", type("Wrong", (Options,), {"live": wrong}))
    with pytest.raises(InvalidPrimer, match="live_interval"):
        check_options("x", type("Wrong", (Options,), {"live_interval": 5}))

    class Later:
        def __await__(self) -> Any:
            yield

    with pytest.raises(ConfigurationError, match="async"):
        allows(lambda request, parameters: Later(), request, {})
    assert allows(Public, request, {})
    assert not allows(None, request, {})
    with pytest.raises(ConfigurationError, match="AuthenticationMiddleware"):
        allows("a.b", request, {})
