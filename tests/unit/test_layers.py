"""Imports run one way, downward in the list of the design ("Shape of the code").

A module may import what stands above it, at the top of the file or inside a function. Imports for
the type checker only are exempt. A module that is not in the list fails: give it its place.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "kck_publish"

LAYERS: list[str] = [
    "exceptions",
    "public_names",
    "retry_policy",
    "search_path",
    "conf_types",
    "conf_defaults",
    "conf",
    "signals",
    "tracing",
    "chunks",
    "direct_connection",
    "postgres",
    "round_trip",
    "clock",
    "tables",
    "log_tables",
    "store_tables",
    "kafka_tables",
    "operating_tables",
    "capture",
    "log",
    "stores",
    "observed_queries",
    "products",
    "reading",
    "rows",
    "primers",
    "aggregates",
    "querysets",
    "refresh",
    "ops",
    "log_lines",
    "following",
    "listener",
    "routing",
    "diagnosis",
    "status",
    "doctor",
    "health",
    "models",
    "request",
    "views",
    "templatetags",
    "contrib",
    "dashboard",
    "admin",
    "testing",
    "pytest_plugin",
    "checks",
    "devserver",
    "apps",
    "management",
    "migrations",
]
"""Top-level modules and rooms, lowest first. `__init__` (lazy public names) may import all."""


def modules() -> list[Path]:
    return sorted((ROOT / PACKAGE).rglob("*.py"))


def layer_of(path: Path) -> str:
    """The entry of LAYERS that a file belongs to: its top-level module or package."""
    return path.relative_to(ROOT / PACKAGE).parts[0].removesuffix(".py")


def is_type_checking(node: ast.If) -> bool:
    return ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes that can run: those under `if TYPE_CHECKING:` are left out, its else is not."""
    yield node
    exempt = node.body if isinstance(node, ast.If) and is_type_checking(node) else []
    for child in ast.iter_child_nodes(node):
        if child not in exempt:
            yield from walk(child)


def imported(path: Path, source: str) -> Iterator[tuple[int, str]]:
    """The (line, full dotted name) of everything that a file of the package imports."""
    package = list(path.relative_to(ROOT).parent.parts)
    for node in walk(ast.parse(source, str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def violations(path: Path, source: str) -> list[str]:
    """What a file imports that does not stand above it."""
    own = layer_of(path)
    found = []
    for line, name in imported(path, source):
        parts = name.split(".")
        if parts[0] != PACKAGE:
            continue
        target = parts[1] if len(parts) > 1 and parts[1] in LAYERS else "__init__"
        if target == own:
            continue
        if target == "__init__":
            found.append(f"{path.name}:{line} imports {name} from the package's root")
        elif LAYERS.index(target) > LAYERS.index(own):
            found.append(f"{path.name}:{line} ({own}) imports {name}, which stands below it")
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_stands_above_it(path: Path) -> None:
    if layer_of(path) == "__init__":
        return
    assert layer_of(path) in LAYERS, f"{path.relative_to(ROOT)} has no place in LAYERS"
    assert not violations(path, path.read_text())


def test_inside_a_room_no_imports_go_round() -> None:
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in modules()}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    graph: dict[str, set[str]] = {name: set() for name in names}
    for name, path in names.items():
        for _, target in imported(path, path.read_text()):
            while target and target not in names:
                target = target.rpartition(".")[0]
            graph[name] |= {target} - {name, "", PACKAGE}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules


@pytest.mark.parametrize(
    ("file", "source", "count"),
    [
        ("reading/cache.py", "from ..listener import run", 1),
        ("reading/cache.py", "def f():\n    from kck_publish.listener import run", 1),
        ("reading/cache.py", "import kck_publish.listener", 1),
        ("reading/cache.py", "from .. import listener, stores", 1),
        ("reading/cache.py", "from kck_publish import Cache", 1),
        ("stores/near/reader.py", "from ...reading.cache import get", 1),
        ("stores/near/reader.py", "from .. import sql\nfrom ...log import keys", 0),
        ("views.py", "if TYPE_CHECKING:\n    from .testing import a\nelse:\n    import json", 0),
        ("views.py", "if TYPE_CHECKING:\n    pass\nelse:\n    from .testing import a", 1),
        (
            "listener/listener.py",
            "from kck_publish.reading.cache import get\nimport django.core",
            0,
        ),
    ],
)
def test_the_check_itself(file: str, source: str, count: int) -> None:
    assert len(violations(ROOT / PACKAGE / file, source)) == count
