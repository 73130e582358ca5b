"""A small shop, and changes of its rows at random."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.utils import timezone
from oscar.apps.catalogue.categories import create_from_breadcrumbs

CATEGORIES = ["Books > Fiction > Utopia", "Books > Science", "Films"]


def model(label: str) -> Any:
    return apps.get_model(label)


def load(chance: random.Random) -> None:
    """Fill the tables."""
    create = {
        name: model(label).objects.create
        for name, label in {
            "kind": "catalogue.ProductClass",
            "product": "catalogue.Product",
            "image": "catalogue.ProductImage",
            "attribute": "catalogue.ProductAttribute",
            "value": "catalogue.ProductAttributeValue",
            "link": "catalogue.ProductCategory",
            "partner": "partner.Partner",
            "stock": "partner.StockRecord",
            "review": "reviews.ProductReview",
            "wishes": "wishlists.WishList",
            "wish": "wishlists.Line",
            "country": "address.Country",
            "address": "order.ShippingAddress",
            "order": "order.Order",
            "line": "order.Line",
            "discount": "order.OrderDiscount",
            "range": "offer.Range",
            "benefit": "offer.Benefit",
            "condition": "offer.Condition",
            "offer": "offer.ConditionalOffer",
            "voucher": "voucher.Voucher",
        }.items()
    }
    categories = [create_from_breadcrumbs(path) for path in CATEGORIES]
    kind = create["kind"](name="Book")
    attributes = [
        create["attribute"](product_class=kind, name=f"Attribute {n}", code=f"a{n}", type="text")
        for n in range(2)
    ]
    partners = [create["partner"](name=f"Partner {n}") for n in range(3)]
    users = [User.objects.create(username=f"u{n}", email=f"u{n}@example.org") for n in range(3)]
    products: list[Any] = []
    for n in range(8):
        parent = products[-1] if n % 4 == 3 else None
        structure = "child" if parent else "standalone"
        product = create["product"](
            title=f"Product {n}", structure=structure, parent=parent, product_class=kind, upc=f"{n}"
        )
        if parent is None:
            products.append(product)
            create["link"](product=product, category=chance.choice(categories))
            create["image"](
                product=product, caption=f"image {n}", original="x.png", display_order=n
            )
        for attribute in attributes[: 1 + n % 2]:
            create["value"](product=product, attribute=attribute, value_text=f"value {n}")
        for partner in partners[: n % 3]:
            create["stock"](
                product=product,
                partner=partner,
                partner_sku=f"{n}-{partner.pk}",
                price=n + 1,
                num_in_stock=n,
            )
        for user in users[: 1 + n % 3]:
            create["review"](product=product, user=user, score=n % 5, title="t", body="b", status=1)
    country = create["country"](iso_3166_1_a2="NZ", printable_name="New Zealand", name="NZ")
    for n in range(6):
        address = create["address"](
            country=country, last_name="L", line1="1", postcode=f"{n}", phone_number=""
        )
        order = create["order"](
            number=f"N{n}",
            user=users[n % 3],
            total_incl_tax=n,
            total_excl_tax=n,
            status="Pending",
            currency="NZD",
            shipping_address=address,
        )
        for product in products[: 1 + n % 3]:
            create["line"](
                order=order,
                product=product,
                title=product.title,
                partner_name="p",
                num_allocated=0,
                quantity=n + 1,
                partner_sku="s",
                line_price_incl_tax=1,
                line_price_excl_tax=1,
                line_price_before_discounts_incl_tax=1,
                line_price_before_discounts_excl_tax=1,
            )
        if n % 2:
            create["discount"](order=order, amount=n)
    for n, user in enumerate(users):
        wishes = create["wishes"](owner=user, name=f"w{n}")
        for product in products[: n + 1]:
            create["wish"](wishlist=wishes, product=product, title=product.title)
    everything = create["range"](name="all", includes_all_products=True)
    start = timezone.now()
    for n in range(3):
        benefit = create["benefit"](range=everything, type="Percentage", value=n + 1)
        condition = create["condition"](range=everything, type="Count", value=n + 1)
        offer = create["offer"](
            name=f"Offer {n}", condition=condition, benefit=benefit, offer_type="Voucher"
        )
        voucher = create["voucher"](
            name=f"V{n}", code=f"CODE{n}", start_datetime=start, end_datetime=start + timedelta(1)
        )
        voucher.offers.add(offer)


# Columns of values that may be any small number or text, and foreign keys that may move.
VALUES: dict[str, list[str]] = {
    "catalogue.Product": ["title", "is_public"],
    "catalogue.Category": ["name"],
    "catalogue.ProductImage": ["caption"],
    "catalogue.ProductAttribute": ["name"],
    "catalogue.ProductAttributeValue": ["value_text"],
    "partner.StockRecord": ["price", "num_in_stock"],
    "reviews.ProductReview": ["score", "status"],
    "order.Order": ["status"],
    "order.Line": ["quantity", "title"],
    "order.ShippingAddress": ["postcode"],
    "order.OrderDiscount": ["amount"],
    "wishlists.Line": ["title"],
    "offer.ConditionalOffer": ["name"],
    "offer.Benefit": ["value"],
    "offer.Condition": ["type"],
}
MOVES: dict[str, list[str]] = {
    "catalogue.ProductCategory": ["category"],
    "catalogue.ProductImage": ["product"],
    "partner.StockRecord": ["product"],
    "reviews.ProductReview": ["product"],
    "order.Order": ["user", "shipping_address"],
    "order.Line": ["order", "product"],
    "order.OrderDiscount": ["order"],
    "wishlists.Line": ["product", "wishlist"],
    "offer.ConditionalOffer": ["benefit", "condition"],
}
DELETED = ["order.Line", "reviews.ProductReview", "wishlists.Line", "partner.StockRecord"]


def change(chance: random.Random) -> str:
    """Change one row somehow; what was done."""
    turn = chance.random()
    source = VALUES if turn < 0.55 else MOVES
    if turn > 0.93:
        label = chance.choice(DELETED)
        row = model(label).objects.order_by("?").first()
        if row is not None and model(label).objects.count() > 3:
            row.delete()
        return f"{label} deleted"
    label = chance.choice(sorted(source))
    name = chance.choice(source[label])
    rows = model(label).objects.all()
    pks = list(rows.order_by("pk").values_list("pk", flat=True))
    field = model(label)._meta.get_field(name)
    if source is MOVES:
        others = field.related_model._base_manager.order_by("pk").values_list("pk", flat=True)
        value: Any = chance.choice(list(others))
    elif field.get_internal_type() == "BooleanField":
        value = chance.random() < 0.7
    elif "Char" in field.get_internal_type() or "Text" in field.get_internal_type():
        value = f"x{chance.randrange(100)}"
    else:
        value = chance.randrange(1, 5)
    try:
        with transaction.atomic():
            rows.filter(pk=chance.choice(pks)).update(**{name: value})
    except DatabaseError as error:  # a constraint of the shop's
        return f"{label}.{name} refused: {type(error).__name__}"
    return f"{label}.{name}"
