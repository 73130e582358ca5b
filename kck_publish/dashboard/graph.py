"""The graph of sources and products, drawn, each product in the colour of its state."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from .. import clock
from ..ops.graph import edges
from ..products import registry
from .asking import ask
from .catalog import STATES, Line, lines
from .page import Page
from .products import RECENTLY
from .queries import RECENT, STATE, STORED
from .state import State


class GraphPage(Page):
    """Nodes and edges for the browser, and the same as a list for who sees no picture."""

    tab = "graph"
    template = "graph"
    parts = ("health",)

    def look(self, **arguments: Any) -> dict[str, Any]:
        """All of it, by one statement."""
        since = clock.now().timestamp() - RECENTLY
        rows = ask({**STATE, "recent": RECENT, "stored": STORED}, {"since": since})
        found = lines(rows)
        return {
            "state": State(rows),
            "lines": sorted(found, key=lambda line: line.name),
            "states": STATES,
            "graph": {"nodes": [*_sources(), *map(_node, found)], "edges": list(_edges(found))},
        }

    def data(self, shown: dict[str, Any]) -> dict[str, Any]:
        """The nodes and edges."""
        return {"graph": shown["graph"]}


def _sources() -> list[dict[str, str]]:
    return [
        {"id": f"s:{table}", "label": table, "kind": "source", "state": "source", "url": ""}
        for table in sorted(registry.graph().sources)
    ]


def _node(line: Line) -> dict[str, str]:
    return {
        "id": f"p:{line.name}",
        "label": line.signature,
        "kind": line.kind,
        "state": line.state,
        "url": reverse("kck_publish_dashboard:product", args=[line.name]),
    }


def _edges(found: list[Line]) -> Any:
    """Each pair once, with all that is depended on."""
    known, labels = {line.name for line in found}, dict[tuple[str, str], list[str]]()
    for edge in edges(registry.graph()):
        if (
            edge.by in known
            and edge.label != "domain"
            and (not edge.on_product or edge.on in known)
        ):
            pair = f"{'p' if edge.on_product else 's'}:{edge.on}", f"p:{edge.by}"
            labels.setdefault(pair, []).append(edge.label)
    for (start, end), texts in labels.items():
        yield {
            "id": f"{start}>{end}",
            "source": start,
            "target": end,
            "label": " · ".join(dict.fromkeys(texts)),
        }
