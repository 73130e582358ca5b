"""Settings: typed, read when used, and every mistake is named."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import override_settings

from kck_publish.conf import problems, settings
from kck_publish.conf_defaults import Settings
from kck_publish.exceptions import ConfigurationError
from kck_publish.retry_policy import Retry

NAME = "KCK_PUBLISH"  # by name: the project under test need not have it


def given(**values: Any) -> override_settings:
    return override_settings(KCK_PUBLISH=values)


def test_defaults() -> None:
    with given():
        assert problems() == []
        for name in dir(settings):
            assert getattr(settings, name) == getattr(Settings(), name)
        assert (settings.STORE, settings.SHARDS, settings.POLL_INTERVAL) == ("postgres", 1, 5.0)


def test_works_without_the_setting() -> None:
    with given():
        delattr(django_settings, NAME)
        assert settings.STORE == "postgres"
        assert problems() == []


def test_follows_overrides_and_changes_in_place() -> None:
    with given(SHARDS=2):
        assert settings.SHARDS == 2
        with given(SHARDS=3):
            assert settings.SHARDS == 3
        assert settings.SHARDS == 2
        getattr(django_settings, NAME)["SHARDS"] = 4
        assert settings.SHARDS == 4


def test_a_former_name_is_read() -> None:
    with given(LISTEN_DSN="past_the_pooler"):
        assert settings.DIRECT == "past_the_pooler"
        assert problems() == []
    with given(LISTEN_DSN="a", DIRECT="b"):
        assert "former name of 'DIRECT'" in problems()[0]


def test_durations_are_taken_as_timedelta_or_seconds() -> None:
    with given(POLL_INTERVAL=timedelta(seconds=2), LINGER=1, RETENTION=90):
        assert (settings.POLL_INTERVAL, settings.LINGER) == (2.0, 1.0)
        assert timedelta(seconds=90) == settings.RETENTION
        assert problems() == []


def test_retry_is_made_of_its_arguments() -> None:
    with given(RETRY={"max_retries": 3}):
        assert Retry(max_retries=3) == settings.RETRY
    with given(RETRY=Retry(max_retries=4)):
        assert Retry(max_retries=4) == settings.RETRY
    with given(RETRY={"delay": 3}):
        assert any("delay takes a timedelta" in one for one in problems())


def test_paths() -> None:
    with given(NEAR=Path("/tmp/near")):
        assert settings.NEAR == "/tmp/near"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("STORE", "redis", '"postgres" or "cache:<alias>"'),
        ("STORE", "cache:", '"postgres" or "cache:<alias>"'),
        ("STORE", None, '"postgres" or "cache:<alias>"'),
        ("NEAR", 5, "None or a path"),
        ("KAFKA", "kafka1:9092", "a mapping of librdkafka's names, not this str"),
        ("KAFKA", {"consumer": 5}, "a mapping with a mapping under 'consumer', not this dict"),
        ("KAFKA", {"x": {}}, "mappings under consumer, producer"),
        ("NEAR", "/" + "x" * 90, "at most 90 bytes"),
        ("NEAR_SIZE", 1000, "at least a mebibyte"),
        ("NEAR_LEASE", 0.01, "a tenth of a second"),
        ("NEAR", b"/tmp", "None or a path"),
        ("ENABLED", 1, "True or False"),
        ("STRICT", "yes", "None or True or False"),
        ("SHARDS", 0, "at least 1"),
        ("SHARDS", True, "at least 1"),
        ("SHARDS", "2", "at least 1"),
        ("RETRY", 3, "None or a mapping"),
        ("RETRY", {"retries": 3}, "not 'retries'"),
        ("MAX_BATCH", 1.5, "at least 1"),
        ("POLL_INTERVAL", 0, "longer than zero"),
        ("POLL_INTERVAL", timedelta(-1), "longer than zero"),
        ("POLL_INTERVAL", "5", "a timedelta or a number of seconds"),
        ("POOLER", "statement", 'None or "transaction" or "session"'),
        ("DIRECT", "", "None or a non-empty string"),
        ("RETENTION", float("nan"), "longer than zero"),
        ("RETENTION", 1e300, "shorter than a billion days"),
        ("LINGER", float("inf"), "finite"),
        ("AWAKE_POLL", False, "a timedelta or a number"),
        ("DATABASE", "", "a non-empty string"),
        ("BEFORE_BATCH", ["asyncio.sleep"], "not async: nobody awaits them"),
        ("MAX_VALUE_BYTES", 0, "None or an integer of at least 1"),
    ],
)
def test_a_wrong_value_is_named_by_the_check_and_where_it_is_used(
    name: str, value: object, says: str
) -> None:
    with given(**{name: value}):
        [problem] = problems()
        assert problem.startswith(f"KCK_PUBLISH['{name}'] must be ")
        assert says in problem
        with pytest.raises(ConfigurationError) as caught:
            getattr(settings, name)
        assert str(caught.value) == problem


def test_unknown_keys_are_named_with_a_suggestion() -> None:
    with given(SHARD=2, shards=3, COLOUR="red"):
        first, second, third = problems()
        assert "'SHARD'. Did you mean 'SHARDS'?" in first
        assert "'shards'. Did you mean 'SHARDS'?" in second
        assert "'COLOUR'. Known: ABSENCES, ABSENT_FOR, " in third
        assert settings.SHARDS == 1


def test_aliases_must_exist() -> None:
    with given(STORE="cache:nowhere", DATABASE="elsewhere"):
        store, database = problems()
        assert "the cache 'nowhere'; CACHES has: default" in store
        assert "'elsewhere'; DATABASES has: default" in database
    with given(STORE="cache:default"):
        assert problems() == []


def test_anything_but_a_dict_is_one_problem() -> None:
    with override_settings(KCK_PUBLISH=["SHARDS"]):
        assert problems() == ["KCK_PUBLISH must be a dict, not list."]
        with pytest.raises(ConfigurationError, match="must be a dict"):
            _ = settings.SHARDS


def test_settings_are_not_set_here() -> None:
    with pytest.raises(AttributeError, match="override_settings"):
        settings.SHARDS = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="NO_SUCH"):
        _ = settings.NO_SUCH  # type: ignore[attr-defined]
