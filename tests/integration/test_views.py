"""ProductView and FragmentPrimer: products as answers, and as pieces of pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path

from kck_publish import ConfigurationError, KeyParameterMismatch, ProductView
from kck_publish.products import registry
from tests.catalog.fixtures import computes, drain
from tests.catalog.models import Author, Book
from tests.catalog.primers import AuthorCard, AuthorPage, OnlyPrimed, Shelf


class OwnPage(ProductView):
    """Only one's own page is shown."""

    primer = AuthorPage

    def has_permission(self) -> bool:
        return self.request.headers.get("X-Author") == str(self.kwargs["author"])


urlpatterns = [
    path("page/<author>/", ProductView.as_view(primer=AuthorPage, public=True)),
    path("own/<int:author>/", OwnPage.as_view()),
    path("primed/<name>/", ProductView.as_view(primer=OnlyPrimed, public=True)),
    path("misnamed/<int:writer>/", ProductView.as_view(primer=AuthorPage, public=True)),
]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


@pytest.fixture
def author() -> Author:
    row = Author.objects.create(slug="le-guin", first="Ursula", last="Le <Guin>")
    Book.objects.create(author=row, title="The Dispossessed")
    drain()
    return row


@pytest.fixture
def page(author: Author) -> str:
    AuthorPage.cached.get(author=author.pk)
    drain()
    return f"/page/{author.pk}/"


def test_the_stored_bytes_are_sent(page: str, author: Author, client: Client) -> None:
    with CaptureQueriesContext(connection) as asked:
        response = client.get(page)
    assert response.status_code == 200
    assert response.content == AuthorPage.cached.get_bytes(author=author.pk)
    assert response["Content-Type"] == "application/json"
    assert response.json()["name"] == "Ursula Le <Guin>"
    assert len(asked) == 1  # the store


@pytest.mark.usefixtures("over")
def test_who_has_it_is_told_so(page: str, author: Author, client: Client) -> None:
    first = client.get(page)
    assert first["Cache-Control"] == "public, no-cache"
    again = client.get(page, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert (
        client.get(page, headers={"If-Modified-Since": first["Last-Modified"]}).status_code == 304
    )
    Author.objects.filter(pk=author.pk).update(last="L.")
    drain()
    changed = client.get(page, headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]
    assert changed.json()["name"] == "Ursula L."


@pytest.mark.usefixtures("over")
def test_what_did_not_change_keeps_its_tag(page: str, author: Author, client: Client) -> None:
    first = client.get(page)["ETag"]
    Author.objects.filter(pk=author.pk).update(slug="ursula")  # captured, and not in the page
    drain()
    assert client.get(page)["ETag"] == first


def test_the_near_store_answers_as_the_store(
    over: str, page: str, settings: Any, client: Client, wait_until: Any
) -> None:
    """With the same validators: the next request may go to another host."""

    def asked() -> tuple[int, Any]:
        with CaptureQueriesContext(connection) as queries:
            response = client.get(page)
        return len(queries), response

    # The session has to find that its writes are there, and the lease may be late.
    _, near = wait_until(lambda: (found := asked())[0] == (over == "store") and found)
    settings.KCK_PUBLISH = {**getattr(settings, "KCK_PUBLISH", {}), "NEAR": None}
    queries, stored = asked()
    assert queries == 1
    assert (near.content, near.headers) == (stored.content, stored.headers)
    assert {"ETag", "Last-Modified"} <= near.headers.keys()


def test_a_head_and_a_post(page: str, client: Client) -> None:
    head = client.head(page)
    assert (head.status_code, head.content) == (200, b"")
    assert client.post(page).status_code == 405


def test_what_there_is_not_is_a_404(page: str, client: Client) -> None:
    assert client.get("/page/999/").status_code == 404
    assert client.get("/page/not-a-number/").status_code == 404
    assert client.get("/primed/never/").status_code == 404


def test_a_pattern_that_names_other_parameters_is_a_fault_of_the_code(client: Client) -> None:
    with pytest.raises(KeyParameterMismatch, match="author"):
        client.get("/misnamed/1/")


def test_who_may_see_it_has_to_be_said() -> None:
    with pytest.raises(ConfigurationError, match="does not say who may see it"):
        ProductView.as_view(primer=Shelf)
    with pytest.raises(ConfigurationError, match="primer="):
        ProductView.as_view(public=True)


def test_an_own_permission_that_nobody_awaits_is_refused() -> None:
    """What it gives before it is awaited is true: everybody would see everything."""

    class Later(ProductView):
        async def has_permission(self) -> bool:  # type: ignore[override]
            return False

    with pytest.raises(ConfigurationError, match="must not be async"):
        Later.as_view(primer=Shelf)


def test_an_own_permission_decides(author: Author, client: Client) -> None:
    assert client.get(f"/own/{author.pk}/").status_code == 403
    allowed = client.get(f"/own/{author.pk}/", headers={"X-Author": str(author.pk)})
    assert allowed.status_code == 200
    assert allowed["Cache-Control"] == "private, no-cache"


def test_permissions_are_required(author: Author, rf: RequestFactory) -> None:
    view = ProductView.as_view(primer=AuthorPage, permission_required="catalog.view_author")
    anyone = ProductView.as_view(primer=AuthorPage, permission_required=[])
    user = User.objects.create_user("reader")

    def status(view: Any, who: Any) -> int:
        request: HttpRequest = rf.get("/")
        request.user = who
        try:
            response: HttpResponse = view(request, author=author.pk)
        except PermissionDenied:
            return 403
        return response.status_code

    assert status(view, AnonymousUser()) == 403
    assert status(anyone, AnonymousUser()) == 403
    assert status(view, user) == 403
    assert status(anyone, user) == 200
    user.user_permissions.add(
        Permission.objects.get(codename="view_author", content_type__app_label="catalog")
    )
    assert status(view, User.objects.get(pk=user.pk)) == 200


# Fragments


def render(source: str, **context: Any) -> str:
    return engines["django"].from_string("{% load kck_publish %}" + source).render(context)


def test_a_fragment_is_rendered_once_and_kept_fresh(author: Author) -> None:
    source = '{% product "author_card" author=author.pk %}'
    assert render(source, author=author).strip() == "<b>Le &lt;Guin&gt;</b>: 1 books"
    with computes() as computed:
        render(source, author=author)
    assert not computed
    Book.objects.create(author=author, title="The Lathe of Heaven")
    drain()
    assert render(source, author=author).strip() == "<b>Le &lt;Guin&gt;</b>: 2 books"


def test_any_other_product_is_escaped(author: Author) -> None:
    source = '{% product "author_page" author=author.pk as page %}{{ page.name }}'
    assert render(source, author=author) == "Ursula Le &lt;Guin&gt;"
    whole = render('{% product "author_page" author=author.pk %}', author=author)
    assert "<" not in whole


def test_what_there_is_not_renders_as_nothing() -> None:
    assert render('{% product "author_card" author=999 %}') == ""


@pytest.fixture
def templates(tmp_path: Path) -> Iterator[Path]:
    """Templates that a deploy may change."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    settings = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [str(tmp_path)],
            "APP_DIRS": True,
        }
    ]
    with override_settings(TEMPLATES=settings):
        yield folder


def test_another_template_is_another_fragment(templates: Path) -> None:
    before = AuthorCard.version
    (templates / "author_name.html").write_text("<i>{{ author.last }}</i>")
    engine: Any = engines["django"]
    engine.engine.template_loaders[0].reset()
    assert AuthorCard.version != before


def test_the_value_is_json_too(author: Author) -> None:
    registry.graph()
    assert json.loads(AuthorCard.cached.get_bytes(author=author.pk)).startswith("<b>")
