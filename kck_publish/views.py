"""ProductView: a product's stored bytes as an HTTP answer. A leaf above the read path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.generic.base import View

from .exceptions import Behind, ConfigurationError, KeyParameterMismatch, NotPrimed
from .primers.base import Primer
from .primers.product import name_of
from .products import registry, rights
from .products.product import Product
from .products.rights import Public, Rule
from .products.run_async import is_async
from .public_names import public_in
from .reading.compressed import compressed, say_coding
from .reading.http import Tagged, conditional, tagged


@public_in("kck_publish")
class ProductView(View):
    """Serves a product; the parameters of the URL are those of the primer.

        path("authors/<int:author>/", ProductView.as_view(primer=AuthorPage, public=True))

    Who may see it has to be said: by the primer's ``live``, or here by ``public=True``,
    ``permission_required`` (one permission or several; an empty list is anybody who is logged in),
    or an own ``has_permission()``. What is said here goes before what the primer says.

    Attributes:
        primer: the Primer, or the key of the product.
        public: everybody may see it.
        permission_required: the permissions that one needs to see it.
        content_type: of the answer.
    """

    http_method_names = ["get", "head", "options"]
    primer: type[Primer] | str | None = None
    public: bool = False
    permission_required: str | Sequence[str] | None = None
    content_type: str = "application/json"

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """The view.

        Raises:
            ConfigurationError: no primer is named, or nobody has said who may see it.
        """
        if (initkwargs.get("primer") or cls.primer) is None:
            raise ConfigurationError(f"{cls.__name__}.as_view needs primer=: what it serves.")
        if is_async(cls.has_permission):  # an answer that nobody awaits is true
            raise ConfigurationError(f"{cls.__name__}.has_permission must not be async def.")
        said = cls.has_permission is not ProductView.has_permission
        said = said or bool(initkwargs.get("public", cls.public))
        served = initkwargs.get("primer") or cls.primer
        served = registry.find(served) if isinstance(served, str) else served
        said = said or rights.says(getattr(served, "live", None))
        if not said and initkwargs.get("permission_required", cls.permission_required) is None:
            raise ConfigurationError(
                f"{cls.__name__} does not say who may see it: say live=... on the primer, pass "
                "public=True or permission_required=..., or write has_permission(self)."
            )
        return super().as_view(**initkwargs)

    def has_permission(self) -> bool:
        """Whether this request may see it; its parameters are in ``self.kwargs``."""
        rule: Rule = Public if self.public else self.permission_required
        if rule is not None:
            return rights.allows(rule, self.request, self.kwargs)
        product, parameters = self.product, self.kwargs
        if callable(product.live) and product.live is not Public:
            with suppress(KeyParameterMismatch):  # which is answered as by ``get``
                parameters = product.parameters_of(product.key_of(parameters))
        return rights.allows(product.live, self.request, parameters)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not self.has_permission():
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, **parameters: Any) -> HttpResponseBase:
        """The stored bytes, a 304 for who has them, a 404 where there is no such product."""
        product = self.product
        try:
            answer = self.read(product, parameters)
        except Behind:
            return HttpResponse(status=503, headers={"Retry-After": "1"})
        codings = product.content_encodings
        if codings:
            answer = compressed(request, codings, answer)
        response = HttpResponse(answer.body, content_type=self.content_type)
        if codings:
            say_coding(response, answer)
        # It may change at any time; who asks again is answered by its tag.
        open_to_all = self.public or self._is_left_public(product)
        who = "public, no-cache" if open_to_all else "private, no-cache"
        response.headers["Cache-Control"] = who
        return conditional(request, response, answer.etag, answer.modified)

    def _is_left_public(self, product: Product) -> bool:
        """Whether nothing here goes before the primer, which says that everybody may see it."""
        own = type(self).has_permission is not ProductView.has_permission
        return not own and self.permission_required is None and product.live is Public

    @property
    def product(self) -> Product:
        """The product that is served. Raises UnknownProduct."""
        assert self.primer is not None
        return registry.get(self.primer if isinstance(self.primer, str) else name_of(self.primer))

    def read(self, product: Product, parameters: dict[str, Any]) -> Tagged:
        """The bytes of the value for these parameters, with their validators.

        Raises:
            Http404: there is no such value.
            KeyParameterMismatch: the URL does not name the primer's parameters.
        """
        try:
            return tagged(product, parameters)
        except (ObjectDoesNotExist, KeyParameterMismatch, NotPrimed):
            if parameters.keys() != {parameter.name for parameter in product.parameters}:
                raise  # it is the URL pattern that is wrong, not the URL
            raise Http404(f"There is no such {product.name}.") from None
