"""Spans as a picture: a line for each, a bar from beginning to end, and an arrow for each link."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan

WIDTH, LEFT, LINE = 1040, 420, 30


def draw(spans: Sequence[ReadableSpan], path: Path) -> None:
    """Write them as an SVG, in the order of their beginnings."""
    ordered = sorted(spans, key=lambda span: span.start_time or 0)
    first = min(span.start_time or 0 for span in ordered)
    whole = max(max(span.end_time or 0 for span in ordered) - first, 1)
    scale = (WIDTH - LEFT - 20) / whole
    places = {_id(span): number for number, span in enumerate(ordered)}
    parts: list[str] = []
    for number, span in enumerate(ordered):
        top = 40 + number * LINE
        begin = LEFT + ((span.start_time or 0) - first) * scale
        length = max(((span.end_time or 0) - (span.start_time or 0)) * scale, 2)
        product = (span.attributes or {}).get("kck_publish.product", "")
        named = f"{span.name} {product}".strip()
        inside = span.parent is not None
        inside_ours = span.name.startswith("kck_publish")
        milliseconds = ((span.end_time or 0) - (span.start_time or 0)) / 1e6
        parts += [
            f'<text x="{28 if inside else 12}" y="{top + 14}">{escape(named)}</text>',
            f'<text class="time" x="{LEFT - 12}" y="{top + 14}">{milliseconds:.1f} ms</text>',
            _BAR.format(kind="ours" if inside_ours else "web", x=begin, y=top, width=length),
        ]
        for link in span.links:
            if (above := places.get((link.context.trace_id, link.context.span_id))) is not None:
                writer = ordered[above]
                end = LEFT + ((writer.end_time or 0) - first) * scale
                parts.append(
                    f'<path class="link" d="M {end:.1f} {49 + above * LINE} '
                    f"C {end + 40:.1f} {49 + above * LINE}, {begin - 40:.1f} {top + 9}, "
                    f'{begin:.1f} {top + 9}" marker-end="url(#tip)"/>'
                )
    height = 56 + len(ordered) * LINE
    path.write_text(_PICTURE.format(width=WIDTH, height=height, parts="\n".join(parts)))


def _id(span: ReadableSpan) -> tuple[int, int]:
    context = span.get_span_context()
    return (context.trace_id, context.span_id) if context else (0, 0)


_BAR = '<rect class="{kind}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="18" rx="3"/>'
_PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>A trace from a write through the log to the refresh, and a read</title>
<style>
text {{ font: 14px system-ui, sans-serif; fill: #1b1f24; }}
.time {{ text-anchor: end; fill: #57606a; font-variant-numeric: tabular-nums; }}
.web {{ fill: #6e7781; }} .ours {{ fill: #0a6e6e; }}
.link {{ fill: none; stroke: #b35900; stroke-width: 1.5; }}
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"
 orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#b35900"/></marker></defs>
<rect width="{width}" height="{height}" fill="#ffffff"/>
<text x="12" y="22">grey: spans of the web; green: of kck_publish; the arrow is a link</text>
{parts}
</svg>
"""
