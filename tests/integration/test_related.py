"""Related rows of rows from ``.cached``: through ``.cached`` too, in one round trip, and true."""

from __future__ import annotations

import copy
import gc
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from kck_publish.request import GlobalRequest
from kck_publish.rows.read_together import together_with
from tests.catalog.fixtures import drain, reads
from tests.relations.models import Agent, House, Novel, Paperback, Passport, Saga, Writer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def novels(transactional_db: None) -> list[Novel]:
    """Fifty novels of fifty writers of five houses; all published."""
    houses = House.objects.bulk_create([House(name=f"h{n}") for n in range(5)])
    agents = Agent.objects.bulk_create([Agent(name=f"a{n}") for n in range(50)])
    writers = Writer.objects.bulk_create(
        [Writer(name=f"w{n}", house=houses[n % 5], agent=agents[n]) for n in range(50)]
    )
    novels = Novel.objects.bulk_create(
        [Novel(title=f"n{n}", shelf=1, writer=writers[n], imprint=houses[n % 5]) for n in range(50)]
    )
    Novel.cached.filter(shelf=1)
    drain()
    return novels


def test_a_list_of_fifty_and_their_related_rows_are_two_looks_at_the_store(
    novels: list[Novel],
) -> None:
    with reads(store=2):
        found = [(one.title, one.writer.name) for one in Novel.cached.filter(shelf=1) if one.writer]
    assert found == [(f"n{n}", f"w{n}") for n in range(50)]


def test_each_further_step_is_one_look(novels: list[Novel]) -> None:
    with reads(store=3):
        names = [one.writer.house.name for one in Novel.cached.filter(shelf=1)]
    assert names == [f"h{n % 5}" for n in range(50)]


def test_in_bulk_and_a_single_row(novels: list[Novel]) -> None:
    with reads(store=2):
        for one in Novel.cached.in_bulk([novel.pk for novel in novels]).values():
            assert one.writer == Writer(pk=one.writer_id)
    with reads(store=2):
        row = Novel.cached.get(pk=novels[3].pk)
        assert [row.writer.name, row.writer.name] == ["w3", "w3"]


def test_what_is_given_is_what_the_orm_gives(novels: list[Novel]) -> None:
    ours = Novel.cached.get(pk=novels[0].pk).writer
    theirs = Novel.objects.get(pk=novels[0].pk).writer
    assert ours.__dict__ | {"_state": 0} == theirs.__dict__ | {"_state": 0}
    assert (ours._state.db, ours._state.adding) == ("default", False)


def test_rows_of_the_orm_stay_its_own(novels: list[Novel]) -> None:
    with reads(store=0, source=2):
        assert Novel.objects.select_related(None).get(pk=novels[0].pk).writer.name == "w0"
    assert Novel.writer.is_cached(Novel.objects.select_related("writer")[0])


def test_a_plain_model_is_one_query_for_all(novels: list[Novel]) -> None:
    with reads(store=2, source=1):
        names = [one.writer.agent.name for one in Novel.cached.filter(shelf=1)]
    assert names == [f"a{n}" for n in range(50)]
    with reads(store=2, source=1):
        assert Novel.cached.get(pk=novels[7].pk).writer.agent.name == "a7"


def test_a_key_to_another_field_goes_by_the_declared_lookup(novels: list[Novel]) -> None:
    with reads(store=2):
        assert [one.imprint.name for one in Novel.cached.filter(shelf=1)] == [
            f"h{n % 5}" for n in range(50)
        ]


def test_a_key_to_a_field_that_is_no_lookup_is_the_orms(
    novels: list[Novel], monkeypatch: pytest.MonkeyPatch
) -> None:
    from kck_publish.products import registry

    house = registry.get("relations.house:name")
    registry.unregister("relations.house:name")
    try:
        with reads(store=1, source=1):
            assert {one.imprint.name for one in Novel.cached.filter(shelf=1)} == {
                f"h{n}" for n in range(5)
            }
    finally:
        registry.register(house)


def test_one_to_one_knows_the_way_back(novels: list[Novel]) -> None:
    passports = Passport.objects.bulk_create(
        [Passport(writer=one.writer) for one in novels if one.writer]
    )
    for novel, passport in zip(novels, passports, strict=True):
        novel.passport = passport
    Novel.objects.bulk_update(novels, ["passport"])
    drain()
    with reads(store=2):
        for one in Novel.cached.filter(shelf=1):
            assert one.passport.novel is one


def test_null_is_none_and_asks_nobody(novels: list[Novel]) -> None:
    row = Novel.cached.get(pk=novels[0].pk)
    with reads(store=0):
        assert row.sequel_of is None
        assert row.passport is None


def test_a_row_that_points_to_its_own_table(novels: list[Novel]) -> None:
    for novel in novels[1:]:
        novel.sequel_of = novels[0]
    Novel.objects.bulk_update(novels, ["sequel_of"])
    drain()
    with reads(store=2):
        found = Novel.cached.filter(shelf=1)
        assert {one.sequel_of.title for one in found[1:]} == {"n0"}
    assert found[0].sequel_of is None


def test_a_new_key_is_another_row(novels: list[Novel]) -> None:
    row, other = Novel.cached.filter(shelf=1)[:2]
    assert row.writer.name == "w0"
    row.writer_id = other.writer_id
    assert row.writer.name == "w1"
    assert other.writer.name == "w1"
    row.writer = Writer.objects.get(name="w9")
    with reads(store=0):
        assert row.writer.name == "w9"
    row.writer_id = str(other.writer_id)
    assert row.writer.name == "w1"


def test_a_key_that_is_none_is_the_orms_to_refuse(novels: list[Novel]) -> None:
    row, other = Novel.cached.filter(shelf=1)[:2]
    row.writer_id = "nonsense"
    with pytest.raises(ValueError, match="nonsense"):
        row.writer  # noqa: B018
    assert other.writer.name == "w1"


def test_what_was_assigned_to_a_peer_stays(novels: list[Novel]) -> None:
    first, second, *_ = Novel.cached.filter(shelf=1)
    unsaved = Writer(name="new")
    second.writer = unsaved
    assert first.writer.name == "w0"
    assert second.writer is unsaved


def test_a_row_that_was_refreshed_is_the_databases(novels: list[Novel]) -> None:
    row = Novel.cached.get(pk=novels[0].pk)
    assert row.writer.name == "w0"
    row.refresh_from_db()
    with reads(store=0, source=1):
        assert row.writer.name == "w0"


def test_saved_and_still_from_cached(novels: list[Novel]) -> None:
    row = Novel.cached.get(pk=novels[0].pk)
    row.title = "new"
    row.save()
    assert row.writer.name == "w0"
    assert Novel.objects.get(pk=row.pk).title == "new"


@pytest.mark.parametrize(
    "through",
    [lambda row: pickle.loads(pickle.dumps(row)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_a_copy_reads_through_cached(novels: list[Novel], through: Callable[[Any], Any]) -> None:
    rows = Novel.cached.filter(shelf=1)
    row = through(rows[0])
    with reads(store=1):
        assert row.writer.name == "w0"
    with reads(store=0):
        assert through(row).writer.name == "w0"


def test_peers_are_not_kept_alive(novels: list[Novel]) -> None:
    rows = Novel.cached.filter(shelf=1)
    row = rows[0]
    del rows
    gc.collect()
    assert row.writer.name == "w0"
    assert sum(type(one) is Novel and one is not row for one in gc.get_objects()) == 50
    # (The fifty of the fixture; of those that came with the row there is none left.)


def test_own_writes_are_seen(novels: list[Novel]) -> None:
    with transaction.atomic():
        Writer.objects.filter(name="w0").update(name="renamed")
        assert Novel.cached.get(pk=novels[0].pk).writer.name == "renamed"
        new = Writer.objects.create(name="brand new")
        Novel.objects.filter(pk=novels[1].pk).update(writer=new)
        assert [one.writer.name for one in Novel.cached.filter(shelf=1)][:2] == [
            "renamed",
            "brand new",
        ]
        transaction.set_rollback(True)
    assert [one.writer.name for one in Novel.cached.filter(shelf=1)][:2] == ["w0", "w1"]


def test_what_changes_is_seen_once_drained(novels: list[Novel]) -> None:
    Writer.objects.update(name="x")
    drain()
    with reads(store=2):
        assert {one.writer.name for one in Novel.cached.filter(shelf=1)} == {"x"}


def test_a_target_that_the_store_takes_for_absent(novels: list[Novel]) -> None:
    """The novels may be refreshed before their writer is: a kept answer "there is none" is old."""
    with pytest.raises(Writer.DoesNotExist):
        Writer.cached.get(pk=999_999)
    Writer.objects.create(pk=999_999, name="late")
    Novel.objects.filter(pk__in=[one.pk for one in novels[:2]]).update(writer=999_999)
    connection.close()  # a reader who has written none of it
    rows = [Novel.objects.get(pk=one.pk) for one in novels[:2]]
    from kck_publish.rows.read_together import mark

    mark(rows)  # as .cached gives them, refreshed already
    assert [one.writer.name for one in rows] == ["late", "late"]


def test_a_target_that_is_missing(novels: list[Novel]) -> None:
    Novel.objects.filter(pk__in=[one.pk for one in novels[:3]]).update(ghost=424_242)
    drain()
    rows = Novel.cached.filter(shelf=1)
    for row in [*rows[:3], Novel.cached.get(pk=novels[0].pk)]:
        for _ in range(2):
            with pytest.raises(Writer.DoesNotExist):
                row.ghost  # noqa: B018
    assert rows[3].ghost is None


def test_rows_that_point_to_nothing_are_not_tried_again_and_again(novels: list[Novel]) -> None:
    Novel.objects.filter(pk__in=[one.pk for one in novels[:20]]).update(ghost=424_242)
    drain()
    Writer.objects.first()
    rows = Novel.cached.filter(shelf=1)
    with pytest.raises(Writer.DoesNotExist):
        rows[0].ghost  # noqa: B018
    with reads(store=0, source=1), pytest.raises(Writer.DoesNotExist):
        rows[1].ghost  # noqa: B018
    with reads(store=1):
        assert [one.writer.name for one in rows[:2]] == ["w0", "w1"]


def test_a_related_row_that_is_false_is_a_row(
    novels: list[Novel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Writer, "__len__", lambda self: 0, raising=False)
    with reads(store=2):
        assert [one.writer.name for one in Novel.cached.filter(shelf=1)][:2] == ["w0", "w1"]


def test_reverse_managers_are_the_orms(novels: list[Novel]) -> None:
    writer = Novel.cached.get(pk=novels[0].pk).writer
    with reads(store=0, source=1):
        assert list(writer.novels.all()) == [novels[0]]


def test_generic_foreign_keys_are_the_orms(novels: list[Novel]) -> None:
    kind = ContentType.objects.get_for_model(Writer)
    Novel.objects.filter(pk=novels[0].pk).update(about_type=kind, about_id=novels[0].writer_id)
    drain()
    row = Novel.cached.get(pk=novels[0].pk)
    ContentType.objects.get_for_id(kind.pk)  # Django keeps it again: the batch has cleared that
    with reads(store=0, source=1):
        assert row.about.name == "w0"


def test_multi_table_inheritance(novels: list[Novel]) -> None:
    for n in range(3):
        Saga.objects.create(title=f"s{n}", writer=novels[n].writer)
    Saga.cached.filter(volumes=3)
    drain()
    with reads(store=2):
        rows = Saga.cached.filter(volumes=3)
        assert [one.writer.name for one in rows] == ["w0", "w1", "w2"]
    with reads(store=0):  # all that it needs is in the child
        parent: Any = getattr(rows[0], "novel_ptr")  # noqa: B009 - no type knows it
        assert (type(parent), parent.title) == (Novel, "s0")


def test_proxies_come_together_too(over: str, novels: list[Novel]) -> None:
    found = Paperback.cached.in_bulk([novel.pk for novel in novels])
    assert {type(one) for one in found.values()} == {Paperback}
    with CaptureQueriesContext(connection) as queries:
        assert [one.writer and one.writer.name for one in found.values()][:2] == ["w0", "w1"]
    assert len(queries) <= 1
    assert len(together_with(found[novels[0].pk])) == len(novels)
    row = Paperback.cached.get(pk=novels[3].pk)
    assert type(row) is Paperback
    assert row.writer == Writer(pk=row.writer_id)


def test_in_a_request_a_row_is_one_object(novels: list[Novel]) -> None:
    with GlobalRequest(), reads(store=2):
        rows = Novel.cached.filter(shelf=1)
        writer = rows[0].writer
        assert writer is Writer.cached.get(pk=writer.pk)
        assert rows[5].writer is Novel.cached.filter(shelf=1)[5].writer


def test_a_descriptor_of_ones_own_is_left_alone(novels: list[Novel]) -> None:
    from kck_publish.rows.relations import ManyToOne, install

    class Own(ManyToOne):
        pass

    ours = vars(Novel)["writer"]
    Novel.writer = Own(Novel._meta.get_field("writer"))  # type: ignore[assignment]
    try:
        install(Novel)
        assert type(vars(Novel)["writer"]) is Own
    finally:
        Novel.writer = ours
