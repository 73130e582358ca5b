"""Products that are found by paths: of every kind of relation, and with several parameters."""

from __future__ import annotations

from typing import Any, ClassVar

from kck_publish import (
    AggregatePrimer,
    Change,
    Count,
    Depends,
    IntegerParameter,
    Primer,
    Set,
    StringParameter,
    Sum,
    Top,
)

from .models import City, Country, Label, Market, Sale, Shop, Ware

AMOUNT = ["amount"]
PLACE = "shop__city__country"
# What was shown to an augment.
augmented: list[str] = []


def amounts(**found_by: Any) -> list[Any]:
    """The sales that these lookups find, as one sees them."""
    rows = Sale.objects.filter(**found_by).order_by("pk", "amount")
    return [list(row) for row in rows.values_list("pk", "amount")]


class CountrySales(Primer):
    key = "atlas_country"
    parameters = (IntegerParameter("country"),)
    depends_on = (Depends(Sale, country="shop__city__country", columns=AMOUNT),)

    def compute(self, country: int) -> Any:
        return amounts(shop__city__country=country)


class CountryBrandSales(Primer):
    """Two tables tell the key."""

    key = "atlas_country_brand"
    parameters = (IntegerParameter("country"), StringParameter("brand"))
    depends_on = (
        Depends(Sale, country="shop__city__country", brand="ware__brand", columns=AMOUNT),
    )

    def compute(self, country: int, brand: str) -> Any:
        return amounts(shop__city__country=country, ware__brand=brand)


class ShopCountrySales(Primer):
    """Two tables of one path."""

    key = "atlas_shop_country"
    parameters = (StringParameter("shop"), IntegerParameter("country"))
    depends_on = (Depends(Sale, shop="shop", country="shop__city__country", columns=AMOUNT),)

    def compute(self, shop: str, country: int) -> Any:
        return amounts(shop=shop, shop__city__country=country)


class CitySales(Primer):
    """NULL is a city, too."""

    key = "atlas_city"
    parameters = (IntegerParameter("city", null=True),)
    depends_on = (Depends(Sale, city="shop__city", columns=AMOUNT),)

    def compute(self, city: int | None) -> Any:
        return amounts(shop__city__isnull=True) if city is None else amounts(shop__city=city)


class LabelCities(Primer):
    """Backward, and through many-to-many."""

    key = "atlas_labels"
    parameters = (IntegerParameter("city"), IntegerParameter("maker", null=True))
    depends_on = (
        Depends(Label, city="ware__sale__shop__city", maker="ware__maker__pk", columns=["name"]),
    )

    def compute(self, city: int, maker: int | None) -> Any:
        rows = Label.objects.filter(
            ware__sale__shop__city=city,
            **({"ware__maker__pk__isnull": True} if maker is None else {"ware__maker__pk": maker}),
        )
        return sorted(rows.values_list("name", flat=True))


class LabelWares(Primer):
    """NULL is the wares that have no label."""

    key = "atlas_wares"
    parameters = (IntegerParameter("label", null=True),)
    depends_on = (Depends(Ware, label="labels", columns=["brand"]),)

    def compute(self, label: int | None) -> Any:
        found = {"labels__isnull": True} if label is None else {"labels": label}
        return sorted(Ware.objects.filter(**found).values_list("brand", flat=True))


class CountryMarkets(Primer):
    """The relation is the parent's."""

    key = "atlas_markets"
    parameters = (IntegerParameter("country"), IntegerParameter("staff"))
    depends_on = (Depends(Market, country="city__country", staff="staff", columns=["halls"]),)

    def compute(self, country: int, staff: int) -> Any:
        rows = Market.objects.filter(city__country=country, staff=staff).order_by("pk")
        return list(rows.values_list("halls", flat=True))


class CountryTotal(Primer):
    """Amended by the sales; what moves on the way has it primed."""

    key = "atlas_total"
    parameters = (IntegerParameter("country"), StringParameter("brand"))
    depends_on = (
        Depends(Sale, country="shop__city__country", brand="ware__brand", columns=AMOUNT),
    )

    def compute(self, country: int, brand: str) -> int:
        return sum(amount for _, amount in amounts(shop__city__country=country, ware__brand=brand))

    def augment(self, value: int, change: Change, country: int, brand: str) -> int:
        augmented.append(change.op)
        for image, sign in ((change.old, -1), (change.new, 1)):
            if image is not None and (image[PLACE], image["ware__brand"]) == (country, brand):
                value += sign * image["amount"]
        return value


class Everything(Primer):
    """All columns are captured for it: other products may be declared later."""

    key = "atlas_everything"
    depends_on = (Country, City, Shop, Market, Label, Ware, Ware.labels.through, Sale)

    def compute(self) -> None:
        return None

    def augment(self, value: None, change: Change) -> None:
        return None


class CountryRevenue(AggregatePrimer):
    """Rows, and conditions on them, are found by joins."""

    key = "atlas_revenue"
    parameters = (IntegerParameter("country"),)
    source = Depends(Sale, country="shop__city__country")
    values: ClassVar[Any] = {
        "sales": Count(),
        "revenue": Sum("amount", where={"ware__active": True}),
        "staff": Sum("shop__staff"),
        "brands": Set("ware__brand", where={"shop__city__country__gt": 1}),
        "top": Top(2, columns=["ware__brand", "amount"], by="-amount"),
    }
