"""Closed by default; strict headers; files that only this version of the code has."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from kck_publish.dashboard import assets
from tests.dashboard.conftest import DATA, PAGES

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("page", [*PAGES, *DATA, "/kck/products/no_such/"])
def test_nobody_is_led_to_the_login(page: str) -> None:
    answer = Client().get(f"{page}?period=6h")
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/login/?next={page}%3Fperiod%3D6h"


@pytest.mark.parametrize("page", [*PAGES, *DATA])
def test_who_may_look(page: str, log_in: Callable[..., Client]) -> None:
    assert log_in().get(page).status_code == 403
    assert log_in("view_value").get(page).status_code == 403
    assert log_in("operate").get(page).status_code == 200
    assert log_in(is_staff=True).get(page).status_code == 200
    assert log_in(is_superuser=True).get(page).status_code == 200


def test_who_has_left_may_not_look(log_in: Callable[..., Client]) -> None:
    client = log_in(is_superuser=True, is_active=False)
    assert client.get("/kck/").status_code in (302, 403)


def test_a_project_without_users_shows_nothing(settings: Any) -> None:
    settings.MIDDLEWARE = []
    assert Client().get("/kck/").status_code == 403


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_it_only_looks(method: str, chief: Client) -> None:
    for page in (*PAGES, *DATA):
        assert getattr(chief, method)(page).status_code == 405


@pytest.mark.parametrize("page", PAGES)
def test_the_policy_allows_what_comes_from_here_only(page: str, chief: Client) -> None:
    answer = chief.get(page)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    text = answer.content.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?! src=)", text)
    for address in re.findall(r"(?:src|href)=\"([^\"]+)\"", text):
        assert address.startswith(("/", "#", "?")), address


@pytest.mark.parametrize("page", PAGES)
def test_each_file_that_a_page_names_is_there(page: str, chief: Client) -> None:
    text = chief.get(page).content.decode()
    files = set(re.findall(r"(?:src|href)=\"(/kck/assets/[^\"]+)\"", text))
    assert len(files) >= 4
    for file in files:
        answer = Client().get(file)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
    other = "0" * 16
    assert Client().get(f"/kck/assets/{other}/live.js").status_code == 404
    assert Client().get(f"/kck/assets/{other}/..%2Fassets.py").status_code == 404


def test_the_libraries_of_others_name_version_and_licence() -> None:
    vendor = assets.FOLDER / "vendor"
    libraries = {path.name.removesuffix(".min.js") for path in vendor.glob("*.min.js")}
    assert libraries == {"uplot-1.6.32", "cytoscape-3.35.0", "cytoscape-dagre-4.0.1"}
    for library in libraries:
        licence = (vendor / f"{library}.LICENSE.txt").read_text()
        assert "Permission is hereby granted, free of charge" in licence
    for path in vendor.glob("*.js"):
        assert "sourceMappingURL" not in path.read_text(), "a browser would ask for it"


def test_the_big_library_is_on_the_graph_only(chief: Client) -> None:
    assert [b"cytoscape.js" in chief.get(page).content for page in PAGES] == [
        False,
        False,
        False,
        True,
    ]
