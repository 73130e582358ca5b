"""The faults of drf-cached-instances, by the letters of the list: none is ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from kck_publish.signals import primed
from kck_publish.testing import assert_fresh, travel
from tests.catalog.fixtures import Session, drain, stored
from tests.rest_app.fixtures import fill
from tests.rest_app.models import Copy, Festival, Novel, Tag, Writer
from tests.rest_app.primers import (
    ColonPrimer,
    EmptyPrimer,
    FestivalPrimer,
    NovelV1Primer,
    NovelV2Primer,
    TagPrimer,
    WriterPrimer,
)
from tests.rest_app.views import CachedTagViews, GuardedViews, cached

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.rest_app.views")]


@pytest.fixture
def novel() -> Novel:
    fill()
    row: Novel = Novel.objects.filter(visible=True)[0]
    NovelV1Primer.cached.get(pk=row.pk)
    NovelV2Primer.cached.get(pk=row.pk)
    drain()
    return row


@contextmanager
def no_sources() -> Iterator[None]:
    """Nothing in here asks a table of the application."""
    with CaptureQueriesContext(connection) as asked:
        yield
    assert not [one["sql"] for one in asked if "rest_app_" in one["sql"]]


def titles(pk: int) -> set[str]:
    return {primer.cached.get(pk=pk)["title"] for primer in (NovelV1Primer, NovelV2Primer)}


def test_a_what_is_rolled_back_is_not_served_and_bulk_writes_are_seen(novel: Novel) -> None:
    with transaction.atomic():
        novel.title = "Rolled back"
        novel.save()
        assert titles(novel.pk) == {"Rolled back"}  # my own write, for me alone
        transaction.set_rollback(True)
    drain()
    assert titles(novel.pk) == {"Novel 0 é\u2028"}
    Novel.objects.filter(pk=novel.pk).update(title="Updated")
    drain()
    assert titles(novel.pk) == {"Updated"}
    Novel.objects.bulk_update([Novel(pk=novel.pk, title="Bulk")], ["title"])
    drain()
    assert titles(novel.pk) == {"Bulk"}


def test_b_a_deleted_row_is_not_served_while_its_instance_lives(novel: Novel) -> None:
    pk = novel.pk
    novel.delete()
    drain()
    assert novel.title  # it lives
    assert APIClient().get(f"/cached/novels/{pk}/").status_code == 404


def test_c_an_instance_remembers_nothing_that_makes_an_answer_stale(novel: Novel) -> None:
    assert list(novel.copies.all()) == []
    Copy.objects.create(novel=novel, shelf="new")
    novel.save()
    drain()
    assert NovelV1Primer.cached.get(pk=novel.pk)["copies"] == [{"shelf": "new"}]


def test_d_a_row_deleted_while_a_list_is_read_is_left_out(rf: Any) -> None:
    fill()
    gone, left, *_ = Tag.objects.order_by("pk")

    class Late(CachedTagViews):
        def list_pks(self, queryset: Any) -> Any:
            pks = [gone.pk, left.pk]
            Tag.objects.filter(pk=gone.pk).delete()  # after the keys were asked
            return pks

    TagPrimer.cached.get_many([{"pk": gone.pk}, {"pk": left.pk}])
    for _ in range(2):
        response = Late.as_view({"get": "list"})(rf.get("/"))
        assert [row["id"] for row in response.data] == [left.pk]
        drain()


def test_e_a_row_outside_the_views_queryset_is_never_served(novel: Novel) -> None:
    client = APIClient()
    path = f"/cached/guarded/{novel.pk}/"
    assert client.get(path).status_code == 200
    assert client.get(path, headers={"X-Country": "be"}).status_code == 404  # the queryset's
    Novel.objects.filter(pk=novel.pk).update(visible=False)  # the filter's
    assert client.get(path).status_code == 404  # before anything is drained, too
    drain()
    assert client.get(path).status_code == 404
    assert stored(f"api.novel.v2/{novel.pk}") is not None


def test_f_a_filter_leaves_the_views_queryset_as_it_is(novel: Novel, rf: Any) -> None:
    view = cached(GuardedViews)
    queryset = str(GuardedViews.queryset.query)
    for header in ({"X-Country": "nl"}, {"X-Country": "be"}, {}):
        view.as_view({"get": "list"})(rf.get("/", headers=header))
    assert str(GuardedViews.queryset.query) == queryset == str(view.queryset.query)


def test_g_a_key_of_zero_and_a_key_as_text_are_keys() -> None:
    Tag.objects.create(pk=0, name="zero")
    assert APIClient().get("/cached/links/0/").json()["name"] == "zero"
    assert TagPrimer.cached.get(pk=0) == TagPrimer.cached.get(pk="0")
    with no_sources():
        TagPrimer.cached.get(pk="0")


def test_h_no_time_at_all_is_a_duration(novel: Novel) -> None:
    assert NovelV1Primer.cached.get(pk=novel.pk)["length"] == "00:00:00"


def test_i_nothing_expires(novel: Novel) -> None:
    with travel(timedelta(days=3650)), no_sources():
        assert titles(novel.pk) == {"Novel 0 é\u2028"}


def test_j_a_missing_row_is_looked_up_once_and_seen_when_it_comes(novel: Novel) -> None:
    client, pk = APIClient(), novel.pk + 1000
    assert client.get(f"/cached/novels/{pk}/").status_code == 404
    drain()
    with no_sources():
        assert client.get(f"/cached/novels/{pk}/").status_code == 404
    Novel.objects.create(pk=pk, writer=novel.writer, title="It came")
    drain()
    assert client.get(f"/cached/novels/{pk}/").json()["title"] == "It came"


def test_k_dependents_of_a_deleted_row_learn_of_it(novel: Novel) -> None:
    writer = novel.writer.pk
    assert WriterPrimer.cached.get(pk=writer)["books"] == 3
    with connection.cursor() as cursor:  # where no instance ever is
        cursor.execute("DELETE FROM rest_app_novel_tags")
        cursor.execute("DELETE FROM rest_app_copy")
        cursor.execute("DELETE FROM rest_app_summary")
        cursor.execute("DELETE FROM rest_app_novel WHERE writer_id = %s", [writer])
    drain()
    assert WriterPrimer.cached.get(pk=writer)["books"] == 0


def test_l_a_deleted_row_is_gone_in_every_version(novel: Novel) -> None:
    pk = novel.pk
    Novel.objects.all().delete()
    drain()
    for primer in (NovelV1Primer, NovelV2Primer):
        with pytest.raises(Novel.DoesNotExist):
            primer.cached.get(pk=pk)


def test_m_rows_that_show_each_other_are_refreshed_once(novel: Novel) -> None:
    WriterPrimer.cached.get(pk=novel.writer.pk)
    drain()
    seen: list[str] = []

    def note(key: str, **_: Any) -> None:
        seen.append(key)

    primed.connect(note)
    try:
        Writer.objects.filter(pk=novel.writer.pk).update(name="Renamed")
        Novel.objects.filter(pk=novel.pk).update(title="Renamed")
        drain()
        drain()
    finally:
        primed.disconnect(note)
    ours = sorted(key for key in seen if key.startswith("api."))
    assert ours == [
        f"api.novel.v1/{novel.pk}",
        f"api.novel.v2/{novel.pk}",
        f"api.writer/{novel.writer.pk}",
    ]


def test_n_a_slow_reader_does_not_keep_an_older_value(
    novel: Novel, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Novel.objects.exclude(pk=novel.pk)[0]

    def write_and_drain() -> None:
        Novel.objects.filter(pk=other.pk).update(title="Newer")
        drain()

    def late(self: Any, value: Any, **parameters: Any) -> None:
        monkeypatch.setattr(NovelV1Primer, "post_prime", lambda self, value, **parameters: None)
        Session(write_and_drain).result()  # while this reader holds what it has computed

    monkeypatch.setattr(NovelV1Primer, "post_prime", late)
    NovelV1Primer.cached.get(pk=other.pk)
    drain()
    assert NovelV1Primer.cached.get(pk=other.pk)["title"] == "Newer"
    assert_fresh("api.novel.v1")


def test_o_false_rows_and_empty_answers_are_kept() -> None:
    row = Festival.objects.create(name="F")
    assert not row
    assert FestivalPrimer.cached.get(pk=row.pk)["name"] == "F"
    assert EmptyPrimer.cached.get(pk=row.pk) == {}
    with no_sources():
        assert EmptyPrimer.cached.get(pk=row.pk) == {}


def test_p_a_colon_in_a_name_is_a_colon() -> None:
    row = Festival.objects.create(name="F")
    assert ColonPrimer.cached.get(pk=row.pk) == {"id": row.pk, "name:Date": "F"}


def test_q_a_moment_is_written_as_the_plain_view_writes_it(novel: Novel, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Kathmandu"
    Novel.objects.filter(pk=novel.pk).update(changed=datetime(2024, 1, 1, 12, 0, 0, 7, tzinfo=UTC))
    drain()
    written = NovelV1Primer.cached.get(pk=novel.pk)["changed"]
    assert written == "2024-01-01T17:45:00.000007+05:45"
    plain, kept = (
        APIClient().get(f"/{way}/novels/{novel.pk}/").content for way in ("plain", "cached")
    )
    assert plain == kept
