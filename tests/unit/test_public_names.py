"""What users import says the module that they import it from, and stays usable there."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import pickle
import subprocess
import sys
from importlib import import_module
from types import FunctionType
from typing import Any, get_type_hints

import pytest

import kck_publish
from kck_publish import MissingProduct, Retry, VersionMismatch, aggregates, exceptions

MODULES = [
    "kck_publish",
    "kck_publish.aggregates",
    "kck_publish.contrib.rest_framework",
    "kck_publish.request",
    "kck_publish.testing",
]
NAMES = [
    (module, name, getattr(import_module(module), name))
    for module in MODULES
    for name in import_module(module).__all__
    # Aggregates can be imported from either, and say that they are of their own.
    if module != "kck_publish" or not hasattr(aggregates, name)
]
DEFINED = [
    pytest.param(module, name, thing, id=f"{module}.{name}")
    for module, name, thing in NAMES
    if isinstance(thing, type | FunctionType)
]


@pytest.mark.parametrize(("module", "name", "thing"), DEFINED)
def test_a_public_name_says_its_public_module(module: str, name: str, thing: Any) -> None:
    assert f"{thing.__module__}.{thing.__qualname__}" == f"{module}.{name}"
    assert pickle.loads(pickle.dumps(thing)) is thing


@pytest.mark.parametrize(("module", "name", "thing"), DEFINED)
def test_its_type_hints_can_be_evaluated(module: str, name: str, thing: Any) -> None:
    get_type_hints(thing)


def test_only_two_public_values_are_neither_class_nor_function() -> None:
    values = {name for _, name, thing in NAMES if not isinstance(thing, type | FunctionType)}
    assert values == {"ALL", "UNCHANGED"}


def test_the_type_checker_is_told_of_the_same_names() -> None:
    tree = ast.parse(inspect.getsource(kck_publish))
    told = {
        (alias.asname, node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert told == set(kck_publish._NAMES.items())


def test_every_error_is_a_public_name() -> None:
    errors = {
        name
        for name, thing in vars(exceptions).items()
        if isinstance(thing, type) and issubclass(thing, exceptions.KckPublishError)
    }
    assert errors <= set(kck_publish.__all__)
    assert {getattr(kck_publish, name).__module__ for name in errors} == {"kck_publish"}


def test_a_users_own_error_keeps_its_module() -> None:
    class Own(MissingProduct):
        pass

    assert Own.__module__ == __name__


def test_a_traceback_names_the_public_path() -> None:
    code = "import kck_publish; raise kck_publish.Reprime('again')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stderr.splitlines()[-1] == "kck_publish.Reprime: again"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_is_pickled_under_its_public_path(protocol: int) -> None:
    error = VersionMismatch("counter", 1, 2)
    again = pickle.loads(pickle.dumps(error, protocol))
    assert (type(again), again.args, vars(again)) == (type(error), error.args, vars(error))
    assert b"kck_publish.exceptions" not in pickle.dumps(error, protocol)


def test_public_dataclasses_work_as_before() -> None:
    retry = Retry(max_retries=2)
    assert dataclasses.replace(retry, backoff=False) == Retry(max_retries=2, backoff=False)
    assert pickle.loads(pickle.dumps(retry)) == retry


def test_source_is_found_where_python_can() -> None:
    """Of functions and methods. Of a class Python looks into the file of its module only."""
    assert inspect.getsource(kck_publish.primer).startswith("@public_in")
    assert inspect.getsource(kck_publish.Primer.compute).strip().startswith("@unwritten")
    with pytest.raises(OSError, match=r"class definition|source code"):
        inspect.getsource(kck_publish.Primer)
