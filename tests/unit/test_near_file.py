"""The near store's file: names, what makes way, and what becomes of a file that is not ours."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import lmdb
import pytest

from kck_publish.clock import now
from kck_publish.diagnosis.registry import diagnose
from kck_publish.exceptions import UntrustedNearFile
from kck_publish.reading.http import _tags_of, etag_of
from kck_publish.stores.near import open_files, reader_lease
from kck_publish.stores.near import reader as near_reader
from kck_publish.stores.near.format import (
    OWNER,
    Lease,
    body_name,
    clock,
    name_of,
    pack,
    read_owner,
    stem_of,
    write_owner,
)
from kck_publish.stores.near.hold_requests import Follower
from kck_publish.stores.near.writer import NearFile
from kck_publish.stores.types import LISTENER, Address, Stored

SIZE = 4 * 2**20
FP, OTHER = "0123456789abcdef", "fedcba9876543210"


def entry(key: str, body: bytes | None = b"1", fingerprint: str = FP, **more: object) -> Stored:
    found = Stored(Address(key, fingerprint), body, None, "5:5:", LISTENER)
    return found._replace(version=7, **more)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "near")


@pytest.fixture
def file(path: str) -> Iterator[NearFile]:
    file = NearFile(path, SIZE)
    yield file
    file.close()


def trusted(file: NearFile, seconds: float = 60) -> near_reader.NearReader:
    file.put((), lease=Lease(clock() + seconds, clock(), 0.0))
    return reader_of(file.path)


def reader_of(path: str) -> near_reader.NearReader:
    """One that has never looked."""
    if found := open_files.readers.pop(path, None):
        found.close()
    return near_reader.reader(path)


@pytest.mark.parametrize("key", ["a/1", "a/" + "x" * 490, "a/" + "x" * 5000, "a/" + "ü" * 300])
def test_names_of_any_length_are_told_apart_by_key_and_fingerprint(
    file: NearFile, key: str
) -> None:
    assert len(name_of(key, FP)) <= 510
    assert name_of(key, FP) == stem_of(key) + FP.encode()
    file.put([entry(key), entry(key, fingerprint=OTHER), entry(key + "x"), entry(key[:-1])])
    assert file.held([key]) == {key: [FP, OTHER]}
    file.put((), [(key, FP)])
    assert file.held([key]) == {key: [OTHER]}


@pytest.mark.parametrize("body", [b"", b"[1]", b"x" * 9000, None])
def test_an_entry_comes_back_as_it_was(file: NearFile, body: bytes | None) -> None:
    one = entry("a/1", body, behind=True, shape=b"s")
    file.put([one])
    found = trusted(file).get("a/1", FP)
    assert found is not None
    assert found == one._replace(primed_at=found.primed_at)


def test_a_body_is_a_record_of_its_own_only_while_nothing_else_is_to_be_known(
    file: NearFile,
) -> None:
    name = body_name(name_of("a/1", FP))
    reader = trusted(file)
    file.put([entry("a/1", b"[1]")])
    assert reader.read(name) == b"[1]"
    for judged in ({"behind": True}, {"shape": b"s"}, {"over": "p"}, {"hard_expire": now()}):
        file.put([entry("a/1", b"[2]", **judged)])
        assert reader.read(name) is None
        assert reader.get("a/1", FP) is not None
        file.put([entry("a/1", b"[3]")])
        assert reader.read(name) == b"[3]"
    file.put((), [("a/1", FP)])
    assert reader.read(name) is None
    assert reader.get("a/1", FP) is None


def test_an_entry_and_its_body_make_way_together(file: NearFile) -> None:
    reader = trusted(file)
    file.put([entry(f"a/{number}", b"x" * 3000) for number in range(20)])
    used = file.used
    with file._file.env.begin() as txn:
        file._usage.count(txn.cursor())
    assert file.used == used
    assert len(file) == 20
    file.shrink(used / 2)
    for number in range(20):
        body = reader.read(body_name(name_of(f"a/{number}", FP)))
        assert (body is None) == (reader.get(f"a/{number}", FP) is None), number


def test_absences_make_way_before_anything_else(file: NearFile, path: str) -> None:
    """A flood of keys that do not exist evicts nothing that is read from the near file (A5)."""
    useful = [f"a/{number}" for number in range(20)]
    file.put([entry(key, b"x" * 3000) for key in useful])
    for start in range(0, 10_000, 50):
        file.put([entry(f"no/{start + number:05}", None) for number in range(50)])
    assert sorted(file.held(useful)) == sorted(useful)
    assert len(file) > 100  # some of them are held, too
    with file._file.env.begin() as txn:
        file._usage.count(txn.cursor())
    file.shrink(file.used / 2)
    assert sorted(file.held(useful)) == sorted(useful)


def test_without_a_lease_nothing_is_read(file: NearFile) -> None:
    file.put([entry("a/1")])
    name = body_name(name_of("a/1", FP))
    for reader in (reader_of(file.path), trusted(file, -1)):
        assert reader.get("a/1", FP) is None
        assert reader.read(name) is None
        assert reader.read_many([name]) == [None]
        assert reader.read_entry(name) is None
    reader = trusted(file)
    assert reader.get("a/1", FP) is not None
    assert reader.read(name) == reader.read_many([name])[0] is not None
    assert reader.read_entry(name) == tuple(reader.read_many([name_of("a/1", FP), name]))
    assert reader.read_entry(body_name(name_of("a/2", FP))) is None


def test_one_process_follows(file: NearFile) -> None:
    with pytest.raises(BlockingIOError):
        NearFile(file.path, SIZE)


def test_what_is_read_least_makes_way(file: NearFile) -> None:
    hot = [entry(f"hot/{number}", b"x" * 3000) for number in range(20)]
    file.put(hot)
    for number in range(3000):
        file.put([entry(f"cold/{number}", b"x" * 3000)])
        if number % 50 == 0:
            assert all(file.holds(one.address.key, FP) for one in hot)  # is read
    assert file.used <= SIZE
    assert len(file) < 1000
    assert os.stat(file.path).st_size <= SIZE
    assert not file.holds("cold/0", FP)
    assert file.holds("cold/2999", FP)
    reader = trusted(file)
    assert reader.get("hot/1", FP) is not None
    assert reader.get("cold/0", FP) is None


def test_what_is_too_large_is_said_and_not_held(file: NearFile) -> None:
    file.put([entry("a/1")])
    assert file.put([entry("a/1", b"x" * SIZE)]) == [entry("a/1", b"x" * SIZE)]
    assert trusted(file).get("a/1", FP) is None


def test_it_goes_on_with_what_is_there_unless_the_size_differs(path: str) -> None:
    first = NearFile(path, SIZE)
    first.put([entry("a/1")], owner=replace(first.owner, done="5:5:"))
    used, owner = first.used, first.owner
    first.close()
    again = NearFile(path, SIZE)
    assert (again.used, again.owner, len(again)) == (used, owner, 1)
    again.close()
    other = NearFile(path, SIZE * 2)
    assert len(other) == 0
    assert other.owner.token != owner.token
    other.close()


def foreign(path: str) -> None:
    with lmdb.open(path, subdir=False) as env, env.begin(write=True) as txn:
        txn.put(b"theirs", b"1")


def text(path: str) -> None:
    Path(path).write_text("not a database " * 1000)


def short(path: str) -> None:
    file = NearFile(path, SIZE)
    file.put([entry(f"a/{number}", b"x" * 5000) for number in range(50)])
    file.close()
    os.truncate(path, 3 * 4096)


@pytest.mark.parametrize("make", [foreign, text, short])
def test_a_file_that_is_not_ours_or_damaged_is_set_aside(path: str, make: object) -> None:
    make(path)  # type: ignore[operator]
    assert reader_of(path).get("a/1", FP) is None
    file = NearFile(path, SIZE)
    file.put([entry("a/1")])
    assert trusted(file).get("a/1", FP) is not None
    file.close()
    assert [one for one in os.listdir(Path(path).parent) if ".bad-" in one]


def test_a_file_of_an_earlier_start_of_the_host_is_begun_anew(path: str) -> None:
    file = NearFile(path, SIZE)
    file.put([entry("a/1")], owner=replace(file.owner, boot="another"))
    assert trusted(file).get("a/1", FP) is None
    file.close()
    again = NearFile(path, SIZE)
    assert len(again) == 0
    again.close()


def test_another_format_is_not_read(file: NearFile) -> None:
    written = write_owner(file.owner)
    assert read_owner(written) == file.owner
    assert read_owner(written.replace(b'"format": 3', b'"format": 4')) is None
    for other in (None, b"", b"[]", b"{}", b"\0\1"):
        assert read_owner(other) is None
    assert OWNER.startswith(b"\0")


def test_readers_find_a_file_that_was_made_anew(file: NearFile) -> None:
    file.put([entry("a/1")])
    reader = trusted(file, 0.2)
    assert reader.get("a/1", FP) is not None
    file.rebuild(keep=False)
    file.put([entry("a/2")])
    file.put((), lease=Lease(clock() + 60, clock(), 0.0))
    while reader.get("a/2", FP) is None:
        pass
    assert reader.get("a/1", FP) is None


def test_nothing_is_shared_over_a_fork(path: str) -> None:
    file = NearFile(path, SIZE)
    file.put([entry("a/1")])
    file.put((), lease=Lease(clock() + 60, clock(), 0.0))
    file.close()
    reader = near_reader.reader(path)
    assert reader.get("a/1", FP) is not None

    def child() -> bool:
        opened = {os.path.realpath(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd")}
        mine = near_reader.reader(path)
        return path not in opened and mine is not reader and mine.get("a/1", FP) is not None

    assert in_a_child(child) == 0
    assert reader.get("a/1", FP) is not None
    reader.close()


def test_a_lease_of_an_earlier_look_does_not_count_once_it_was_said_that_nothing_is_read(
    file: NearFile,
) -> None:
    """Whoever was told so takes its own writes for copied: an older copy must not come back."""
    file.put([entry("a/1")], owner=replace(file.owner, done="5:5:"))
    reader = trusted(file, 0.01)
    assert not reader.includes("9:9:")
    before = clock()
    while clock() < before + 0.02:
        pass
    assert reader.includes("9:9:")  # nothing is read here
    file.put((), lease=Lease(clock() + 60, before, 0.0))  # by a follower that had stood still
    later = clock()
    while clock() < later + reader_lease.AGAIN * 2:
        assert reader.get("a/1", FP) is None
    file.put((), lease=Lease(clock() + 60, clock(), 0.0))
    while reader.get("a/1", FP) is None:
        pass
    assert not reader.includes("9:9:")


@pytest.mark.parametrize("seconds", [60, 0.1])
def test_who_asks_again_and_again_without_a_lease_sees_the_next_one(
    file: NearFile, seconds: float
) -> None:
    """A session that has written asks so; each lease is of before its last question."""
    file.put([entry("a/1")], owner=replace(file.owner, done="5:5:"))
    reader, said, deadline = trusted(file, 0.001), 0.0, clock() + 20
    while reader.read(name_of("a/1", FP)) is not None:
        pass
    while reader.read(name_of("a/1", FP)) is None:
        assert clock() < deadline, "the lease is never seen"
        at = clock()
        if reader.includes("9:9:"):  # nothing is read here
            said = clock()
        file.put((), lease=Lease(at + seconds, at, 0.0))
    assert 0 < said <= reader._lease.at
    assert not reader.includes("9:9:")


def test_that_nothing_is_read_is_not_said_under_a_lease(file: NearFile) -> None:
    """Not even where nobody can tell how far the copy goes: it is served."""
    file.put([entry("a/1")])
    reader = trusted(file)
    assert reader.get("a/1", FP) is not None
    with file._file.env.begin(write=True) as txn:
        txn.put(OWNER, b"damaged")
    assert reader.get("a/1", FP) is not None
    assert not reader.includes("9:9:")


def test_all_that_is_held_may_be_written_at_once(file: NearFile) -> None:
    """What is replaced cannot be used again in the same transaction."""
    some = [entry(f"a/{number}", b"x" * 3000) for number in range(550)]
    for _ in range(4):
        file.put(some)
        assert len(file) == 550
    assert file.held(["a/1", "a/549"]) == {"a/1": [FP], "a/549": [FP]}


def in_a_child(run: Callable[[], bool]) -> int:
    """The exit status of a forked process: 0 if that is true there."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if run() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_nobody_opens_it_while_the_process_forks(path: str) -> None:
    """Another thread goes on reading until the very moment."""
    file = NearFile(path, SIZE)
    file.put([entry("a/1")])
    file.put((), lease=Lease(clock() + 60, clock(), 0.0))
    file.close()
    reader = near_reader.reader(path)
    assert reader.get("a/1", FP) is not None
    open_files._before_fork()
    try:
        assert reader.get("a/1", FP) is None
    finally:
        open_files._after_fork()
    assert reader.get("a/1", FP) is not None
    reader.close()


def test_who_reads_a_file_that_was_cut_short_goes_on(path: str) -> None:
    """To read pages that are not there would end the process."""
    short(path)
    assert in_a_child(lambda: reader_of(path).get("a/1", FP) is None) == 0


def test_a_reader_that_opened_a_small_file_reads_on_as_it_grows(file: NearFile) -> None:
    file.put([entry("a/0")])
    reader, before = trusted(file), os.stat(file.path).st_size
    assert reader.get("a/0", FP) is not None
    for number in range(600):
        file.put([entry(f"a/{number}", b"x" * 3000)])
        assert reader.get(f"a/{number}", FP) is not None
    assert os.stat(file.path).st_size > 10 * before


def test_threads_read_while_it_is_written_closed_and_made_anew(file: NearFile) -> None:
    """None of them sees an error, or a value that was never there."""
    bodies = {b"x" * size for size in (10, 3000)}
    seen: set[bytes | None] = set()
    ended = threading.Event()
    trusted(file)

    def read() -> int:
        count = 0
        while not ended.is_set():
            held = near_reader.reader(file.path).get("a/1", FP)
            count += held is not None
            if held is not None:
                seen.add(held.body)
        return count

    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(read) for _ in range(4)]
        try:
            for number in range(300):
                if number % 50 == 49:
                    file.rebuild(keep=False)
                file.put([entry("a/1", b"x" * (10 if number % 2 else 3000))])
                file.put((), lease=Lease(clock() + 60, clock(), 0.0))
                time.sleep(0.002)
        finally:
            ended.set()
        assert all(one.result() for one in found)
    assert seen == bodies


def test_threads_that_ask_at_once_open_one_socket(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each further one would leak."""
    made: list[socket.socket] = []

    class Slow(socket.socket):
        def __init__(self, *arguments: int) -> None:
            super().__init__(*arguments)
            made.append(self)
            time.sleep(0)  # another thread's turn, before this socket is known

    monkeypatch.setattr(socket, "socket", Slow)
    for _ in range(20):
        follower = Follower(path)
        start = threading.Barrier(8)

        def ask(follower: Follower = follower, start: threading.Barrier = start) -> None:
            start.wait(20)
            follower.ask("a/1", FP)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        follower.close()
    assert len(made) == 20
    assert all(door.fileno() == -1 for door in made)


def test_the_tag_of_a_record_is_that_of_its_own_body() -> None:
    """What is known of one record is not said of another, of whatever key (F)."""

    def tag(key: str, version: int, body: bytes) -> str:
        made = entry(key, body)._replace(version=version, primed_at=now())
        rest, packed = pack(made)
        tags = _tags_of(rest, packed or b"")
        assert tags is not None
        return tags[0]

    assert tag("a/1", 101, b"1") == tag("b/1", 102, b"1") == etag_of(b"1")
    assert tag("a/1", 103, b"2") == etag_of(b"2")
    assert tag("b/1", 104, b"3") == etag_of(b"3")


root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
NOBODY = 65534


@root
@pytest.mark.parametrize("suffix", ["", "-lock"])
def test_another_users_file_is_not_read(
    path: str, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A file of another user of the host is not read: he could plant values (A4)."""
    file = NearFile(path, SIZE)
    file.put([entry("a/1", b"planted")], lease=Lease(clock() + 60, clock(), 0.0))
    file.close()
    assert reader_of(path).get("a/1", FP) is not None
    os.chown(path + suffix, NOBODY, NOBODY)
    assert reader_of(path).get("a/1", FP) is None
    assert f"belongs to user {NOBODY}" in caplog.text


@root
def test_another_users_file_is_not_written_but_set_aside(path: str) -> None:
    """The follower does not take over a file that another user has put there (A4)."""
    NearFile(path, SIZE).close()
    os.chown(path, NOBODY, NOBODY)
    planted = os.stat(path).st_ino
    file = NearFile(path, SIZE)
    assert os.stat(path).st_ino != planted
    assert os.stat(path).st_uid == os.geteuid()
    file.close()


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_is_not_read(path: str, mode: int) -> None:
    """Nor is a file that others may write (A4)."""
    file = NearFile(path, SIZE)
    file.put([entry("a/1")], lease=Lease(clock() + 60, clock(), 0.0))
    file.close()
    os.chmod(path, mode)
    assert reader_of(path).get("a/1", FP) is None


@pytest.mark.parametrize(("mode", "used"), [(0o777, False), (0o770, False), (0o1777, True)])
def test_a_folder_that_others_may_write(
    tmp_path: Path, settings: Any, mode: int, used: bool
) -> None:
    """In a folder where others may replace the file it is not used; a check says so (A4)."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    settings.KCK_PUBLISH = {"NEAR": str(folder / "near")}
    (problem,) = diagnose("near store", "default")
    assert problem.id == "W024"
    if used:
        NearFile(str(folder / "near"), SIZE).close()
    else:
        with pytest.raises(UntrustedNearFile, match="folder that others may write"):
            NearFile(str(folder / "near"), SIZE)
    folder.chmod(0o700)
    assert diagnose("near store", "default") == []


@pytest.mark.parametrize("suffix", ["", "-lock", "-follower", "-new"])
def test_no_link_is_followed(path: str, tmp_path: Path, suffix: str) -> None:
    """A link in the place of one of its files leads nowhere: what it points at stays (A4)."""
    target = tmp_path / "theirs"
    target.write_text("theirs")
    os.symlink(target, path + suffix)
    with suppress(OSError):
        NearFile(path, SIZE).close()
    assert target.read_text() == "theirs"
    assert reader_of(path).get("a/1", FP) is None


def test_the_name_that_a_file_is_made_under_cannot_be_known(path: str) -> None:
    """Who plants files under the temporary name is not waited for, nor what a kill left (A4)."""
    left = [f"{path}-new-{'0' * 32}", f"{path}-new-{'0' * 32}-lock"]
    for name in left:
        Path(name).write_text("left")
    made: list[str] = []
    real = lmdb.open

    def opens(name: str, **more: Any) -> Any:
        made.append(name)
        return real(name, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lmdb, "open", opens)
        for _ in range(2):
            file = NearFile(path, SIZE)
            file.rebuild(keep=False)
            file.close()
    temporary = [name for name in made if name != path]
    assert len(set(temporary)) == len(temporary) == 3
    assert not any(map(os.path.exists, [*temporary, *left]))


def test_a_file_that_was_short_for_a_moment_is_read(path: str) -> None:
    """LMDB may have counted pages in that no transaction has written yet."""
    file = NearFile(path, SIZE)
    at = clock()
    file.put([entry("a/1")], lease=Lease(at + 60, at, 0.0))
    file.close()
    whole = os.stat(path).st_size
    with open(path, "rb") as data:
        last = data.read()[-4096:]
    os.truncate(path, whole - 4096)

    def reads() -> bool:
        reader = reader_of(path)
        assert reader.get("a/1", FP) is None
        with open(path, "ab") as data:
            data.write(last)
        end = time.monotonic() + 20
        while reader.get("a/1", FP) is None and time.monotonic() < end:
            time.sleep(0.01)
        return reader.get("a/1", FP) is not None

    assert in_a_child(reads) == 0
