"""A site with the admin, as ``startproject`` makes it."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from kck_publish import Cache
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

PAGE = "<html><body>{}</body></html>"


def totals(request: HttpRequest) -> HttpResponse:
    """Reads keys one by one, or all at once; writes an item first, where it is told to."""
    groups = [int(group) for group in request.GET.getlist("group")]
    if "amount" in request.GET:
        Item.objects.filter(group=groups[0]).update(amount=int(request.GET["amount"]))
    if "together" in request.GET:
        found = ItemTotal.cached.get_many([{"group": group} for group in groups])
    else:
        found = [ItemTotal.cached.get(group=group) for group in groups]
    return HttpResponse(PAGE.format(found))


async def atotals(request: HttpRequest) -> HttpResponse:
    """The same for an asynchronous server."""
    group = int(request.GET["group"])
    if "amount" in request.GET:
        await Item.objects.filter(group=group).aupdate(amount=int(request.GET["amount"]))
    return HttpResponse(PAGE.format(await ItemTotal.cached.aget(group=group)))


def shelf(request: HttpRequest) -> HttpResponse:
    """Reads a product over products, by its key."""
    return HttpResponse(PAGE.format(Cache.get_instance().get(request.GET["key"])))


urlpatterns = [
    path("admin/", admin.site.urls),
    path("favicon.ico", lambda request: HttpResponse(status=204)),  # browsers ask for it
    path("totals/", totals),
    path("atotals/", atotals),
    path("shelf/", shelf),
    path("__debug__/", include("debug_toolbar.urls")),
]
