"""The log in the near store's file: what was written since, or that this is not known any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kck_publish.stores import Address, Stored
from kck_publish.stores.near import open_files
from kck_publish.stores.near.change_log import PART, RECORDS, FollowedLog
from kck_publish.stores.near.format import Lease, clock, pack, unpack
from kck_publish.stores.near.reader import reader
from kck_publish.stores.near.writer import NearFile
from kck_publish.stores.types import LISTENER

SIZE = 4 * 2**20
FP = "0123456789abcdef"


def entry(key: str, row: int = 0) -> Stored:
    return Stored(Address(key, FP), b"1", None, "5:5:", LISTENER, version=7, row=row)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[NearFile]:
    path = str(tmp_path / "near")
    file = NearFile(path, SIZE)
    trust(file)
    yield file
    file.close()
    open_files.readers.pop(path).close()


def trust(file: NearFile) -> None:
    file.put((), lease=Lease(clock() + 60, clock(), 0.0))


@pytest.fixture
def log(file: NearFile) -> FollowedLog:
    """One that has looked."""
    log = FollowedLog(reader(file.path))
    file.put((), changed=["a/0"])
    assert keys(log) is None
    assert keys(log) == []
    return log


def keys(log: FollowedLog) -> list[str] | None:
    changes = log.look()
    assert changes is not None
    return changes.keys


def test_each_look_tells_what_was_written_since(file: NearFile, log: FollowedLog) -> None:
    file.put([entry("a/1")], changed=["a/1", "a/2"], at=5.0)
    file.put((), changed=["a/3", "a/1"], at=6.0)
    changes = log.look()
    assert changes is not None
    assert (changes.at, set(changes.keys or ())) == (6.0, {"a/1", "a/2", "a/3"})
    assert keys(log) == []
    file.put([entry("a/4")], at=7.0)  # asked for, and not written
    changes = log.look()
    assert changes is not None
    assert (changes.at, changes.keys) == (7.0, [])


def test_what_is_forgotten_may_be_anything(file: NearFile, log: FollowedLog) -> None:
    file.put((), changed=["a/0"])
    assert keys(log) is not None
    for number in range(RECORDS + 2):
        file.put((), changed=[f"a/{number}"])
    assert keys(log) is None
    file.put((), changed=["a/1"])
    assert keys(log) == ["a/1"]
    file.put((), changed=["x" * (SIZE // PART)])  # larger than the log
    assert keys(log) is None
    assert keys(log) == []


def test_an_empty_file_and_another_file_may_have_missed_anything(
    file: NearFile, log: FollowedLog
) -> None:
    file.put((), changed=["a/1"])
    file.clear(replace(file.owner, done="6:6:"))
    trust(file)
    assert keys(log) is None
    file.rebuild(keep=False)
    trust(file)
    file.put((), changed=["a/1"])
    assert keys(log) is None
    file.put((), changed=["a/2"])
    assert keys(log) == ["a/2"]


def test_an_entry_has_the_version_of_its_row() -> None:
    for body in (b"1", None):
        one = entry("a/1", row=2**52)._replace(body=body)
        found = unpack("a/1", FP, *pack(one))
        assert found is not None
        assert (found.row, found.version, found.body) == (2**52, 7, body)
