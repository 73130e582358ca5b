"""The faults of django-cachemodel, by their letters: none of them is ours."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat

from kck_publish import UndeclaredLookup
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import Session, another_session, drain, reads, sql, stored
from tests.catalog.models import Publisher as CatalogPublisher
from tests.relations import models
from tests.relations.models import Country, Poem, Poet

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def poet(transactional_db: None) -> Poet:
    poet = Poet.objects.create(slug="basho", first="Matsuo", last="Basho")
    drain()
    Poet.computed.clear()
    return poet


def test_a_what_was_rolled_back_was_never_published(poet: Poet) -> None:
    for write in (lambda: Poet.objects.create(slug="new"), poet.delete):
        with transaction.atomic():
            write()
            transaction.set_rollback(True)
    poet = Poet.objects.get()
    with transaction.atomic():
        poet.last = "never"
        poet.save()
        transaction.set_rollback(True)
    drain()
    assert Poet.cached.get(slug="basho").last == "Basho"
    with pytest.raises(Poet.DoesNotExist):
        Poet.cached.get(slug="new")
    assert stored(f"relations.poet/{poet.pk}") is not None


def test_b_an_old_secondary_key_answers_no_more(poet: Poet) -> None:
    poet.slug, poet.last = "matsuo", "Munefusa"
    poet.save()
    drain()
    for old in ({"slug": "basho"}, {"last": "Basho", "first": "Matsuo"}):
        with pytest.raises(Poet.DoesNotExist):
            Poet.cached.get(**old)
    assert Poet.cached.get(slug="matsuo") == Poet.cached.get(last="Munefusa", first="Matsuo")


def test_c_a_delete_clears_every_key(poet: Poet) -> None:
    poet.longest()
    poet.longest(at_most=3)
    drain()
    kept = "SELECT count(*) FROM kck_publish_entry WHERE starts_with(product, 'relations.poet') "
    assert sql(kept + "AND body IS NOT NULL") == [(6,)]
    poet.delete()
    drain()
    assert sql(kept) == [(0,)]


def test_d_writes_past_save_are_seen(poet: Poet) -> None:
    Poet.objects.update(last="updated")
    drain()
    assert Poet.cached.get(slug="basho").last == "updated"
    sql("UPDATE relations_poet SET last = 'raw'")
    drain()
    assert Poet.cached.get(slug="basho").last == "raw"
    Poem.objects.bulk_create([Poem(poet=poet, title="frog"), Poem(poet=poet, title="moon")])
    drain()
    assert poet.num_poems() == 2
    frog = Poem.objects.get(title="frog")
    assert Poem.cached.get(pk=frog.pk).title == "frog"
    Poet.objects.all().delete()  # and its poems, by cascade
    drain()
    with pytest.raises(Poem.DoesNotExist):
        Poem.cached.get(pk=frog.pk)
    assert_fresh()


def test_e_one_lookup_has_one_key_however_it_is_spelled(poet: Poet) -> None:
    poem = Poem.objects.create(poet=poet, title="frog")
    drain()
    with reads(store=4):
        assert Poet.cached.get(last="Basho", first="Matsuo") == poet
        assert Poet.cached.get(first="Matsuo", last="Basho") == poet
        assert Poet.cached.get(id=str(poet.pk)) == Poet.cached.get(pk=poet.pk)
    for undeclared in ({"slug__iexact": "basho"}, {"last": "Basho"}):
        with pytest.raises(UndeclaredLookup):
            Poet.cached.get(**undeclared)
    with pytest.raises(UndeclaredLookup):
        Poem.cached.get(poet=poem.poet)


def test_f_arguments_and_tables_work(poet: Poet) -> None:
    Poem.objects.create(poet=poet, title="frog", lines=3)
    assert (poet.longest(2), poet.longest(at_most=3), poet.longest()) == (None, "frog", "frog")
    Country.objects.create(code="NL", name="Netherlands")
    assert Country.cached.get(code="NL") == Country.cached.all()[0]


def test_g_none_and_not_found_are_answers_that_are_kept(poet: Poet) -> None:
    for _ in range(2):
        assert poet.longest() is None
        with pytest.raises(Poet.DoesNotExist):
            Poet.cached.get(slug="nobody")
    assert Poet.computed == ["longest"]
    with reads(store=1), pytest.raises(Poet.DoesNotExist):
        Poet.cached.get(slug="nobody")
    Poet.objects.create(slug="nobody")
    drain()
    assert Poet.cached.get(slug="nobody").slug == "nobody"


def test_h_models_of_the_same_name_do_not_collide(poet: Poet) -> None:
    models.Publisher.objects.create(pk=1, name="ours")
    CatalogPublisher.objects.create(pk=1, name="theirs")
    drain()
    assert models.Publisher.cached.get(pk=1).name == "ours"
    assert CatalogPublisher.cached.get(pk=1).name == "theirs"


def test_i_a_bug_in_an_auto_published_method_shows(
    poet: Poet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Poem, "broken", True)
    poem = Poem.objects.create(poet=poet, title="frog")
    assert drain().failed == 1
    with pytest.raises(TypeError, match="a bug"):
        poem.by()


def test_j_what_is_published_is_what_the_database_holds(poet: Poet) -> None:
    poet.first, poet.last = "unsaved", "saved"
    poet.save(update_fields=["last"])
    drain()
    found = Poet.cached.get(slug="basho")
    assert (found.first, found.last) == ("Matsuo", "saved")
    poem = Poem.objects.create(poet=poet, title="frog", lines=3)
    poem.lines = F("lines") + 1
    poem.title = Concat(F("title"), Value("s"))
    poem.save()
    deferred = Poem.objects.only("lines").get()
    deferred.lines += 1
    deferred.save()
    drain()
    kept = Poem.cached.get(pk=poem.pk)
    assert (kept.lines, kept.title) == (5, "frogs")


def test_k_a_parents_counter_follows_a_childs_delete(poet: Poet) -> None:
    poem = Poem.objects.create(poet=poet, title="frog")
    drain()
    assert poet.num_poems() == 1
    poem.delete()
    drain()
    assert poet.num_poems() == 0


def test_l_a_save_computes_nothing_and_nobody_recurs(poet: Poet) -> None:
    """Poems and poets are computed from each other; the listener does it, once each."""
    poem = Poem.objects.create(poet=poet, title="frog")
    poet.save()
    assert Poet.computed == []
    drain()
    assert Poet.computed == ["num_poems"]
    poet.last = "B."
    poet.save()
    drain()
    assert drain().changes == 0
    assert poem.by() == "frog, by B., who wrote 1"


def test_m_many_are_one_round_trip_and_the_last_commit_wins(poet: Poet) -> None:
    others = Poet.objects.bulk_create([Poet(slug=f"p{n}") for n in range(9)])
    drain()
    with reads(store=1):
        assert len(Poet.cached.in_bulk([one.pk for one in others])) == 9
    with another_session(autocommit=False) as first:  # writes first, and commits last
        first.execute("UPDATE relations_poet SET first = 'first' WHERE slug = 'basho'")
        with another_session() as second:
            second.execute("UPDATE relations_poet SET last = 'second' WHERE slug = 'p1'")
        drain()
        first.commit()
    drain()
    assert Poet.cached.get(slug="basho").first == "first"
    assert Poet.cached.get(slug="p1").last == "second"
    assert_fresh()


def test_n_a_save_looks_at_no_attribute(poet: Poet) -> None:
    with pytest.raises(RuntimeError, match="looked at"):
        poet.dangerous  # noqa: B018
    poet.save()
    drain()
    Poet.cached.get(slug="basho").save()


def test_o_a_herd_computes_once(poet: Poet) -> None:
    gate = threading.Barrier(4)

    def read() -> Any:
        own = Poet.objects.get(slug="basho")
        gate.wait(10)
        return own.longest(50)

    sessions = [Session(read) for _ in range(4)]
    assert [one.result() for one in sessions] == [None] * 4
    assert Poet.computed == ["longest"]
    connection.close()
