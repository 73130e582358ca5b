"""``suggest`` writes the primers' declarations, ``soak`` changes rows at random under STRICT."""

from __future__ import annotations

import json
import os
import random
import sys
from contextlib import suppress
from io import StringIO
from typing import Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.oscar.settings"
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from kck_publish import Cache  # noqa: E402
from kck_publish.listener.listener import Listener  # noqa: E402
from kck_publish.products import registry  # noqa: E402
from kck_publish.testing import assert_fresh  # noqa: E402
from tests.oscar import shop_data  # noqa: E402

NAMES = [
    *("product_page", "price", "rating", "attributes", "listing", "best_sellers", "orders_of"),
    *("order_summary", "wishes", "voucher_offers"),
]


def keys() -> list[str]:
    """Keys of each product: what a shop's readers ask for."""
    columns = {
        "product_page": ("catalogue.Product", "pk"),
        "price": ("catalogue.Product", "pk"),
        "rating": ("catalogue.Product", "pk"),
        "attributes": ("catalogue.Product", "pk"),
        "listing": ("catalogue.Category", "slug"),
        "orders_of": ("auth.User", "email"),
        "order_summary": ("order.Order", "number"),
        "wishes": ("wishlists.WishList", "key"),
        "voucher_offers": ("voucher.Voucher", "code"),
    }
    found = ["best_sellers/3", "best_sellers/5"]
    for name, (label, column) in columns.items():
        values = shop_data.model(label)._base_manager.order_by("pk").values_list(column, flat=True)
        found += [
            registry.get(name).key_of({registry.get(name).parameters[0].name: value})
            for value in values
        ]
    return found


def load() -> dict[str, Any]:
    """Fill the shop; why each product is primed, not amended."""
    call_command("migrate", verbosity=0)
    shop_data.load(random.Random(1))
    graph = registry.graph()
    return {name: graph.products[name].why_primed for name in NAMES}


def suggest() -> dict[str, Any]:
    load()
    out = StringIO()
    call_command("kck_suggest", *keys(), "--json", "--write", stdout=out)
    told: dict[str, Any] = json.loads(out.getvalue())
    return told


def soak(changes: int, seed: int) -> dict[str, Any]:
    """Change, drain, compare all; STRICT."""
    call_command("migrate", verbosity=0)
    settings.KCK_PUBLISH = {"STRICT": True}
    chance, cache, done = random.Random(seed), Cache.get_instance(), list[str]()
    augmented = 0
    for key in keys():
        cache.get(key)
    while len(done) < changes:
        done += [shop_data.change(chance) for _ in range(10)]
        augmented += Listener("default", say=lambda _: None).once().augmented
        assert_fresh(*NAMES)
        with connection.cursor() as cursor:
            cursor.execute("SELECT key, error FROM kck_publish_failure")
            assert not (failed := cursor.fetchall()), failed
    refused = sum("refused" in each for each in done)
    return {
        "changes": len(done),
        "refused": refused,
        "kinds": len(set(done)),
        "augmented": augmented,
    }


def cancelled() -> dict[str, Any]:
    """What is suggested once a key takes the branch that none took before."""
    order = shop_data.model("order.Order").objects.order_by("pk").first()
    order.status = "Cancelled"
    order.save()
    shop_data.model("order.OrderStatusChange").objects.create(order=order, new_status="Cancelled")
    out = StringIO()
    with suppress(SystemExit):
        call_command("kck_suggest", "order_summary", "--json", stdout=out)
    told: dict[str, Any] = json.loads(out.getvalue())
    return told


if __name__ == "__main__":
    do, *numbers = sys.argv[1:]
    print(json.dumps(globals()[do](*map(int, numbers))))
