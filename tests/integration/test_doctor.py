"""``kck_doctor``: everything that a deployment can have wrong, and what to do about it."""

from __future__ import annotations

import io
import json
import os
import re
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from kck_publish import Cache, Depends
from kck_publish.diagnosis.registry import Asks, diagnose, diagnoses
from kck_publish.listener.near_follower import NearFollower
from kck_publish.listener.near_loop import following
from kck_publish.products import registry
from tests.acceptance.test_listener_process import Process
from tests.catalog.fixtures import drain, sql
from tests.catalog.models import Book, Item
from tests.integration.test_diagnosis import is_of_the_zoo
from tests.integration.test_linting import _product

pytestmark = pytest.mark.django_db(transaction=True)


def doctor(*arguments: str) -> tuple[str, int]:
    """What it prints, and its exit status."""
    out = io.StringIO()
    try:
        call_command("kck_doctor", *arguments, stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(str(end.code))
    return out.getvalue(), 0


@pytest.fixture
def without_zoo(settings: Any) -> None:
    """What models that are there to be warned of are warned of is silenced."""
    found = [
        problem
        for diagnosis in diagnoses().values()
        if diagnosis.asks is not Asks.RUNNING
        for problem in diagnosis.problems("default")
    ]
    zoo = {f"kck_publish.{problem.id}" for problem in found if is_of_the_zoo(problem)}
    settings.SILENCED_SYSTEM_CHECKS = [*settings.SILENCED_SYSTEM_CHECKS, *sorted(zoo)]


@pytest.mark.usefixtures("without_zoo")
def test_nothing_is_to_be_done_where_a_listener_runs(process_environment: dict[str, str]) -> None:
    process = Process(process_environment).wait_ready()
    try:
        out, code = doctor()
        assert code == 0, out
        assert {line.split()[0] for line in out.splitlines()} == {"ok"}
        report = json.loads(doctor("--json")[0])
        assert all(subject["ok"] for subject in report)
        assert {"settings", "triggers", "followers", "version"} <= {
            subject["subject"] for subject in report
        }
    finally:
        assert process.end() == 0


def test_what_is_wrong_is_named_with_what_to_do(settings: Any) -> None:
    settings.KCK_PUBLISH = {"SHARDS": 0}
    out, code = doctor()
    assert code == 1
    assert "fix  settings" in out
    assert "No listener is running" in out
    assert "manage.py kck_listen" in out
    report = {one["subject"]: one for one in json.loads(doctor("--json")[0])}
    assert report["settings"]["problems"][0]["id"] == "E001"
    assert report["replicas"] == {"subject": "replicas", "ok": True, "problems": []}


def test_what_is_silenced_is_passed_over(settings: Any) -> None:
    settings.SILENCED_SYSTEM_CHECKS = ["kck_publish.W011"]
    assert "W011" not in doctor()[0]


def test_a_database_that_cannot_be_looked_at_is_a_problem_of_each_subject(settings: Any) -> None:
    settings.KCK_PUBLISH = {"DATABASE": "nowhere"}
    out, code = doctor()
    assert (code, out.count("fix")) == (1, 1)
    assert "DATABASE" in out


def test_what_fails_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    out, code = doctor()
    connection.close()
    assert code == 1
    # ConnectionTimeout: a machine that does not refuse at once
    assert re.search(r"could not be looked at \((ConnectionTimeout|OperationalError)\b", out)
    assert "ok   declarations" in out


def test_a_role_whose_statements_are_ended(settings: Any) -> None:
    assert diagnose("timeouts", "default") == []
    sql("SET statement_timeout = '5s'")
    try:
        (problem,) = diagnose("timeouts", "default")
        assert "statement_timeout is 5 s" in problem.message
        settings.KCK_PUBLISH = {"TIME_LIMIT": timedelta(seconds=2)}
        assert diagnose("timeouts", "default") == []
    finally:
        sql("RESET statement_timeout")


def test_clocks_that_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert diagnose("clock", "default") == []
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 60)
    (problem,) = diagnose("clock", "default")
    assert "60 s apart" in problem.message


def test_a_store_that_no_two_processes_share(settings: Any) -> None:
    assert diagnose("shared store", "default") == []
    settings.KCK_PUBLISH = {"STORE": "cache:default"}
    (problem,) = diagnose("shared store", "default")
    assert "no two processes share" in problem.message
    assert diagnose("store", "default") == []


def test_a_store_that_does_not_answer(settings: Any) -> None:
    settings.KCK_PUBLISH = {"STORE": "cache:away"}
    settings.CACHES = settings.CACHES | {
        "away": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1",
        }
    }
    (problem,) = diagnose("store", "default")
    assert "cannot be reached (ConnectionError)" in problem.message


def test_reads_that_are_not_declared_are_seen_in_a_sample_of_stored_keys() -> None:
    """Columns and tables, without DEBUG and STRICT; nothing is kept of it."""
    named = [Depends(Item, n="group", columns=["amount"])]
    _product("sampled", lambda n: Item.objects.filter(group=n, name="a").count(), *named)
    _product("sampled_too", lambda n: Book.objects.count(), Depends(Item, n="group"))
    try:
        for key in ("sampled/1", "sampled_too/1", "item_names/1"):
            Cache.get_instance().get(key)
        drain()
        before = sql("SELECT key, version, stamp::text FROM kck_publish_entry")
        first, second = diagnose("undeclared reads", "default")
        assert "(sampled) reads catalog_item.name without" in first.message
        assert "(sampled_too) reads catalog_book without" in second.message
        assert sql("SELECT key, version, stamp::text FROM kck_publish_entry") == before
    finally:
        registry.unregister("sampled")
        registry.unregister("sampled_too")


def test_a_near_file_that_others_may_have_planted(tmp_path: Path, settings: Any) -> None:
    settings.KCK_PUBLISH = {"NEAR": str(tmp_path / "near")}
    assert diagnose("near file", "default") == []
    with following(NearFollower("default")):
        pass
    assert diagnose("near file", "default") == []
    (tmp_path / "near").chmod(0o666)
    (problem,) = diagnose("near file", "default")
    assert problem.id == "W037"
    assert "may be written by others" in problem.message
    if os.geteuid() == 0:
        (tmp_path / "near").chmod(0o600)
        os.chown(tmp_path / "near", 1, 1)
        (problem,) = diagnose("near file", "default")
        assert "belongs to user 1" in problem.message


def test_a_near_store_that_nobody_follows(tmp_path: Path, settings: Any, wait_until: Any) -> None:
    assert diagnose("near follower", "default") == []
    settings.KCK_PUBLISH = {"NEAR": str(tmp_path / "near")}
    (problem,) = diagnose("near follower", "default")
    assert "No process follows" in problem.message
    with following(NearFollower("default")):
        wait_until(lambda: diagnose("near follower", "default") == [])
