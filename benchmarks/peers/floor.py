"""The floor: an LMDB file of the host, and a dict of this process; what a machine can do at all.

LMDB: one get in a read transaction of its own, decoding, and the cheapest way to an instance. The
dict holds pickled instances, so that each reader gets one of its own, and bytes as they are.
"""

from __future__ import annotations

import atexit
import pickle
import shutil
import tempfile

import orjson

from benchmarks.models import Book
from benchmarks.peers import BYTES, DECODED, HUNDRED, LMDB, MANY, ONE, PAGE, PKS, Contestants, some
from benchmarks.peers.rows import dump, load, stored
from benchmarks.primers import AuthorPage

DICT = "floor: a dict, pickled"


def contestants() -> Contestants:
    """What is measured."""
    import lmdb

    folder = tempfile.mkdtemp(prefix="kck-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    env = lmdb.open(folder, map_size=64 * 1024 * 1024)
    page = AuthorPage().compute(author=PAGE)
    text, wanted, pk, many = orjson.dumps(page), {*PKS, *HUNDRED}, some(), _names(HUNDRED)
    with env.begin(write=True) as writing:
        for key, row in stored(wanted).items():
            writing.put(b"book/%d" % key, dump(row))
        writing.put(b"page", text)
    own = {b"book/%d" % key: pickle.dumps(row) for key, row in Book.objects.in_bulk(wanted).items()}
    pages, pickled = {b"page": text}, pickle.dumps(page)

    def hundred() -> list[Book]:
        get = env.begin().get
        return [load(get(key) or b"") for key in many]

    return {
        ONE: {
            LMDB: lambda: load(env.begin().get(b"book/%d" % pk()) or b""),
            DICT: lambda: pickle.loads(own[b"book/%d" % pk()]),  # ours, made above
        },
        MANY: {LMDB: hundred, DICT: lambda: [pickle.loads(own[key]) for key in many]},
        BYTES: {LMDB: lambda: env.begin().get(b"page"), DICT: lambda: pages[b"page"]},
        DECODED: {
            LMDB: lambda: orjson.loads(env.begin().get(b"page") or b""),
            DICT: lambda: pickle.loads(pickled),
        },
    }


def _names(pks: list[int]) -> list[bytes]:
    return [b"book/%d" % pk for pk in pks]
