"""Who may see a product in a browser: what ``live`` may say, and what it answers. Pure.

The live hub, its view sets and ``ProductView`` ask the same rule. Closed by default: what says
nothing is seen by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import isawaitable, signature
from typing import Any, TypeAlias, cast

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db.models.fields.related_descriptors import (
    ForwardManyToOneDescriptor,
    ReverseManyToOneDescriptor,
    ReverseOneToOneDescriptor,
)
from django.db.models.query_utils import DeferredAttribute
from django.http import HttpRequest

from ..exceptions import ConfigurationError
from ..public_names import public_in
from .run_async import is_async


@public_in("kck_publish")
class Public:
    """Everybody may see it: ``live = Public``."""


Rule: TypeAlias = (
    type[Public] | str | Sequence[str] | Callable[[HttpRequest, Mapping[str, Any]], bool] | None
)


_FIELDS = (
    DeferredAttribute,
    ForwardManyToOneDescriptor,
    ReverseManyToOneDescriptor,
    ReverseOneToOneDescriptor,
)


def is_field(value: object) -> bool:
    """Whether a model's field, or relation, has the option's name: then the model says nothing."""
    return isinstance(value, _FIELDS)


def problem(rule: object) -> str | None:
    """Why a rule cannot work; None when it can."""
    if rule is None or rule is Public or is_field(rule):
        return None
    if callable(rule) and not isinstance(rule, type):  # an object of a class is true: all may see
        return _problem_of_call(rule)
    if isinstance(rule, str) and rule.lower() == "public":
        return f"live = {rule!r} is a permission that nobody has: from kck_publish import Public"
    if isinstance(rule, str) and rule:
        return None
    if isinstance(rule, list | tuple) and all(isinstance(name, str) and name for name in rule):
        return None
    return (
        "live is Public, a permission, a list of permissions, a callable(request, parameters), "
        f"or None (of a SerializerPrimer also REST framework's permissions), not {rule!r}"
    )


def _problem_of_call(rule: Callable[..., Any]) -> str | None:
    """Why a callable cannot tell who may see; None when it can, or when its form is not known."""
    if is_async(rule):
        return "live must not be async: a callable says True or False"
    try:
        signature(rule, follow_wrapped=False).bind(None, None)
    except TypeError:
        return f"live is called as (request, parameters), also in a class, and takes {rule!r}"
    except ValueError:
        pass
    return None


def says(rule: object) -> bool:
    """Whether a rule opens anything to anybody."""
    return rule is not None and not is_field(rule)


def allows(rule: object, request: HttpRequest, parameters: Mapping[str, Any]) -> bool:
    """Whether a request may see the value of these parameters.

    Args:
        rule: what ``live`` says.
        request: with ``user``, where the rule asks for permissions.
        parameters: the typed parameters of the key.

    Raises:
        ConfigurationError: a permission is asked for, and no middleware says who the user is.
        what the product's own callable raises, but for ObjectDoesNotExist and PermissionDenied,
            which are a no.
    """
    if rule is Public:
        return True
    if not says(rule):
        return False
    if callable(rule):
        try:
            allowed = rule(request, parameters)
        except (ObjectDoesNotExist, PermissionDenied):  # as of the row that it asks about
            return False
        if isawaitable(allowed):  # which is true, whatever it would say
            raise ConfigurationError("A callable in live must not be async: it says True or False.")
        return bool(allowed)
    user = user_of(request)
    needed = (rule,) if isinstance(rule, str) else cast("Sequence[str]", rule)
    return bool(user.is_authenticated and user.has_perms(needed))


def user_of(request: HttpRequest) -> Any:
    """Who asks, of whom permissions are asked. Raises ConfigurationError where nobody says so."""
    user = getattr(request, "user", None)
    if user is None:
        raise ConfigurationError(
            "A permission is asked for, and the request has no user: put AuthenticationMiddleware "
            "into MIDDLEWARE."
        )
    return user


def has_permission(user: Any, permission: str) -> bool:
    """Whether a user has it: one of a project's own kind may know no permissions, and has none."""
    return hasattr(user, "has_perm") and bool(user.has_perm(permission))
