"""Who may look: staff, superusers, and users with ``kck_publish.operate``. Closed to all others."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse

from ..products.rights import has_permission

OPERATE = "kck_publish.operate"
VIEW_VALUE = "kck_publish.view_value"


def refused(request: HttpRequest) -> HttpResponseBase | None:
    """None for who may look; a way to the login for who has not said who he is.

    Raises:
        PermissionDenied: for everybody else, and where the project has no users.
    """
    user = user_of(request)
    if user is None:
        raise PermissionDenied
    if not user.is_authenticated:
        from django.contrib.auth.views import redirect_to_login  # not every project has users

        return redirect_to_login(request.get_full_path(), _login())
    if user.is_active and (is_staff(user) or has_permission(user, OPERATE)):
        return None
    raise PermissionDenied


def may(request: HttpRequest, permission: str) -> bool:
    """Whether the reader has a permission."""
    return has_permission(user_of(request), permission)


def is_staff(user: Any) -> bool:
    """Whether it is of the staff, or a superuser: a project's own kind of user may know neither."""
    return bool(getattr(user, "is_staff", False) or getattr(user, "is_superuser", False))


def user_of(request: HttpRequest) -> Any:
    """The user; None where the project has no middleware that knows users."""
    return getattr(request, "user", None)


def _login() -> str:
    """The admin's login, where there is an admin; else the project's."""
    try:
        return reverse("admin:login")
    except NoReverseMatch:
        return resolve_url(django_settings.LOGIN_URL)
