"""Who may see what is on a stream: asked at its start, each minute, and when the session ends."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.contrib.auth import get_user, get_user_model
from django.http import Http404, HttpRequest

from ...products.rights import allows
from .parsing import RefusedError, Wanted


def check_origin(request: HttpRequest) -> None:
    """Refuse the pages of other sites, which would read with the cookies of this one's users.

    Raises:
        RefusedError: 403.
    """
    origin = request.headers.get("Origin")
    if origin is None:  # no browser, or a page of this site
        if request.headers.get("Sec-Fetch-Site", "none") in ("cross-site", "same-site"):
            raise RefusedError(403, "Another site may not read this.")
        return
    if origin == f"{request.scheme}://{request.get_host()}":
        return
    host = urlsplit(origin).netloc
    for trusted in django_settings.CSRF_TRUSTED_ORIGINS:
        scheme, _, pattern = trusted.partition("://*")
        if origin == trusted or (
            pattern and origin.startswith(f"{scheme}://") and host.endswith(pattern)
        ):
            return
    raise RefusedError(403, "This origin is neither the site's own nor in CSRF_TRUSTED_ORIGINS.")


def allowed(request: HttpRequest, wanted: Wanted, keys: Iterable[str] | None = None) -> set[str]:
    """The keys that a request may see. It may query: run it where that is allowed."""
    found = set()
    for key in wanted.keys if keys is None else keys:
        product, parameters = wanted.keys[key]
        with suppress(Http404):  # a no of this key alone
            if allows(product.live, request, parameters):
                found.add(key)
    return found


def again(request: HttpRequest) -> HttpRequest:
    """The request as it would be now: its session is read anew, and its user with it."""
    fresh = copy.copy(request)
    session = getattr(request, "session", None)
    user = getattr(request, "user", None)
    fresh.__dict__.pop("_cached_user", None)
    fresh.__dict__.pop("_acached_user", None)
    if session is not None and session.session_key is not None:
        # Of the class, with nothing in it: the store is asked.
        engine = import_module(django_settings.SESSION_ENGINE)
        fresh.session = engine.SessionStore(session.session_key)
        if user is not None and _is_of_session(user, session):
            fresh.user = get_user(fresh)
            return fresh
    if user is not None and user.is_authenticated:  # by a token or a header
        fresh.user = _reloaded(user)
    return fresh


def without_session(request: HttpRequest) -> HttpRequest:
    """The request after its session has ended."""
    fresh = copy.copy(request)
    engine = import_module(django_settings.SESSION_ENGINE)
    fresh.session = engine.SessionStore()
    if hasattr(request, "user"):
        fresh.user = get_user(fresh)  # nobody
    return fresh


def _is_of_session(user: Any, session: Any) -> bool:
    return not user.is_authenticated or "_auth_user_id" in session


def _reloaded(user: Any) -> Any:
    from django.contrib.auth.models import AnonymousUser  # where there is a user, it is installed

    found = get_user_model()._default_manager.filter(pk=user.pk).first()
    return found if found is not None and found.is_active else AnonymousUser()
