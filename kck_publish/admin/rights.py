"""Who may see the pages, act, and see values. A superuser may; others need a permission."""

from __future__ import annotations

from django.http import HttpRequest

from ..ops.show_value import may_be_shown
from ..products.product import Product

OPERATE, VIEW_VALUE = "kck_publish.operate", "kck_publish.view_value"


def may_see(request: HttpRequest, table: str) -> bool:
    """Whether the user may see what is in a table of the library's: by its permission, or any act.

    Args:
        table: the name of its model, in small letters.
    """
    user = request.user
    return bool(user.has_perm(f"kck_publish.view_{table}") or user.has_perm(OPERATE))


def may_operate(request: HttpRequest) -> bool:
    """Whether the user may retry, discard, refresh, verify, remove, pause and resume."""
    return bool(request.user.has_perm(OPERATE))


def may_see_value(request: HttpRequest, product: Product | None) -> bool:
    """Whether the user may see values, and the product lets them be shown."""
    return bool(request.user.has_perm(VIEW_VALUE)) and may_be_shown(product)


def may_see_messages(request: HttpRequest) -> bool:
    """Whether the user may see what errors say, which may hold values.

    Of a product whose values are not to be shown nobody may: see ``ops.show_value``.
    """
    return may_operate(request) or bool(request.user.has_perm(VIEW_VALUE))
