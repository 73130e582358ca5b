"""The compute that both forms of the shop have: what querysets do not say either."""

from __future__ import annotations

from typing import Any

from oscar.apps.order.models import Order


def order_summary(number: str) -> dict[str, Any]:
    """One order by its number; why it was cancelled only where it was."""
    order = Order.objects.select_related("shipping_address").get(number=number)
    summary: dict[str, Any] = {
        "status": order.status,
        "postcode": order.shipping_address.postcode if order.shipping_address else None,
        "total": sum(line.quantity for line in order.lines.all()),
        "discounts": [str(each.amount) for each in order.discounts.order_by("pk")],
    }
    if order.status == "Cancelled":
        summary["changes"] = order.status_changes.count()
    return summary
