"""The example's addresses. A day that is no date leads nowhere (404)."""

from datetime import date

from django.contrib.auth.views import LoginView
from django.urls import include, path, register_converter

from . import views


class DayConverter:
    """``2013-01-31`` in an address."""

    regex = "[0-9]{4}-[0-9]{2}-[0-9]{2}"

    def to_python(self, value: str) -> date:
        return date.fromisoformat(value)

    def to_url(self, value: date) -> str:
        return value.isoformat()


register_converter(DayConverter, "day")

urlpatterns = [
    path("", views.home, name="home"),
    path("board/<str:airport>/<day:day>", views.board, name="board"),
    path("board/<str:airport>/<day:day>.json", views.board_json, name="board-json"),
    path("ranking", views.ranking, name="ranking"),
    path("ranking.json", views.ranking_json, name="ranking-json"),
    path("kck/", include("kck_publish.dashboard.urls")),
    path("login/", LoginView.as_view(template_name="example_app/login.html"), name="login"),
]
