"""Answers in a content coding: as the client accepts them, compressed once, each with its tag."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import path

from kck_publish import InvalidPrimer, ProductView
from kck_publish.products import content_codings
from kck_publish.products.options import Options, check_options
from kck_publish.reading import compressed
from kck_publish.reading.compressed import CompressedBodies, accepted
from tests.catalog.fixtures import drain
from tests.catalog.models import Author, Book
from tests.catalog.primers import AuthorPage

urlpatterns = [path("page/<int:author>/", ProductView.as_view(primer=AuthorPage, public=True))]

in_database = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AuthorPage, "content_encodings", ("zstd", "gzip"))
    monkeypatch.setattr(compressed, "_compressed", CompressedBodies(1 << 20))


@pytest.fixture
def page(both: None) -> str:
    author = Author.objects.create(slug="le-guin", first="Ursula", last="Le Guin")
    for number in range(40):
        Book.objects.create(author=author, title=f"The Dispossessed, volume {number}")
    drain()
    AuthorPage.cached.get(author=author.pk)
    drain()
    return f"/page/{author.pk}/"


def _get(page: str, accept: str, **headers: str) -> Any:
    return Client().get(page, headers={"Accept-Encoding": accept, **headers})


def _decoded(response: HttpResponse) -> bytes:
    from backports import zstd

    decode = {"gzip": gzip.decompress, "zstd": zstd.decompress}
    return bytes(decode[response["Content-Encoding"]](response.content))


class TestAView:
    pytestmark = in_database

    @pytest.mark.parametrize("coding", ["gzip", "zstd"])
    def test_the_body_is_sent_in_the_coding_that_is_accepted(self, page: str, coding: str) -> None:
        plain, packed = _get(page, "identity"), _get(page, coding)
        assert "Content-Encoding" not in plain
        assert len(packed.content) < len(plain.content)
        assert _decoded(packed) == plain.content
        assert packed["Vary"] == plain["Vary"] == "Accept-Encoding"
        assert packed["ETag"] != plain["ETag"]

    def test_each_coding_is_validated_by_its_own_tag(self, page: str) -> None:
        plain, packed = _get(page, ""), _get(page, "gzip")
        again = _get(page, "gzip", **{"If-None-Match": packed["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again["ETag"] == packed["ETag"]
        assert "Content-Encoding" not in again
        assert _get(page, "gzip", **{"If-None-Match": plain["ETag"]}).status_code == 200

    def test_a_value_is_compressed_once(self, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
        calls: list[int] = []

        def counted(body: bytes) -> bytes:
            calls.append(len(body))
            return gzip.compress(body)

        monkeypatch.setitem(content_codings.COMPRESS, "gzip", counted)
        bodies = {_get(page, "gzip").content for _ in range(3)}
        assert (len(bodies), len(calls)) == (1, 1)
        Book.objects.update(title="Another title, as long as it was before")
        drain()
        assert _get(page, "gzip").content not in bodies
        assert len(calls) == 2

    def test_a_product_that_says_nothing_is_sent_as_it_is(
        self, page: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(AuthorPage, "content_encodings", ())
        response = _get(page, "gzip")
        assert "Content-Encoding" not in response
        assert "Vary" not in response


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0.0, *", "zstd"),
        ("*;q=0", None),
        ("gzip;q=none", None),
    ],
)
def test_the_coding_that_a_client_prefers(accept: str, coding: str | None) -> None:
    request = RequestFactory().get("/", headers={"Accept-Encoding": accept})
    assert accepted(request, ("zstd", "gzip")) == coding


def test_what_is_kept_is_bounded() -> None:
    kept = CompressedBodies(most=2_000)
    body = b"the same words again and again " * 40
    for number in range(100):
        assert gzip.decompress(kept.get(body, f'"{number}"', "gzip") or b"") == body
    assert len(kept._bodies) < 10


def test_a_body_that_does_not_shrink_is_sent_as_it_is() -> None:
    assert CompressedBodies(most=2_000).get(bytes(range(256)), '"1"', "gzip") is None


@pytest.mark.parametrize("codings", ["gzip", ["gzip"], ("br",)])
def test_another_coding_is_refused(codings: object) -> None:
    with pytest.raises(InvalidPrimer, match="content_encodings"):
        check_options("x", type("Wrong", (Options,), {"content_encodings": codings}))


def test_zstd_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_codings, "find_spec", lambda name: None)
    with pytest.raises(InvalidPrimer, match=r"kck-publish\[zstd\]"):
        check_options("x", type("Wrong", (Options,), {"content_encodings": ("zstd",)}))
