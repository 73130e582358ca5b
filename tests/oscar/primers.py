"""Ten products of a shop, as a page or an API would want them, without a single declaration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Avg, Min, Sum
from oscar.apps.catalogue.models import Category, Product
from oscar.apps.order.models import Order
from oscar.apps.voucher.models import Voucher
from oscar.apps.wishlists.models import WishList

from kck_publish import IntegerParameter, Primer, StringParameter, primer
from tests.oscar.order_summary import order_summary


class ProductPage(Primer):
    """A child has the categories of its parent."""

    key = "product_page"
    parameters = [IntegerParameter("product")]

    def compute(self, product: int) -> dict[str, Any]:
        row = Product.objects.get(pk=product)
        source = row.parent if row.parent_id else row
        return {
            "title": row.title or source.title,
            "categories": [each.name for each in source.categories.order_by("pk")],
            "images": [image.caption for image in source.images.order_by("pk")],
        }

    def domain(self) -> Iterable[Mapping[str, Any]]:
        return [{"product": pk} for pk in Product.objects.values_list("pk", flat=True)]


@primer("price/<int:product>")
def price(product: int) -> dict[str, Any]:
    """The lowest price, and whether any is in stock."""
    from oscar.apps.partner.models import StockRecord

    records = StockRecord.objects.filter(product_id=product)
    return {
        "price": records.aggregate(lowest=Min("price"))["lowest"],
        "available": records.filter(num_in_stock__gt=0).exists(),
    }


class Rating(Primer):
    key = "rating"
    parameters = [IntegerParameter("product")]

    def compute(self, product: int) -> dict[str, Any]:
        row = Product.objects.get(pk=product)
        reviews = row.reviews.filter(status=1)
        return {"score": reviews.aggregate(x=Avg("score"))["x"], "count": reviews.count()}


class Attributes(Primer):
    """Attributes with their names and options, each by its own relation."""

    key = "attributes"
    parameters = [IntegerParameter("product")]

    def compute(self, product: int) -> dict[str, Any]:
        values = Product.objects.get(pk=product).attribute_values.select_related("attribute")
        return {value.attribute.name: str(value.value) for value in values.order_by("pk")}


class Listing(Primer):
    """Products of a category and of those below it: treebeard's paths."""

    key = "listing"
    parameters = [StringParameter("slug")]

    def compute(self, slug: str) -> list[Any]:
        category = Category.objects.get(slug=slug)
        below = category.get_descendants_and_self()
        products = Product.objects.filter(categories__in=below, is_public=True).distinct()
        return list(products.order_by("pk").values_list("title", flat=True))


class BestSellers(Primer):
    key = "best_sellers"
    parameters = [IntegerParameter("limit")]

    def compute(self, limit: int) -> list[Any]:
        sold = Product.objects.annotate(sold=Sum("line__quantity")).filter(sold__gt=0)
        return [list(row) for row in sold.order_by("-sold", "pk").values_list("pk", "sold")[:limit]]

    def domain(self) -> Iterable[Mapping[str, Any]]:
        return [{"limit": 3}, {"limit": 5}]


class OrdersOf(Primer):
    """The orders of a customer, with their lines fetched together."""

    key = "orders_of"
    parameters = [StringParameter("email")]

    def compute(self, email: str) -> list[Any]:
        orders = Order.objects.filter(user__email=email).prefetch_related("lines")
        return [
            [order.number, [[line.title, line.quantity] for line in order.lines.order_by("pk")]]
            for order in orders.order_by("pk")
        ]


class OrderSummary(Primer):
    """One order by its number; why it was cancelled only where it was."""

    key = "order_summary"
    parameters = [StringParameter("number")]

    def compute(self, number: str) -> dict[str, Any]:
        return order_summary(number)


class Wishes(Primer):
    key = "wishes"
    parameters = [StringParameter("key_")]

    def compute(self, key_: str) -> list[Any]:
        wishes = WishList.objects.get(key=key_)
        return [line.product.title if line.product else line.title for line in wishes.lines.all()]


class VoucherOffers(Primer):
    """What a voucher's offers give, over a many-to-many relation and two foreign keys."""

    key = "voucher_offers"
    parameters = [StringParameter("code")]

    def compute(self, code: str) -> list[Any]:
        offers = Voucher.objects.get(code=code).offers.order_by("pk")
        return [[offer.name, str(offer.benefit.value), offer.condition.type] for offer in offers]
