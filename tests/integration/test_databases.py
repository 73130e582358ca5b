"""Routers and several databases: one holds sources, log and store; what instances say of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connections, router

from kck_publish.conf import settings as ours
from kck_publish.conf import working_in
from kck_publish.diagnosis.databases import computed_elsewhere
from kck_publish.diagnosis.registry import diagnose
from kck_publish.routing import PrimaryRouter
from tests.catalog.fixtures import stored
from tests.catalog.models import Item, Publisher
from tests.catalog.primers import ItemTotal
from tests.kinds.alike import differences

pytestmark = pytest.mark.django_db(transaction=True)


def listen() -> None:
    """``kck_listen --once``; domains and computes that ask a replica would fail."""
    call_command("kck_listen", "--once", verbosity=0)
    connections["default"].close()


class Replicas:
    """Reads go to a replica; the library's primes must not."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "replica"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"


class Apart:
    """Keeps one model in a database of its own."""

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "replica" if model is Publisher else None


@pytest.fixture
def replica() -> Iterator[None]:
    """A second alias; no connection is ever made to it."""
    connections.settings["replica"] = {**connections.settings["default"], "PORT": "1"}
    yield
    del connections.settings["replica"]


def test_reads_never_go_to_a_replica_and_say_what_objects_get_would(
    replica: None, settings: Any
) -> None:
    row = Publisher.objects.create(name="Ace")
    expected = Publisher.objects.get(pk=row.pk)
    settings.DATABASE_ROUTERS = [Replicas()]
    assert "W009" in {problem.id for problem in diagnose("replicas", "default")}
    settings.DATABASE_ROUTERS = [PrimaryRouter(), Replicas()]
    assert not diagnose("replicas", "default")
    primed = Publisher.cached.get(pk=row.pk)
    listen()
    served = Publisher.cached.get(name="Ace")
    assert stored(f"catalog.publisher/{row.pk}") is not None
    assert primed._state.db == served._state.db == router.db_for_read(Publisher) == "replica"
    expected._state.db = "replica"
    assert not differences(primed, expected)
    assert not differences(Publisher.cached.in_bulk([row.pk])[row.pk], expected)
    served.name = "Bee"
    served.save()
    listen()
    assert Publisher.cached.get(name="Bee") == row


def test_a_compute_reads_no_replica(replica: None, settings: Any) -> None:
    item = Item.objects.create(name="a", group=1, amount=5)
    settings.DATABASE_ROUTERS = [PrimaryRouter(), Replicas()]
    assert ItemTotal.cached.get(group=1)["amount"] == 5
    item.amount = 6
    item.save()
    listen()
    assert ItemTotal.cached.get(group=1)["amount"] == 6


def test_a_model_that_routers_keep_elsewhere_is_refused(replica: None, settings: Any) -> None:
    assert diagnose("sources elsewhere", "default") == []
    settings.DATABASE_ROUTERS = [Apart()]
    (found,) = diagnose("sources elsewhere", "default")
    assert (found.id, found.obj) == ("E008", Publisher)
    assert "catalog.Publisher is written in the database 'replica'" in found.message


def test_another_database_without_routers_is_refused(replica: None, settings: Any) -> None:
    """Computes, and writes, go to ``default`` there (B5)."""
    assert diagnose("sources elsewhere", "default") == []
    problems = diagnose("sources elsewhere", "replica")
    assert {problem.id for problem in problems} == {"E008"}
    assert "Without DATABASE_ROUTERS all models are in 'default'" in problems[0].cure
    settings.KCK_PUBLISH = {"DATABASE": "replica"}
    with pytest.raises(SystemCheckError, match="E008"):  # which asks nothing of the replica itself
        call_command("check", databases=["default"])


def test_a_listener_that_would_compute_from_another_database_is_refused(
    replica: None, settings: Any
) -> None:
    """It is told the database, and no router heeds that (B5)."""
    with pytest.raises(CommandError, match=r"Item in 'default'.*PrimaryRouter' first"):
        call_command("kck_listen", "--once", "--database", "replica")
    settings.DATABASE_ROUTERS = [PrimaryRouter()]
    with working_in("replica"):
        assert not computed_elsewhere("replica")
    settings.DATABASE_ROUTERS = [Replicas(), PrimaryRouter()]
    with pytest.raises(CommandError, match="in 'replica'"):
        call_command("kck_listen", "--once", "--database", "default")


def test_the_listener_works_in_the_database_it_is_told(replica: None) -> None:
    with working_in("replica"):
        assert ours.DATABASE == "replica"
        with working_in("default"):
            assert ours.DATABASE == "default"
    assert ours.DATABASE == "default"
    with pytest.raises(CommandError, match="no database 'nowhere'"):
        call_command("kck_listen", "--once", "--database", "nowhere")
    row = Publisher.objects.create(name="Ace")
    call_command("kck_listen", "--once", "--database", "default", verbosity=0)
    assert stored(f"catalog.publisher/{row.pk}") is not None
