"""A developer's ``runserver`` says that nobody listens, or listens itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kck_publish.devserver import serves
from tests.acceptance.test_listener_process import Process
from tests.catalog.fixtures import drain, sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def runserver(environment: dict[str, str]) -> Iterator[Process]:
    process = Process(
        environment, "--noreload", "--skip-checks", "127.0.0.1:0", command="runserver"
    )
    try:
        yield process
    except BaseException:
        print(*process.lines, sep="\n")  # for whoever looks why
        raise
    finally:
        process.popen.terminate()
        process.popen.wait(20)
        process._reader.join(20)
        assert process.popen.stdout is not None
        process.popen.stdout.close()


@pytest.mark.parametrize(
    ("argv", "run_main", "serving"),
    [
        (["manage.py", "runserver"], None, False),  # it only starts the other again and again
        (["manage.py", "runserver"], "true", True),
        (["manage.py", "runserver", "--noreload"], None, True),
        (["manage.py", "migrate"], None, False),
        (["manage.py"], "true", False),
    ],
)
def test_which_process_looks(argv: list[str], run_main: str | None, serving: bool) -> None:
    assert serves(argv, run_main) == serving


def test_it_says_that_no_listener_runs(
    process_environment: dict[str, str], wait_until: Callable[..., Any]
) -> None:
    with runserver(process_environment) as process:
        wait_until(lambda: any("No listener runs" in line for line in process.lines), 60)
        assert any("DEV_LISTENER" in line for line in process.lines)


@pytest.mark.long
def test_it_listens_itself(
    process_environment: dict[str, str], wait_until: Callable[..., Any]
) -> None:
    item = Item.objects.create(name="n", group=1, amount=1)
    ItemTotal.cached.get(group=1)
    drain()
    settings = {
        "DJANGO_SETTINGS_MODULE": "tests.acceptance.listener_settings",
        "KCK_TEST_PUBLISH": repr({"DEV_LISTENER": True}),
    }
    with runserver({**process_environment, **settings}) as process:
        wait_until(lambda: any("kck_listen ready" in line for line in process.lines), 60)
        sql("UPDATE catalog_item SET amount = 5 WHERE id = %s", item.pk)
        wait_until(lambda: b'"amount":5' in (stored("item_total/1").body or b""))  # type: ignore[union-attr]
