"""The page of what an audit has found, which an operator has asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse

from ..log.keys import product_of
from ..ops.verify import Report
from ..products import registry
from .rights import may_see_value

if TYPE_CHECKING:
    from .page import Page

# Seconds that an audit waits for the listener, and in which it begins keys. A request should not
# take longer; ``kck_verify`` takes the time that it needs.
PATIENCE, SECONDS = 5.0, 15.0


def verified(
    page: Page, request: HttpRequest, report: Report, wanted: int | None = None
) -> HttpResponse:
    """The report; where values differ, it is shown to those who may see them.

    Args:
        wanted: how many keys there were; None where that is not known.
    """
    findings = [
        (finding, finding.difference if may_see_value(request, product) else None)
        for finding in report.findings
        for product in [registry.find(finding.key)]
    ]
    wrong = sum(finding.kind in ("different", "failing") for finding in report.findings)
    context = {
        "report": report,
        "findings": findings,
        "wrong": wrong,
        "wanted": wanted,
        "title": "Verified",
        "product_of": product_of,
    }
    return page.render(request, "verified.html", context)
