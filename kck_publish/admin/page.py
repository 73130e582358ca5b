"""What the pages share: who may see them, their addresses, and the way from a button to an act."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from ..conf import settings
from ..exceptions import KckPublishError
from ..postgres import Cursor
from .acts import Act, Selection
from .rights import may_operate, may_see

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    AnyModelAdmin = admin.ModelAdmin

View = Callable[..., HttpResponse]
# Rows of a page.
SIZE = 100


class Page(AnyModelAdmin):
    """A page of the library's: it lists what is there, and has buttons. There are no forms."""

    table: ClassVar[str]
    template: ClassVar[str]

    def acts(self) -> Mapping[str, Act]:
        """The buttons, by name."""
        return {}

    def listing(self, request: HttpRequest) -> dict[str, Any]:
        """What the template shows."""
        raise NotImplementedError

    def which(self, request: HttpRequest) -> str:
        """What matches the request's filters, in words."""
        filters = [f"{name}={value}" for name, value in sorted(request.GET.items()) if value]
        return f"all that match {', '.join(filters)}" if filters else "all"

    # Who may what.

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_see(request, self.table)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_see(request, self.table)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # Addresses.

    def get_urls(self) -> list[URLPattern]:
        return [self.address("", self.changelist_view, "changelist")]

    def address(self, route: str, view: View, name: str) -> URLPattern:
        """An address of this page, for those who may see it.

        What an act does is committed by itself, whatever a project does of requests.
        """

        def seen(request: HttpRequest, *args: Any, **parameters: Any) -> HttpResponse:
            if not self.has_view_permission(request):
                raise PermissionDenied
            return view(request, *args, **parameters)

        guarded = transaction.non_atomic_requests(using=settings.DATABASE)(
            self.admin_site.admin_view(seen)
        )
        options = self.model._meta
        return path(route, guarded, name=f"{options.app_label}_{options.model_name}_{name}")

    # The list, and what is done from it.

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list; by POST, an act on what is in it."""
        if request.method == "POST":
            return self._act(request)
        return self.render(request, self.template, self.listing(request))

    def render(
        self, request: HttpRequest, template: str, context: Mapping[str, Any]
    ) -> TemplateResponse:
        """A page, with what every page needs.

        Args:
            template: its name in our folder.
        """
        options = self.model._meta
        common = {
            **self.admin_site.each_context(request),
            "opts": options,
            "title": str(options.verbose_name_plural).capitalize(),
            "acts": self.acts() if may_operate(request) else {},
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, f"kck_publish/admin/{template}", {**common, **context})

    def _act(self, request: HttpRequest) -> HttpResponse:
        if not may_operate(request):
            raise PermissionDenied
        name = request.POST.get("act", "")
        act = self.acts().get(name)
        if act is None:
            return HttpResponseBadRequest("There is no such act.")
        everything = "all" in request.POST
        names = [] if everything else request.POST.getlist("name")
        selection = Selection(names, everything, self.which(request))
        if not names and not everything:
            messages.warning(request, "Nothing is selected.")
            return HttpResponseRedirect(request.get_full_path())
        if (act.confirm or everything) and "confirmed" not in request.POST:
            context = {"act": act, "act_name": name, "selection": selection, "title": act.label}
            return self.render(request, "confirm.html", context)
        return self._done(request, act, selection)

    def _done(self, request: HttpRequest, act: Act, selection: Selection) -> HttpResponse:
        try:
            done = act.run(request, selection)
        except KckPublishError as error:
            messages.error(request, str(error))
        except DatabaseError as error:
            if not isinstance(error.__cause__, psycopg.errors.InsufficientPrivilege):
                raise
            messages.error(
                request,
                "The role of this web process may not do that: it needs the grants of a listener.",
            )
        else:
            if isinstance(done, HttpResponse):
                return done
            messages.success(request, done)
        return HttpResponseRedirect(request.get_full_path())

    def cursor(self) -> Cursor:
        """A cursor of the library's database."""
        return connections[settings.DATABASE].cursor()
