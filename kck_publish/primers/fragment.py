"""FragmentPrimer: a rendered piece of a page as a product. ``{% product %}`` puts it in a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from inspect import getattr_static
from typing import Any

from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.template.loader_tags import ExtendsNode, IncludeNode

from ..exceptions import InvalidPrimer
from ..public_names import public_in
from .base import Primer
from .check_methods import check_method


class TemplateVersion:
    """The version of a fragment: its own, and that of the templates that it is made by.

    So a fragment is primed anew when a deploy brings another template.
    """

    def __init__(self, version: int = 1) -> None:
        self._version = version

    def __get__(self, instance: object, owner: type[FragmentPrimer]) -> str:
        digest = blake2b(str(self._version).encode(), digest_size=8)
        for name, source in sorted(_sources(owner.template_name, {}).items()):
            digest.update(f"\n{name}\n{source}".encode())
        return digest.hexdigest()


@public_in("kck_publish")
class FragmentPrimer(Primer):
    """A primer whose value is what a template renders.

    It is rendered in the listener, for everybody: there is no request, and no user.

    Attributes:
        template_name: the template.
        version: ``TemplateVersion(2)`` after a change that no template shows.
    """

    template_name: str
    version: Any = TemplateVersion()

    @classmethod
    def _announce(cls) -> None:
        template: object = getattr(cls, "template_name", None)
        renders = cls.compute is FragmentPrimer.compute
        needed = renders or isinstance(getattr_static(cls, "version"), TemplateVersion)
        if needed and not (isinstance(template, str) and template):
            raise InvalidPrimer(f"{cls.key}: template_name is a template's name, not {template!r}.")
        if renders and isinstance(cls.parameters, Sequence):  # else it is refused for that
            names = [parameter.name for parameter in cls.parameters]
            check_method(cls.key, cls, "context", (), names)
        super()._announce()

    def context(self, *args: Any, **parameters: Any) -> Mapping[str, Any]:
        """``context(**parameters)``: what the template is given; the parameters as they are."""
        return parameters

    def compute(self, *args: Any, **parameters: Any) -> str:
        """The rendered template."""
        return get_template(self.template_name).render(dict(self.context(**parameters)))


def _sources(name: str, sources: dict[str, str]) -> dict[str, str]:
    """The source of a template, and of those that it includes or extends by a constant name.

    Another engine than Django's does not show its sources; then the name stands for it.
    """
    if name not in sources:
        try:
            template: Any = getattr(get_template(name), "template", None)
        except TemplateDoesNotExist:
            template = None  # the compute says so
        sources[name] = str(getattr(template, "source", ""))
        for other in _named_by(template):
            _sources(other, sources)
    return sources


def _named_by(template: Any) -> Iterator[str]:
    nodes = getattr(template, "nodelist", None)
    if nodes is None:
        return
    named = [node.template for node in nodes.get_nodes_by_type(IncludeNode)]
    named += [node.parent_name for node in nodes.get_nodes_by_type(ExtendsNode)]
    yield from (expression.var for expression in named if isinstance(expression.var, str))
