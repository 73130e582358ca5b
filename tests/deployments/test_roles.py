"""Three roles with the grants of docs/deployments.md: all goes with them, and each is named."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from kck_publish.diagnosis.grants import LISTENER as LISTENER_GRANTS
from kck_publish.diagnosis.grants import SEQUENCE
from kck_publish.diagnosis.grants import WEB as WEB_GRANTS
from kck_publish.diagnosis.registry import diagnose, errors
from kck_publish.log.consumers import NEAR, register
from kck_publish.stores.row_versions import advance_versions
from kck_publish.testing import assert_fresh
from tests.acceptance.test_listener_process import Process
from tests.catalog.fixtures import sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.deployments import role_work
from tests.deployments.roles import GRANTS, LISTENER, OWNER, WEB, Shop, django_as, shop
from tests.faults.conftest import VERSION, listening  # noqa: F401 - a fixture

pytestmark = pytest.mark.long

GRID = {
    (role, name, right)
    for role, grants in ((WEB, WEB_GRANTS), (LISTENER, LISTENER_GRANTS))
    for name, rights in {**grants, SEQUENCE: "USAGE"}.items()
    for right in rights.split(", ")
}


@pytest.fixture(scope="module")
def made(django_db_setup: None) -> Iterator[Shop]:
    """The database ``shop``, on a server of its own."""
    with shop() as made:
        yield made


@pytest.fixture(autouse=True)
def emptied(made: Shop, django_db_blocker: Any) -> Iterator[None]:
    """What a test before has left is taken away; the sources' files are others than were known."""
    with django_db_blocker.unblock():
        with django_as(made, OWNER):
            sql("TRUNCATE catalog_item, catalog_author CASCADE")
            kept = {"kck_publish_layout", "kck_publish_shard"}  # begun by the migrations
            ours = ", ".join(sorted(set(LISTENER_GRANTS) - kept))
            sql(f"TRUNCATE {ours} CASCADE")
        yield


@contextlib.contextmanager
def without(made: Shop, role: str, name: str, right: str) -> Iterator[None]:
    """A role lacks one grant."""
    where = f"SEQUENCE {name}" if name == SEQUENCE else name
    made.run(f"REVOKE {right} ON {where} FROM {role}")
    try:
        yield
    finally:
        made.run(GRANTS)


def test_the_page_grants_what_the_check_asks_for(made: Shop) -> None:
    """Exactly that: nothing more on the library's tables."""
    query = (
        "SELECT grantee::text, table_name::text, privilege_type::text "
        "FROM information_schema.role_table_grants "
        "WHERE table_name LIKE 'kck\\_publish\\_%%' AND grantee = ANY (%s)"
    )
    with django_as(made, OWNER):
        granted = set(sql(query, [WEB, LISTENER]))
    assert granted == {grant for grant in GRID if grant[1] != SEQUENCE}


def test_the_grant_that_the_log_names_is_enough_for_versions_after_a_restore(made: Shop) -> None:
    grant = f"UPDATE ON SEQUENCE {SEQUENCE}"
    with django_as(made, OWNER):
        sql(f"SELECT setval('{SEQUENCE}', 1)")  # a dump of long ago is restored
    for first in (f"REVOKE {grant} FROM {LISTENER}", f"GRANT {grant} TO {LISTENER}"):
        with django_as(made, OWNER):
            sql(first)
        with django_as(made, LISTENER), connection.cursor() as cursor:
            advance_versions(cursor)
            cursor.execute(f"SELECT nextval('{SEQUENCE}')")
            is_ahead = cursor.fetchone()[0] > 10**15
        assert is_ahead is first.startswith("GRANT")
    with django_as(made, OWNER):
        sql(f"REVOKE {grant} FROM {LISTENER}")


def test_all_that_processes_do(
    made: Shop,
    listening: Callable[..., Process],  # noqa: F811
    wait_until: Callable[..., object],
) -> None:
    """A listener and web processes of roles that own nothing are refused nothing."""
    with made.denied() as denied, role_work.more_products():
        with django_as(made, WEB):
            for step in role_work.web_steps()[:-1]:
                step()
        with django_as(made, LISTENER):
            for step in role_work.listener_steps():
                step()
        listener = listening(made.dsn(LISTENER)).wait_ready()
        with django_as(made, WEB):
            role_work.ends()
            role_work.writes()
            ItemTotal.cached.get(group=1)
            Item.objects.update(amount=9)
            wait_until(lambda: (entry := stored("item_total/1")) and b":9" in (entry.body or b""))
            assert_fresh("item_total")
            assert diagnose("grants", "default") == []
        with django_as(made, OWNER):  # the near store of a step ended without a word: W010, in time
            sql("DELETE FROM kck_publish_consumer WHERE kind = 'near'")
        for role in (WEB, LISTENER):
            for command in ("kck_status", "kck_doctor", "kck_verify"):
                done = made.manage(role, command)
                assert done.returncode == 0, (role, command, done.stdout, done.stderr)
        assert listener.end() == 0, listener.lines
    assert denied == set()


def test_a_role_that_only_writes_a_source_needs_no_grant_of_ours(made: Shop) -> None:
    """Whatever program it is: the triggers run with their owner's rights."""
    made.run("CREATE ROLE importer LOGIN", role="postgres")
    made.run("GRANT INSERT ON catalog_item TO importer")
    with made.denied() as denied:
        made.run(
            "INSERT INTO catalog_item (name, \"group\", amount) VALUES ('a', 1, 5)", role="importer"
        )
    with django_as(made, WEB):
        assert sql("SELECT op FROM kck_publish_change WHERE source = 'catalog_item'") == [
            ("insert",)
        ]
    assert denied == set()


def test_roles_whose_sessions_are_ended_soon(
    made: Shop,
    listening: Callable[..., Process],  # noqa: F811
    wait_until: Callable[..., object],
) -> None:
    """Timeouts of a role are for clients that forget to commit: the listener outlives them."""
    limits = ["idle_in_transaction_session_timeout", "idle_session_timeout"]
    if VERSION >= 17:
        limits.append("transaction_timeout")
    for role in (WEB, LISTENER):
        for limit in limits:
            made.run(f"ALTER ROLE {role} SET {limit} = '400ms'", role="postgres")
        made.run(f"ALTER ROLE {role} SET lock_timeout = '200ms'", role="postgres")
    try:
        listener = listening(made.dsn(LISTENER)).wait_ready()
        with django_as(made, WEB):
            role_work.writes()
            assert ItemTotal.cached.get(group=1)["amount"] == 6
            is_asleep = "SELECT 1 FROM kck_publish_listener WHERE asleep AND seen_at < now()"
            wait_until(lambda: sql(f"{is_asleep} - interval '0.6 s'"))  # it outlives a limit
            connection.close()
            Item.objects.update(amount=9)
            wait_until(lambda: (entry := stored("item_total/1")) and b":9" in (entry.body or b""))
        assert listener.end() == 0, listener.lines
        assert "again" not in "".join(listener.lines)
    finally:
        for role in (WEB, LISTENER):
            for limit in (*limits, "lock_timeout"):
                made.run(f"ALTER ROLE {role} RESET {limit}", role="postgres")


def test_a_role_whose_statements_are_ended_is_named(made: Shop) -> None:
    made.run(f"ALTER ROLE {LISTENER} SET statement_timeout = '5s'", role="postgres")
    try:
        with django_as(made, LISTENER):
            (problem,) = diagnose("timeouts", "default")
            assert problem.id == "W014"
            assert "statement_timeout is 5 s for this role" in problem.message
    finally:
        made.run(f"ALTER ROLE {LISTENER} RESET statement_timeout", role="postgres")


@pytest.mark.parametrize(("role", "name", "right"), sorted(GRID))
def test_a_grant_that_is_missing_is_named_with_its_cure(
    role: str, name: str, right: str, made: Shop, settings: Any
) -> None:
    if role == LISTENER:  # as in the environment of its processes
        settings.KCK_PUBLISH = {"DIRECT": "default"}
    with django_as(made, role):
        assert errors("default") == []
        with without(made, role, name, right):
            problem = diagnose("grants", "default")[-1]
            assert problem.id == "E035"
            assert f"The role {role} lacks {right} on {name}" in problem.message
            assert problem in errors("default")
            (command,) = re.findall(r"GRANT .*;", problem.cure)
            made.run(command)
            assert diagnose("grants", "default") == []


def test_a_listener_does_not_start_without_a_grant(
    made: Shop,
    listening: Callable[..., Process],  # noqa: F811
) -> None:
    with without(made, LISTENER, "kck_publish_shard", "UPDATE"):
        listener = listening(made.dsn(LISTENER), "--once")
        assert listener.wait() == 1
    said = "".join(listener.lines)
    assert "E035) The role shop_listener lacks UPDATE on kck_publish_shard" in said
    assert "GRANT UPDATE ON kck_publish_shard" in said
    assert "Traceback" not in said


# After a failover with the values in a cache: tests/faults/test_failover.py.
SELDOM = {(LISTENER, "kck_publish_generation", "UPDATE")}


@pytest.mark.parametrize(("role", "name", "right"), sorted(GRID - SELDOM))
def test_each_grant_is_needed(role: str, name: str, right: str, made: Shop) -> None:
    """Without it, something of what the role's processes do is refused by the server."""
    with role_work.more_products():
        with django_as(made, OWNER), connection.cursor() as cursor:
            register(cursor, "elsewhere", NEAR)  # a near store of another host, which status shows
        if role == LISTENER:
            with django_as(made, WEB):
                role_work.writes()
                role_work.reads()
        with without(made, role, name, right), made.denied() as denied, django_as(made, role):
            steps = role_work.web_steps() if role == WEB else role_work.listener_steps()
            for step in steps:
                with contextlib.suppress(Exception):
                    step()
        assert name in denied


def test_policies_that_begin_to_hide_rows_end_a_listener(
    made: Shop,
    listening: Callable[..., Process],  # noqa: F811
    wait_until: Callable[..., object],
) -> None:
    """It would take them for deleted. What it has made of it until then is made anew."""
    secured = "ALTER TABLE catalog_item {} ROW LEVEL SECURITY"
    listener = listening(made.dsn(LISTENER)).wait_ready()
    with django_as(made, WEB):
        role_work.writes()
        right = ItemTotal.cached.get(group=1)
        wait_until(lambda: stored("item_total/1"))
    try:
        made.run(secured.format("ENABLE"))
        with django_as(made, OWNER):
            sql("UPDATE kck_publish_entry SET body = '{}' WHERE key = 'item_total/1'")
        assert listener.wait() == 1
        assert any("kck_publish.E038" in line and LISTENER in line for line in listener.lines)
    finally:
        made.run(secured.format("DISABLE"))
    assert listening(made.dsn(LISTENER)).wait_ready()
    with django_as(made, WEB):
        wait_until(lambda: ItemTotal.cached.get(group=1) == right)
