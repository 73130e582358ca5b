"""A picture of a table: bars on a logarithmic scale, as an SVG that needs nothing to be read."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.figures import short

LEFT, WIDE, BAR, GAP = 250, 430, 16, 6
OURS, THEIRS, FLOOR = "#0b7a75", "#9aa5b1", "#d9b44a"


def draw(name: str, title: str, values: Mapping[str, float], unit: str) -> None:
    """Write the picture, and print the line that shows it; nothing where none are wanted.

    Args:
        name: of the file.
        values: above 0, by label; those of kck_publish and of the floor are coloured.
    """
    folder = os.environ.get("KCK_BENCH_PICTURES")
    if folder is None or not values:
        return
    Path(folder).mkdir(exist_ok=True)
    Path(folder, f"{name}.svg").write_text(svg(title, values, unit))
    print(f"\n   ![{title}](benchmarks/{name}.svg)\n")


def svg(title: str, values: Mapping[str, float], unit: str) -> str:
    """The picture's text."""
    low = 10 ** math.floor(math.log10(min(values.values())))
    high = 10 ** math.ceil(math.log10(max(values.values()) * 1.001))
    decades = max(1, round(math.log10(high / low)))
    height = 56 + len(values) * (BAR + GAP)
    wide = LEFT + WIDE + 80
    frame = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {height}"'
    heading = f"{escape(title)} ({escape(unit)}, log scale)"
    parts = [
        frame + ' font-family="sans-serif" font-size="12">',
        f'<rect width="{wide}" height="{height}" fill="#fff"/>',
        f'<text x="8" y="18" font-weight="bold">{heading}</text>',
    ]
    for decade in range(decades + 1):
        x = LEFT + WIDE * decade / decades
        parts.append(
            f'<path d="M{x:.0f} 28V{height - 22}" stroke="#e4e7eb"/>'
            f'<text x="{x:.0f}" y="{height - 8}" text-anchor="middle" fill="#52606d">'
            f"{low * 10**decade:,g}</text>"
        )
    for number, (label, value) in enumerate(values.items()):
        y = 32 + number * (BAR + GAP)
        length = max(1.0, WIDE * math.log10(value / low) / decades)
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 12}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" '
            f'fill="{_colour(label)}"/>'
            f'<text x="{LEFT + length + 5:.0f}" y="{y + 12}">{short(value)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _colour(label: str) -> str:
    if label.startswith("kck_publish"):
        return OURS
    return FLOOR if label.startswith("floor") else THEIRS
