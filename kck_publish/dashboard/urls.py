"""``path("kck/", include("kck_publish.dashboard.urls"))``."""

from __future__ import annotations

from django.urls import path

from .assets import asset
from .graph import GraphPage
from .overview import Overview
from .products import ProductPage, Products

app_name = "kck_publish_dashboard"
urlpatterns = [
    path("", Overview.as_view(), name="overview"),
    path("data.json", Overview.as_view(as_data=True), name="overview-data"),
    path("products/", Products.as_view(), name="products"),
    path("products/data.json", Products.as_view(as_data=True), name="products-data"),
    path("products/<str:name>/", ProductPage.as_view(), name="product"),
    path("products/<str:name>/data.json", ProductPage.as_view(as_data=True), name="product-data"),
    path("graph/", GraphPage.as_view(), name="graph"),
    path("graph/data.json", GraphPage.as_view(as_data=True), name="graph-data"),
    path("assets/<str:digest>/<str:name>", asset, name="asset"),
]
