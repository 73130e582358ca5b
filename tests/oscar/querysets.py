"""The same ten products, declared by querysets where one says it all, and by paths elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Avg, Count, Min, Prefetch, Q, Subquery, Sum
from django.db.models.functions import Coalesce
from oscar.apps.catalogue.models import (
    Category,
    Product,
    ProductAttribute,
    ProductAttributeValue,
    ProductCategory,
    ProductImage,
)
from oscar.apps.catalogue.reviews.models import ProductReview
from oscar.apps.offer.models import ConditionalOffer
from oscar.apps.order.models import (
    Line,
    Order,
    OrderDiscount,
    OrderStatusChange,
    ShippingAddress,
)
from oscar.apps.partner.models import StockRecord
from oscar.apps.wishlists.models import Line as Wish

from kck_publish import Depends, IntegerParameter, Primer, QuerySetPrimer, StringParameter
from tests.oscar.order_summary import order_summary


class ProductPage(Primer):
    """By hand: a child has the categories and images of its parent, so the rows depend on a row."""

    key = "product_page"
    parameters = [IntegerParameter("product")]
    depends_on = [
        Depends(Category, product="productcategory__product_id"),
        Depends(Category, product="productcategory__product__children"),
        Depends(Product, product="pk"),
        Depends(Product, product="children"),
        Depends(ProductCategory, product="product_id", columns=["category_id"]),
        Depends(ProductCategory, product="product__children", columns=["category_id"]),
        Depends(ProductImage, product="product_id"),
        Depends(ProductImage, product="product__children"),
    ]

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


class Price(QuerySetPrimer):
    """The lowest price, and how many partners have it in stock."""

    key = "price"
    parameters = [IntegerParameter("product")]

    def queryset(self, product: int) -> Any:
        in_stock = Count("pk", filter=Q(num_in_stock__gt=0))
        records = StockRecord.objects.filter(product_id=product)
        return records.aggregate(price=Min("price"), available=in_stock)


class Rating(QuerySetPrimer):
    key = "rating"
    parameters = [IntegerParameter("product")]

    def queryset(self, product: int) -> Any:
        reviews = ProductReview.objects.filter(product=product, status=1)
        return reviews.aggregate(score=Avg("score"), count=Count("pk"))


class Attributes(Primer):
    """By hand: what a value is, oscar's Python says, by the type of its attribute."""

    key = "attributes"
    parameters = [IntegerParameter("product")]
    depends_on = [
        Depends(Product, product="pk"),
        Depends(ProductAttribute, product="productattributevalue__product_id"),
        Depends(ProductAttributeValue, product="product_id"),
    ]

    def compute(self, product: int) -> dict[str, Any]:
        values = Product.objects.get(pk=product).attribute_values.select_related("attribute")
        return {value.attribute.name: str(value.value) for value in values.order_by("pk")}


class Listing(QuerySetPrimer):
    """Products of a category and of those below it: treebeard's paths."""

    key = "listing"
    parameters = [StringParameter("slug")]

    def queryset(self, slug: str) -> Any:
        path = Subquery(Category.objects.filter(slug=slug).order_by("pk").values("path")[:1])
        below = Product.objects.filter(categories__path__startswith=path, is_public=True)
        return below.distinct().order_by("pk").values_list("title", flat=True)


class BestSellers(QuerySetPrimer):
    key = "best_sellers"
    parameters = [IntegerParameter("limit")]

    def queryset(self, limit: int) -> Any:
        sold = Product.objects.annotate(sold=Sum("line__quantity")).filter(sold__gt=0)
        return sold.order_by("-sold", "pk").values_list("pk", "sold")[:limit]

    def domain(self) -> Iterable[Mapping[str, Any]]:
        return [{"limit": 3}, {"limit": 5}]


class OrdersOf(QuerySetPrimer):
    """The orders of a customer, with their lines fetched together."""

    key = "orders_of"
    parameters = [StringParameter("email")]

    def queryset(self, email: str) -> Any:
        lines = Prefetch("lines", Line.objects.order_by("pk").only("order", "title", "quantity"))
        orders = Order.objects.filter(user__email=email).order_by("pk")
        return orders.only("number").prefetch_related(lines)


class OrderSummary(Primer):
    """By hand: why it was cancelled is asked only where it was."""

    key = "order_summary"
    parameters = [StringParameter("number")]
    depends_on = [
        Depends(Line, number="order__number"),
        Depends(Order, number="number"),
        Depends(OrderDiscount, number="order__number"),
        Depends(OrderStatusChange, number="order__number", columns=[]),
        Depends(ShippingAddress, number="order__number"),
    ]

    def compute(self, number: str) -> dict[str, Any]:
        return order_summary(number)


class Wishes(QuerySetPrimer):
    key = "wishes"
    parameters = [StringParameter("key_")]

    def queryset(self, key_: str) -> Any:
        wishes = Wish.objects.filter(wishlist__key=key_).order_by("pk")
        shown = wishes.annotate(shown=Coalesce("product__title", "title"))
        return shown.values_list("shown", flat=True)


class VoucherOffers(QuerySetPrimer):
    """What a voucher's offers give, over a many-to-many relation and two foreign keys."""

    key = "voucher_offers"
    parameters = [StringParameter("code")]

    def queryset(self, code: str) -> Any:
        offers = ConditionalOffer.objects.filter(vouchers__code=code).order_by("pk")
        return offers.values_list("name", "benefit__value", "condition__type")
