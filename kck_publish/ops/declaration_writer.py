"""Changes entries of a ``depends_on`` in a source text, by libcst; all else stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import libcst

from ..products.suggested import missing_columns
from .suggestion import Suggestion

# Their arguments hold a ``depends_on``.
_DECORATORS = ("primer", "cached_method")


class Writer(libcst.CSTTransformer):
    """Adds to ``depends_on`` of one class, or of one decorated function.

    Args:
        found: what is missing.
        names: of the class, or of the function, from the module on.
        texts: the missing dependencies.
    """

    def __init__(self, found: Suggestion, names: Sequence[str], texts: Sequence[str]) -> None:
        super().__init__()
        self._found = found
        self._texts = texts
        self._names = list(names)
        self._at: list[str] = []

    def visit_ClassDef(self, node: libcst.ClassDef) -> None:  # noqa: N802
        self._at.append(node.name.value)

    def visit_FunctionDef(self, node: libcst.FunctionDef) -> None:  # noqa: N802
        self._at.append(node.name.value)

    def leave_ClassDef(  # noqa: N802
        self, original_node: libcst.ClassDef, updated_node: libcst.ClassDef
    ) -> libcst.ClassDef:
        here = self._at == self._names
        self._at.pop()
        return self._with_attribute(updated_node) if here else updated_node

    def leave_FunctionDef(  # noqa: N802
        self, original_node: libcst.FunctionDef, updated_node: libcst.FunctionDef
    ) -> libcst.FunctionDef:
        here = self._at == self._names
        self._at.pop()
        if not here:
            return updated_node
        decorators = [self._decorator(each) for each in updated_node.decorators]
        return updated_node.with_changes(decorators=decorators)

    def _with_attribute(self, node: libcst.ClassDef) -> libcst.ClassDef:
        body: list[Any] = []
        place: int | None = None
        for number, line in enumerate(node.body.body):
            small: Any = line.body[0] if isinstance(line, libcst.SimpleStatementLine) else None
            target = _target(small)
            if target == "depends_on":
                value = self._list(small.value)
                line = line.with_changes(body=[small.with_changes(value=value)])
                place = -1
            elif target in ("key", "parameters") and place != -1:
                place = number + 1
            body.append(line)
        if place != -1:
            body.insert(place or 0, self._statement())
        return node.with_changes(body=node.body.with_changes(body=body))

    def _statement(self) -> Any:
        statement = libcst.parse_statement("depends_on = [\n    0,\n]")
        assert isinstance(statement, libcst.SimpleStatementLine)
        (assignment,) = statement.body
        assert isinstance(assignment, libcst.Assign)
        assert isinstance(assignment.value, libcst.List)
        value = self._list(assignment.value.with_changes(elements=[]))
        return statement.with_changes(body=[assignment.with_changes(value=value)])

    def _decorator(self, node: libcst.Decorator) -> libcst.Decorator:
        call = node.decorator
        name = call.func if isinstance(call, libcst.Call) else call
        if libcst.Module([]).code_for_node(name).rpartition(".")[2] not in _DECORATORS:
            return node
        arguments = list(call.args) if isinstance(call, libcst.Call) else []
        kept = [each for each in arguments if not _is(each, "depends_on")]
        given = next((each.value for each in arguments if _is(each, "depends_on")), None)
        value = self._list(given if given is not None else libcst.List([]))
        equal = libcst.AssignEqual(libcst.SimpleWhitespace(""), libcst.SimpleWhitespace(""))
        argument = libcst.Arg(value, keyword=libcst.Name("depends_on"), equal=equal)
        return node.with_changes(decorator=libcst.Call(name, [*kept, argument]))

    def _list(self, value: Any) -> Any:
        """A list or tuple with what is missing; any other expression stays as it is."""
        if not isinstance(value, libcst.List | libcst.Tuple):
            return value
        elements = [each.with_changes(value=self._wider(each.value)) for each in value.elements]
        new = [libcst.Element(libcst.parse_expression(each)) for each in self._texts]
        if not new:
            return value.with_changes(elements=elements)
        between = _between(value)
        if between is None:
            kept = [each.with_changes(comma=libcst.MaybeSentinel.DEFAULT) for each in elements]
            return value.with_changes(elements=[*kept, *new])
        last = [each.with_changes(comma=libcst.Comma(whitespace_after=between)) for each in new]
        last[-1] = last[-1].with_changes(comma=libcst.Comma())
        for place, each in enumerate(elements[-1:], len(elements) - 1):
            elements[place] = each.with_changes(comma=libcst.Comma(whitespace_after=between))
        return value.with_changes(elements=[*elements, *last])

    def _wider(self, value: Any) -> Any:
        """A ``Depends(..., columns=[...])`` with the columns that it lacks."""
        code = libcst.Module([]).code_for_node(value)
        for dependency in self._found.product.depends_on:
            more = missing_columns(dependency, self._found.undeclared)
            name = getattr(dependency.on, "__name__", None)
            if more and isinstance(value, libcst.Call) and code.startswith(f"Depends({name},"):
                return value.with_changes(
                    args=[
                        each.with_changes(value=_longer(each.value, more))
                        if _is(each, "columns")
                        else each
                        for each in value.args
                    ]
                )
        return value


def bound_names(tree: Any) -> dict[str, str]:
    """The names of a module, each with the module that it is imported from, "" for its own."""
    found: dict[str, str] = {}
    for line in tree.body:
        if isinstance(line, libcst.ClassDef | libcst.FunctionDef):
            found[line.name.value] = ""
        for small in line.body if isinstance(line, libcst.SimpleStatementLine) else ():
            if isinstance(small, libcst.ImportFrom) and not isinstance(
                small.names, libcst.ImportStar
            ):
                named = tree.code_for_node(small.module) if small.module else ""
                for alias in small.names:
                    name = alias.evaluated_alias or alias.evaluated_name
                    found[name] = "." * len(small.relative) + named
            elif (target := _target(small)) is not None:
                found[target] = ""
    return found


def _is(argument: Any, keyword: str) -> bool:
    return argument.keyword is not None and argument.keyword.value == keyword


def _between(value: Any) -> Any:
    """The whitespace before each entry of a list with an entry a line; None of another one."""
    bracket = value.lbracket if isinstance(value, libcst.List) else next(iter(value.lpar), None)
    first = None if bracket is None else bracket.whitespace_after
    if not isinstance(first, libcst.ParenthesizedWhitespace):
        return None
    return first.with_changes(first_line=libcst.TrailingWhitespace(), empty_lines=[])


def _longer(value: Any, more: Sequence[str]) -> Any:
    names = [libcst.Element(libcst.SimpleString(f'"{name}"')) for name in more]
    return value.with_changes(elements=[*value.elements, *names])


def _target(statement: Any) -> str | None:
    """The name that a statement of a class body sets."""
    if isinstance(statement, libcst.Assign) and len(statement.targets) == 1:
        target = statement.targets[0].target
    elif isinstance(statement, libcst.AnnAssign):
        target = statement.target
    else:
        return None
    return target.value if isinstance(target, libcst.Name) else None
