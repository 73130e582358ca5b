"""``live = [IsAdminUser | IsOwner]``: REST framework's permissions as the rule of who may see.

They are asked as the framework asks them for a retrieve of the row: by a view of their own, since
a stream, a poll and a ProductView have none. The row is that of its table, so a right that is taken
back ends with the next question.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404, HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import OperationHolderMixin
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from ...conf import settings
from ...exceptions import KeyParameterMismatch
from ...products.rights import Public, allows, user_of

if TYPE_CHECKING:
    from .products import SerializerProduct


def rule_of(said: Any, product: SerializerProduct) -> Any:
    """What ``live`` says, with REST framework's permissions as a callable that asks them.

    Of a product with one value a user, each user sees only the own ones, unless a callable, which
    is told whose value it is, says otherwise.
    """
    classes = [said] if _is_permission(said) else said
    if isinstance(classes, list | tuple) and classes and all(map(_is_permission, classes)):
        return LivePermissions(classes, product)
    if product.primer.per_user and (said is Public or isinstance(said, str | list | tuple)):
        return OwnValues(said, product)
    return said


def _is_permission(said: object) -> bool:
    """Whether it is a permission class, or several that ``&``, ``|`` and ``~`` have joined."""
    return isinstance(said, OperationHolderMixin)


class OwnValues:
    """Whether a rule allows it, and the value is that of the request's own user.

    Args:
        rule: what ``live`` says.
        product: with one value a user.
    """

    def __init__(self, rule: Any, product: SerializerProduct) -> None:
        self._rule = rule
        self._product = product

    def __call__(self, request: HttpRequest, parameters: Mapping[str, Any]) -> bool:
        """Ask the rule about the own value. Raises as ``LivePermissions`` does."""
        typed = _typed(self._product, parameters)
        return (
            typed is not None
            and _is_own(self._product, request, typed)
            and allows(self._rule, request, typed)
        )


def _typed(product: SerializerProduct, parameters: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The parameters as a key's; None where they are no key's."""
    try:
        return product.parameters_of(product.key_of(parameters))
    except KeyParameterMismatch:
        if parameters.keys() != {parameter.name for parameter in product.parameters}:
            raise  # it is the URL pattern that is wrong, not the URL
        return None


def _is_own(product: SerializerProduct, request: HttpRequest, typed: Mapping[str, Any]) -> bool:
    user = user_of(request)
    own = user.pk if user.is_authenticated else None
    return not product.primer.per_user or typed["user"] == own


class LivePermissions:
    """Whether all permissions of a product let a request see one row.

    Args:
        classes: the permissions.
        product: of the rows; of a product with one value a user, the user sees only the own ones.
    """

    def __init__(self, classes: Sequence[Any], product: SerializerProduct) -> None:
        self._classes = classes
        self._product = product

    def __call__(self, request: HttpRequest, parameters: Mapping[str, Any]) -> bool:
        """Ask them about the row of a key's parameters; no, of what is no key's.

        Raises:
            KeyParameterMismatch: these are not the names of the parameters.
            ConfigurationError: no middleware says who the user is.
        """
        product = self._product
        typed = _typed(product, parameters)
        if typed is None or not _is_own(product, request, typed):
            return False
        row_key = {parameter.name: typed[parameter.name] for parameter in product.row_parameters}
        rows = product.model._base_manager.using(settings.DATABASE)
        values = tuple(row_key.values())
        asked = _as_retrieve(request)
        view = _RetrieveView()
        view.permission_classes, view.queryset = self._classes, rows.all()
        view.serializer_class = product.primer.serializer_class
        view.request, view.args, view.format_kwarg = asked, (), None
        view.kwargs = {"pk": values[0] if len(values) == 1 else values}
        try:
            view.check_permissions(asked)
            view.check_object_permissions(asked, rows.get(**row_key))
        except (APIException, PermissionDenied, Http404, ObjectDoesNotExist):
            return False
        return True


class _RetrieveView(GenericViewSet):
    """The view that permissions are shown: it retrieves a row, and answers nothing."""

    action, action_map = "retrieve", {"get": "retrieve"}
    basename, detail = None, True
    filter_backends = ()


class _DjangoUser(BaseAuthentication):
    """The user is that of Django's request: the session's, or what a middleware has found."""

    def authenticate(self, request: Any) -> tuple[Any, Any] | None:
        """The user, and ``request.auth`` where a middleware has put one there."""
        known = request._request
        return (known.user, getattr(known, "auth", None)) if known.user.is_authenticated else None


def _as_retrieve(request: HttpRequest) -> Any:
    """REST framework's request; a copy, whose user nobody changes for the stream."""
    plain = copy.copy(request)
    plain.method = "GET"  # who may only ask for OPTIONS sees no value
    return Request(plain, authenticators=[_DjangoUser()])
