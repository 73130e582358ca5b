"""HTTP: requests per second of gunicorn with 2 workers, asked by wrk over 8 connections.

The page of 7 KB from a product (the PostgreSQL store, Redis, near), from the ORM, and a view that
returns constant bytes; an API of books with nesting, plain and with products. Each store has a
gunicorn of its own, with its default worker and persistent database connections; all run all the
time, one is asked at a time, in turn.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks import load
from benchmarks.figures import in_turn, markdown, median, ratio, short, spread, target
from benchmarks.filling import fill
from benchmarks.near import near_store
from benchmarks.picture import draw
from benchmarks.redis_server import free_port, redis_server
from benchmarks.world import World, world

ROWS, REVIEWS, WORKERS = 20_000, 3, 2
ROUNDS = int(os.environ.get("KCK_BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("KCK_BENCH_SECONDS", "3"))
PATIENCE = 30.0
CONSTANT, ORM = "a view of constant bytes", "the ORM computes"
PLAIN, CONSTANT_DRF = "plain DRF", "DRF, constant data"
Figures = Mapping[str, list[float]]


def main() -> None:
    """Measure and print."""
    os.environ["KCK_BENCH_API"] = "1"
    with world("http: gunicorn with 2 workers, wrk with 8 connections") as found:
        _fill(found)
        with redis_server() as redis, near_store() as near, ExitStack() as stack:
            stores = {"PostgreSQL": {"KCK_BENCH_STORE": "postgres"}}
            if redis:
                stores["Redis"] = {"KCK_BENCH_STORE": "cache:store"}
            if near:
                stores["near"] = {"KCK_BENCH_NEAR": near}
            sites = {
                name: stack.enter_context(gunicorn(environment))
                for name, environment in stores.items()
            }
            _measure(sites)


def _fill(found: World) -> None:
    with found.connect() as connection:
        fill(connection, ["book"], ROWS)
        connection.execute(
            "INSERT INTO benchmarks_review (book_id, stars, text) SELECT mod(g, %s) + 1, "
            "mod(g, 5) + 1, 'Review ' || g || ': worth a read' FROM generate_series(1, %s) g",
            [ROWS, ROWS * REVIEWS],
        )
        connection.execute("TRUNCATE kck_publish_change")
        connection.execute("VACUUM ANALYZE")


@contextmanager
def gunicorn(environment: Mapping[str, str]) -> Iterator[str]:
    """A site's URL."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--workers", str(WORKERS), "--bind", address),
            *("--log-level", "warning", "benchmarks.wsgi"),
        ],
        cwd=Path(__file__).parent.parent,
        env=os.environ | dict(environment),
    )
    try:
        _until_up(f"http://{address}/constant/7/")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def _until_up(url: str) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).read()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _measure(sites: Mapping[str, str]) -> None:
    plain = sites["PostgreSQL"]
    pages = {CONSTANT: f"{plain}/constant/7/", ORM: f"{plain}/computed/7/"}
    pages |= {f"kck_publish, {name}": f"{site}/product/7/" for name, site in sites.items()}
    figures = _compare("a page of 7 KB", "http-page", pages, CONSTANT, ORM)
    if near := figures.get("kck_publish, near"):
        share = ratio(near, figures[CONSTANT])
        target("near, of the constant view", ">= 0.95", share, met=share >= 0.95)
        faster = ratio(near, figures[ORM])
        target("near, to the ORM view", ">= 10", faster, met=faster >= 10)
        most = ratio(figures[CONSTANT], figures[ORM])
        print(
            f"   what the server itself costs allows {short(most)}: the constant view, to the ORM's"
        )
    if not find_spec("rest_framework"):
        print("   left out: djangorestframework is not installed")
        return
    for what, where, wanted in (("retrieve", "7/", 4.0), ("list of 100", "", 8.0)):
        urls = {PLAIN: f"{plain}/plain/{where}"}
        urls |= {f"kck_publish, {name}": f"{at}/cached/{where}" for name, at in sites.items()}
        if where:
            urls[CONSTANT_DRF] = f"{plain}/constant-drf/{where}"
        else:
            urls |= {f"{name}, the list a product": f"{at}/listed/" for name, at in sites.items()}
        figures = _compare(f"DRF, {what}", f"http-{what.replace(' ', '-')}", urls, PLAIN)
        for name in list(figures)[1:]:
            faster = ratio(figures[name], figures[PLAIN])
            if name == CONSTANT_DRF:
                print(f"   what DRF itself allows {short(faster)}: constant data, to plain DRF")
                continue
            least = f">= {wanted:.0f}"
            target(f"{what}: {name}, to plain DRF", least, faster, met=faster >= wanted)
    print("   left out: drf-cached-instances, which no Django of today can import. With an old one")
    print("   its retrieve was 3.7 times plain DRF's requests a second over locmem, 2.0 over Redis")


def _compare(title: str, name: str, urls: Mapping[str, str], *against: str) -> Figures:
    for url in urls.values():
        load.rate(url, 1)
    runs: dict[str, Callable[[], float]] = {
        label: partial(load.rate, url, SECONDS) for label, url in urls.items()
    }
    figures = in_turn(runs, ROUNDS)
    print(f"\n   {title}: {ROUNDS} rounds of {SECONDS:g} s, load now {os.getloadavg()[0]:.1f}")
    rows = [["", "requests/s", "p25 - p75", *(f"x {other}" for other in against)]]
    for label, values in figures.items():
        ratios = [short(ratio(values, figures[other])) for other in against]
        rows.append([label, short(median(values)), spread(values), *ratios])
    markdown(rows)
    medians = {label: median(values) for label, values in figures.items()}
    draw(name, title[0].upper() + title[1:], medians, "requests/s")
    return figures


if __name__ == "__main__":
    main()
