"""Write what a product lacks into the file that declares it: ``kck_suggest --write``."""

from __future__ import annotations

import inspect
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..exceptions import ConfigurationError
from ..rows.methods import MethodProduct
from .suggestion import Suggestion


def write(found: Suggestion) -> str:
    """Add the missing declarations of a product to its file.

    Returns:
        the file, and the name of what was changed in it.

    Raises:
        ConfigurationError: it cannot be written, with the reason.
    """
    if find_spec("libcst") is None:
        raise ConfigurationError(
            "kck_suggest --write changes files with libcst: pip install kck-publish[suggest]."
        )
    import libcst
    from libcst.codemod import CodemodContext
    from libcst.codemod.visitors import AddImportsVisitor

    from .declaration_writer import Writer, bound_names

    product: Any = found.product
    names = product.sender.__qualname__.split(".")
    if isinstance(product, MethodProduct):
        names.append(product.method.name)
    file = inspect.getsourcefile(product.sender) if "<locals>" not in names else None
    if hasattr(product.sender, "function"):
        file = inspect.getsourcefile(product.sender.function)
    if file is None:
        raise _unwritable(found, "its file is not known")
    path = Path(file)
    tree = libcst.parse_module(path.read_text())
    context = CodemodContext(full_module_name=product.sender.__module__)
    home = product.sender.__module__
    texts, bound = list[str](), bound_names(tree)
    for each in found.missing:
        module, name = each.imports
        if (text := product.dependency_text(each)) != str(each):  # it needs no import
            texts.append(text)
            continue
        if module == home and _stands_below(tree, name, names[0]):
            raise _unwritable(found, f"{name} stands below {names[0]}")
        taken = module != home and bound.get(name, module) != module
        known = f"{each.model._meta.app_label.title()}{name}" if taken else name
        if module != home:
            AddImportsVisitor.add_needed_import(context, module, name, known if taken else None)
        bound[known] = module
        texts.append(each.named(known))
    if any("Depends(" in text for text in texts):
        AddImportsVisitor.add_needed_import(context, "kck_publish", "Depends")
    changed = tree.visit(Writer(found, names, texts))
    if changed.deep_equals(tree):
        raise _unwritable(found, f"no {'.'.join(names)} with a list was found in {file}")
    path.write_text(AddImportsVisitor(context).transform_module(changed).code)
    return f"{file}: {'.'.join(names)}"


def _stands_below(tree: Any, name: str, other: str) -> bool:
    """Whether a class is defined after another one."""
    order = [getattr(getattr(line, "name", None), "value", None) for line in tree.body]
    return name in order and other in order and order.index(name) > order.index(other)


def _unwritable(found: Suggestion, why: str) -> ConfigurationError:
    lines = "\n    ".join(found.lines)
    return ConfigurationError(f"{found.product.name}: {why}; write by hand:\n    {lines}")
