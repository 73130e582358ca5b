"""The graph of sources, products and dependencies, drawn: ``kck_graph``. Pure text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..products.depends import All, Depends
from ..products.domain import Membership
from ..products.graph import Graph
from ..products.looked_up_dependency import Looked
from ..products.path_rows import Way
from ..products.product import Product

FORMATS = ("text", "mermaid", "dot")


@dataclass(frozen=True)
class Edge:
    """One dependency of a product on a table or on another product.

    Attributes:
        on: the table, or the product, that is read.
        by: the product that reads it.
        label: of the arrow: the declaration.
        recorded: not declared: a compute has read it.
    """

    on: str
    on_product: bool
    by: str
    label: str
    recorded: bool = False


def draw(graph: Graph, format: str = "text", recorded: Iterable[tuple[str, str]] = ()) -> str:
    """The whole graph.

    Args:
        graph: of all that is declared.
        format: ``"text"``, ``"mermaid"`` or ``"dot"``.
        recorded: (product, the product that it was computed from without declaring it).

    Raises:
        ValueError: for another format.
    """
    if format not in FORMATS:
        raise ValueError(f"format is one of {', '.join(FORMATS)}, not {format!r}.")
    all_ = list(edges(graph))
    all_ += [
        Edge(on, True, by, "recorded", True)
        for by, on in recorded
        if by in graph.products and on in graph.products
    ]
    return {"text": _text, "mermaid": _mermaid, "dot": _dot}[format](graph, all_)


def edges(graph: Graph) -> Iterator[Edge]:
    """All dependencies, by product in the order of dependence."""
    for name in sorted(graph.products, key=lambda product: (graph.order[product], product)):
        for dependency in graph.products[name].depends_on:
            if isinstance(dependency, Membership):
                yield Edge(dependency.domain, True, name, "domain")
                continue
            label = by_what(dependency)
            if dependency.product is not None:
                yield Edge(dependency.product, True, name, label)
            for model in dependency.models:
                yield Edge(model._meta.db_table, False, name, label)


def by_what(dependency: Depends) -> str:
    """The mapping of a dependency from a change to keys, and the columns that count."""
    if isinstance(dependency, Looked):
        pairs = [f"{name}={column}" for name, column in dependency.mapping.items()]
        how = ", ".join([*(pairs if isinstance(dependency, Way) else ()), dependency.how])
    elif isinstance(dependency.keys, All):
        how = "ALL"
    elif dependency.keys is not None:
        name = getattr(dependency.keys, "__name__", type(dependency.keys).__name__)
        how = "keys=callable" if name == "<lambda>" else f"keys={name}()"
    else:
        pairs = [f"{name}={column}" for name, column in dependency.mapping.items()]
        how = ", ".join(pairs) or "ALL"
    if dependency.columns is None:
        return how
    return f"{how}; columns {', '.join(dependency.columns) or 'none'}"


def signature(product: Product) -> str:
    """A product with its parameters: ``author_page(author)``."""
    return f"{product.name}({', '.join(parameter.name for parameter in product.parameters)})"


def _kind(product: Product) -> str:
    words = [
        _primed(product.why_primed) or ("augmented" if product.augmentable else ""),
        "eager" if product.eager or getattr(product, "published", False) else "",
    ]
    return ", ".join(word for word in words if word)


def _primed(why: str) -> str:
    return f"primed: {why}" if why else ""


def _text(graph: Graph, all_: list[Edge]) -> str:
    lines = ["sources"]
    for table, source in sorted(graph.sources.items()):
        labels = ", ".join(model._meta.label for model in source.models)
        lines.append(f"  {_line(table)}  {labels}")
        lines += [
            f"    -> {edge.by}  [{edge.label}]"
            for edge in all_
            if edge.on == table and not edge.on_product
        ]
    lines.append("products")
    for name in sorted(graph.products, key=lambda product: (graph.order[product], product)):
        kind = _kind(graph.products[name])
        lines.append(f"  {signature(graph.products[name])}{f'  {kind}' if kind else ''}")
        lines += [
            f"    <- {'product ' if edge.on_product else ''}{_line(edge.on)}  [{edge.label}]"
            for edge in all_
            if edge.by == name
        ]
    return "\n".join(lines) + "\n"


def _mermaid(graph: Graph, all_: list[Edge]) -> str:
    ids = _ids(graph)
    lines = ["flowchart LR"]
    lines += [
        f'    {ids[table, False]}[("{_mermaid_text(table)}")]' for table in sorted(graph.sources)
    ]
    lines += [
        f'    {ids[name, True]}["{_mermaid_text(signature(product))}"]'
        for name, product in graph.products.items()
    ]
    for edge in all_:
        start, end = ids[edge.on, edge.on_product], ids[edge.by, True]
        arrow = "-.->" if edge.recorded else "-->"
        lines.append(f'    {start} {arrow}|"{_mermaid_text(edge.label)}"| {end}')
    return "\n".join(lines) + "\n"


def _dot(graph: Graph, all_: list[Edge]) -> str:
    ids = _ids(graph)
    lines = ["digraph kck_publish {", "    rankdir=LR;"]
    lines += [
        f"    {ids[table, False]} [shape=cylinder, label={_dot_text(table)}];"
        for table in sorted(graph.sources)
    ]
    lines += [
        f"    {ids[name, True]} [shape=box, label={_dot_text(signature(product))}];"
        for name, product in graph.products.items()
    ]
    for edge in all_:
        start, end = ids[edge.on, edge.on_product], ids[edge.by, True]
        style = ", style=dashed" if edge.recorded else ""
        lines.append(f"    {start} -> {end} [label={_dot_text(edge.label)}{style}];")
    return "\n".join([*lines, "}"]) + "\n"


def _ids(graph: Graph) -> dict[tuple[str, bool], str]:
    """Names of nodes that no format has to escape."""
    ids = {(table, False): f"s{number}" for number, table in enumerate(sorted(graph.sources))}
    return ids | {(name, True): f"p{number}" for number, name in enumerate(graph.products)}


def _line(text: str) -> str:
    return " ".join(text.split())


def _mermaid_text(text: str) -> str:
    """Text between quotes: Mermaid knows HTML-like entities, written with a hash."""
    for character, entity in (
        ("#", "#35;"),
        ('"', "#quot;"),
        ("&", "#amp;"),
        ("<", "#lt;"),
        (">", "#gt;"),
        ("`", "#96;"),
    ):
        text = text.replace(character, entity)
    return _line(text)


def _dot_text(text: str) -> str:
    escaped = _line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
