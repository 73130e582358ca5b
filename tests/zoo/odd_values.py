"""Odd values of each type of column, to look rows up by."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

UUID = uuid.UUID("0123abcd-4567-89ef-0123-456789abcdef")
EAST, WEST = timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))
NOON = datetime(2024, 1, 31, 12, tzinfo=UTC)
FORTY = Decimal("123456789012345678901234567890.0123456789")

# What no column of another type than text holds.
NOWHERE: tuple[Any, ...] = (
    "",
    " ",
    "x",
    "\0",
    "1\0",
    "\ud800",
    "None",
    "null",
    b"1",
    b"\0",
    "9" * 25,
)
ODD: dict[str, tuple[Any, ...]] = {
    "day": (
        date(2024, 1, 31), "2024-01-31", "2024-1-31", "20240131", "2024-W05-3", " 2024-01-31",
        "2024-01-31 ", "2024-01-31\n", "2024-02-30", "0000-01-01", "10000-01-01", date.min,
        date.max, "infinity", "today", "\uff12024-01-31", NOON, datetime(2024, 1, 31),
        "2024-01-31T12:00",
        20240131, 1.0, True, *NOWHERE,
    ),
    "moment": (
        NOON, NOON.astimezone(EAST), NOON.astimezone(WEST), "2024-01-31T12:00:00Z",
        "2024-01-31 12:00:00+00:00", "2024-01-31T12:00:00+00", "2024-01-31t12:00z",
        "2024-01-31T14:00:00+02:00", "2024-01-31T12:00:00.0000000Z", "2024-01-31T24:00:00Z",
        datetime.min.replace(tzinfo=EAST), datetime.max.replace(tzinfo=WEST),
        datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC),
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "infinity", "now", 0, 1.0, True,
        *NOWHERE,
    ),
    "clock": (
        time(12), time(12, fold=1), "12:00", "12:00:00", "12", "12:00:00.0", "12:00:00.0000001",
        "24:00", "12:00+02:00", "12:00 PM", time.max, time.min, 12, 12.0, True, *NOWHERE,
    ),
    "span": (
        timedelta(1), "1 00:00:00", "1 day", "P1D", "24:00:00", "86400", 86400, timedelta.max,
        timedelta.min, -timedelta(1), "-1 00:00:00", True, 1.0, *NOWHERE,
    ),
    "price": (
        Decimal("1.5"), Decimal("1.50"), "1.5", "1.50", " 1.5 ", "+1.5", "1.5e0", "15E-1", "1_5",
        "1,5", "\uff11.5", 1.5, 1, True, FORTY, str(FORTY), FORTY + Decimal("1E-10"),
        Decimal("-0.0"), "-0", "-0.0", -0.0, 0, Decimal("1E+40"), "1e999999", Decimal("NaN"),
        Decimal("sNaN"), "nan", "NaN", Decimal("Infinity"), "inf", float("nan"), float("inf"),
        Decimal("1.00000000001"), 10**25, *NOWHERE,
    ),
    "level": (
        1.5, "1.5", "1.50", "15e-1", " 1.5", "1_5", Decimal("1.5"), -0.0, 0.0, 0, "-0", "0",
        float("nan"), "nan", float("inf"), "inf", "-inf", "infinity", 1e308, "1e999", 5e-324, True,
        10**25, 10**400, 2**53 + 1, *NOWHERE,
    ),
    "big": (
        1, "1", " 1", "1 ", "01", "+1", "1_0", "1.0", "1e0", 1.0, 1.9, -0.0, True, False,
        Decimal(1), Decimal("1.5"), "0x1", "\uff11", "\u0661", 2**63 - 1, -(2**63), 2**63,
        -(2**63) - 1, 10**25,
        str(2**63), float("nan"), float("inf"), *NOWHERE,
    ),
    "flag": (
        True, False, 1, 0, 2, -1, 1.0, 0.0, "True", "true", "TRUE", "t", "T", "1", "0", "f", "F",
        "False", "false", "yes", "on", " True", Decimal(1), *NOWHERE,
    ),
    "mark": (
        UUID, str(UUID), str(UUID).upper(), UUID.hex, f"{{{UUID}}}", f"urn:uuid:{UUID}", UUID.int,
        str(UUID.int), f" {UUID}", f"{UUID}\n", str(UUID)[:-1], f"{UUID}0", UUID.bytes, -1, 2**128,
        True, 1.0, *NOWHERE,
    ),
    "ip": (
        "10.0.0.1", "10.0.0.01", "10.0.0.1/32", " 10.0.0.1", "10.0.0.1 ", "010.0.0.1", "10.1",
        "::ffff:10.0.0.1", "::FFFF:10.0.0.1", "::1", "0:0::1", "0:0:0:0:0:0:0:1", 1, 167772161,
        True, *NOWHERE,
    ),
    "text": (
        "a", "A", "a ", " a", "a\n", "a\0", "\ud800", "a\ud800", "\uff41", "\u0301", "é", "e\u0301",
        "None", "", "1", 1, 1.0, True, False, Decimal("1.0"), b"a", "a" * 5000, "%", "_", "'", '"',
        "\\", "\u202e", "~", "/", "a/b", "%2f", date(2024, 1, 31), UUID,
    ),
}  # fmt: skip
ROWS: tuple[dict[str, Any], ...] = (
    {
        "day": date(2024, 1, 31), "moment": NOON, "clock": time(12), "span": timedelta(1),
        "price": Decimal("1.5"), "level": 1.5, "big": 1, "flag": True, "mark": UUID,
        "ip": "10.0.0.1", "text": "a",
    },
    {
        "day": date.min, "moment": datetime.min.replace(tzinfo=UTC), "clock": time.min,
        "span": timedelta(0), "price": Decimal("0"), "level": 0.0, "big": 10, "flag": False,
        "mark": uuid.UUID(int=1), "ip": "::1", "text": "1",
    },
    {
        "day": date.max, "moment": datetime.max.replace(tzinfo=UTC), "clock": time.max,
        "span": -timedelta(1), "price": FORTY, "level": float("inf"), "big": 2**63 - 1,
        "mark": uuid.UUID(int=2**128 - 1), "ip": "::ffff:10.0.0.2", "text": "True",
    },
    {"level": float("nan"), "text": ""},
)  # fmt: skip
