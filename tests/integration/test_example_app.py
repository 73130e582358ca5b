"""The example: its data, its products and its pages, on the real 27,004 flights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from threading import Event
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from example_app import punctuality
from example_app.loading import load
from example_app.models import Airline, Airport, Flight, Plane
from example_app.primers import CarrierPunctuality, DepartureBoard, NetworkRanking, RouteStatistics
from example_app.replay import Flown, announcements, replay
from kck_publish import suppress
from kck_publish.testing import assert_fresh

pytestmark = [pytest.mark.urls("example_app.urls"), pytest.mark.long]
DAY = date(2013, 1, 16)
BOARD = "/board/JFK/2013-01-16"


def drain() -> None:
    """Handle everything committed so far, as a listener would."""
    call_command("kck_listen", once=True, verbosity=0)


@pytest.fixture
def flights(transactional_db: None) -> None:
    """All the example's rows; the eager products are primed, as after any bulk load."""
    with suppress():
        load()
    drain()


@contextmanager
def only_the_store_is_read(queries: int = 1) -> Iterator[None]:
    """Fails when a source table is queried, or the store more often than that."""
    with CaptureQueriesContext(connection) as captured:
        yield
    statements = [query["sql"] for query in captured.captured_queries]
    assert not [sql for sql in statements if "example_app_" in sql]
    assert len(statements) == queries, statements


def fresh(primer: type[Any], **parameters: Any) -> Any:
    return primer().compute(**parameters)


# The data


def test_all_flights_of_january_are_loaded(transactional_db: None) -> None:
    seen: list[tuple[int, int]] = []
    counts = load(lambda done, total: seen.append((done, total)))
    assert counts == {"Airline": 16, "Airport": 97, "Plane": 3148, "Flight": 27004}
    assert [m.objects.count() for m in (Airline, Airport, Plane, Flight)] == list(counts.values())
    assert seen[-1] == (30265, 30265)
    assert seen == sorted(seen)
    first = Flight.objects.earliest("scheduled")
    assert (first.carrier_id, first.number, first.day) == ("UA", 1545, date(2013, 1, 1))
    assert first.scheduled == datetime(2013, 1, 1, 10, 15, tzinfo=UTC)  # 05:15 in New York
    with pytest.raises(CommandError, match="use --replace"):
        call_command("load_flights")
    call_command("load_flights", replace=True, verbosity=0)
    assert Flight.objects.count() == 27004


# The products


def test_a_flight_is_read_by_its_natural_lookup(flights: None) -> None:
    flight = Flight.cached.get(carrier="UA", number=1545, day=date(2013, 1, 1))
    assert (flight.origin_id, flight.destination_id) == ("EWR", "IAH")
    assert Airline.cached.get(name="JetBlue Airways").pk == "B6"
    assert Airport.cached.get(pk="JFK").name == "John F Kennedy Intl"
    planes = Plane.cached.filter(manufacturer="BOEING", model="737-832")
    assert {plane.model for plane in planes} == {"737-832"}


def test_a_route_has_its_statistics(flights: None) -> None:
    route = RouteStatistics.cached.get(origin="JFK", destination="LAX")
    assert (route["flights"], route["cancelled"], route["distance"]) == (937, 2, 2475)
    assert route["fastest"] == {"flight": "AA 21", "day": date(2013, 1, 3), "air_time": 293}
    with pytest.raises(ObjectDoesNotExist):
        RouteStatistics.cached.get(origin="LAX", destination="JFK")
    Flight.objects.filter(carrier_id="AA", number=21).delete()
    drain()
    route = RouteStatistics.cached.get(origin="JFK", destination="LAX")
    assert route["fastest"]["flight"] != "AA 21"
    assert_fresh("route_statistics")


def test_tallies_are_amended_to_what_a_count_finds(flights: None) -> None:
    """Updates, a cancellation, a move between carriers, a delete and an insert."""
    ids = list(Flight.objects.filter(carrier_id="VX").values_list("pk", flat=True)[:6])
    Flight.objects.filter(pk=ids[0]).update(dep_delay=200, arr_delay=None)
    Flight.objects.filter(pk=ids[1]).update(dep_delay=None, arr_delay=None)
    Flight.objects.filter(pk=ids[2]).update(carrier_id="HA", number=9001)
    Flight.objects.filter(pk=ids[3]).update(carrier_id="HA", number=9002, dep_delay=16)
    Flight.objects.filter(pk=ids[4]).delete()
    copy = Flight.objects.get(pk=ids[5])
    copy.pk, copy.number = None, 9003
    copy.save()
    Airline.objects.filter(pk="VX").update(name="Virgin Atlantic")
    drain()
    for carrier in Airline.objects.values_list("pk", flat=True):
        stored = CarrierPunctuality.cached.get(carrier=carrier)
        assert stored == fresh(CarrierPunctuality, carrier=carrier)
    assert CarrierPunctuality.cached.get(carrier="HA")["flights"] == 33
    assert CarrierPunctuality.cached.get(carrier="VX")["name"] == "Virgin Atlantic"
    assert NetworkRanking.cached.get() == fresh(NetworkRanking)


def test_a_board_shows_changed_names_of_carriers_airports_and_planes(flights: None) -> None:
    DepartureBoard.cached.get(airport="JFK", day=DAY)
    flight = Flight.objects.exclude(plane=None).filter(origin_id="JFK", day=DAY)[0]
    Airline.objects.filter(pk=flight.carrier_id).update(name="Renamed Airline")
    Airport.objects.filter(pk=flight.destination_id).update(name="Renamed Airport")
    Plane.objects.filter(pk=flight.plane_id).update(manufacturer="RENAMED")
    drain()
    board = DepartureBoard.cached.get(airport="JFK", day=DAY)
    assert board == fresh(DepartureBoard, airport="JFK", day=DAY)
    (row,) = [row for row in board["rows"] if row["id"] == flight.pk]
    assert (row["carrier"], row["destination"]) == ("Renamed Airline", "Renamed Airport")
    assert row["plane"].startswith("RENAMED")


# The pages


def test_a_board_is_served_from_the_store_and_follows_it(flights: None, client: Client) -> None:
    client.get(BOARD)  # the first reader primes it
    with only_the_store_is_read():
        page = client.get(BOARD)
    text = page.content.decode()
    assert "John F Kennedy Intl" in text
    assert "Wednesday, 16 January 2013" in text
    assert "285 departures, 59 late by 15 minutes or more, 18 cancelled" in text
    assert "AA 1141" in text
    assert "Delayed 4 min" in text
    assert "Cancelled" in text
    with only_the_store_is_read():
        unchanged = client.get(BOARD, headers={"If-None-Match": page["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")

    with only_the_store_is_read():
        answer = client.get(f"{BOARD}.json")
    assert answer["Content-Type"] == "application/json"
    assert answer.content == DepartureBoard.cached.get_bytes(airport="JFK", day=DAY)
    etag = answer["ETag"]
    assert f'data-etag="{etag.replace(chr(34), "&quot;")}"' in text
    with only_the_store_is_read():
        assert client.get(f"{BOARD}.json", headers={"If-None-Match": etag}).status_code == 304

    row = json.loads(answer.content)["rows"][0]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE example_app_flight SET dep_delay = 77 WHERE id = %s", [row["id"]])
    drain()
    changed = client.get(f"{BOARD}.json", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed["ETag"] != etag
    assert changed.json()["rows"][0]["status"] == "Delayed 77 min"
    assert client.get(BOARD, headers={"If-None-Match": page["ETag"]}).status_code == 200


def test_the_ranking_is_served_from_the_store(flights: None, client: Client) -> None:
    client.get("/ranking")
    with only_the_store_is_read():
        page = client.get("/ranking")
    text = page.content.decode()
    assert "27,004 departures, 79.2 % of them on time, 521 cancelled" in text
    assert text.index("Virgin America") < text.index("Delta Air Lines Inc.")
    with only_the_store_is_read():
        answer = client.get("/ranking.json")
    assert answer.content == NetworkRanking.cached.get_bytes()
    assert [row["rank"] for row in answer.json()["rows"]] == list(range(1, 17))
    for address, etag in (("/ranking", page["ETag"]), ("/ranking.json", answer["ETag"])):
        with only_the_store_is_read():
            assert client.get(address, headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(
    "address",
    [
        "/board/LAX/2013-01-16",
        "/board/JFK/2013-02-01",
        "/board/JFK/2012-12-31.json",
        "/board/JFK/2013-02-30",
        "/board/JFK/today",
        "/board/XXX/2013-01-16.json",
    ],
)
def test_unknown_boards_are_not_found_without_a_query(
    db: None, client: Client, address: str
) -> None:
    with only_the_store_is_read(queries=0):
        assert client.get(address).status_code == 404


def test_the_first_address_leads_to_a_board(client: Client) -> None:
    assert client.get("/")["Location"] == "/board/JFK/2013-01-01"


# Arithmetic and replay


@pytest.mark.parametrize(
    ("delay", "name"),
    [(-1, "early"), (0, "0-14"), (14, "0-14"), (15, "15-29"), (179, "165-179"), (999, "180+")],
)
def test_a_delay_has_its_bin(delay: int, name: str) -> None:
    assert punctuality.BINS[punctuality.bin_of(delay)] == name


def test_announcements_grow_to_the_delay_in_the_order_of_time() -> None:
    noon, later = datetime(2013, 1, 1, 12, tzinfo=UTC), datetime(2013, 1, 1, 12, 30, tzinfo=UTC)
    said = announcements([Flown(2, later, 1), Flown(1, noon, 90)])
    assert [(a.flight, a.dep_delay) for a in said] == [(1, 30), (1, 60), (2, 1), (1, 90)]


class StopAfter(Event):
    """Set after being waited for so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def wait(self, timeout: float | None = None) -> bool:
        self.left -= 1
        if self.left < 0:
            self.set()
        return self.is_set()


def test_a_replay_leaves_the_day_as_it_was(
    flights: None, process_environment: dict[str, str]
) -> None:
    day = Flight.objects.filter(day=DAY).order_by("pk").values_list("pk", "dep_delay")
    before = list(day)
    made = replay(process_environment["KCK_TEST_DATABASE"], DAY, StopAfter(20), pause=0)
    assert made == 20
    assert list(day.all()) == before
