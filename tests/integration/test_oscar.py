"""Ten products of django-oscar's own models, declared by kck_suggest, and by querysets; a soak."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from example_app.embedded_postgres import PostgresServer

pytest.importorskip("oscar", reason="django-oscar is not installed")
pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., Any]


def run(folder: Path, database: str, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.oscar", *arguments],
        cwd=ROOT,
        env={**os.environ, "KCK_TEST_DATABASE": database, "KCK_OSCAR_FOLDER": str(folder)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return json.loads(done.stdout.splitlines()[-1])


# What each primer reads, as one who has read its code would declare it.
FOUND = {
    "product_page": [
        'Depends(Category, product="productcategory__product_id")',
        'Depends(Category, product="productcategory__product__children")',
        'Depends(Product, product="pk")',
        'Depends(Product, product="children")',
        'Depends(ProductCategory, product="product_id", columns=["category_id"])',
        'Depends(ProductCategory, product="product__children", columns=["category_id"])',
        'Depends(ProductImage, product="product_id")',
        'Depends(ProductImage, product="product__children")',
    ],
    "price": ['Depends(StockRecord, product="product_id", columns=["num_in_stock", "price"])'],
    "rating": [
        'Depends(Product, product="pk")',
        'Depends(ProductReview, product="product_id", columns=["score", "status"])',
    ],
    "attributes": [
        'Depends(Product, product="pk")',
        'Depends(ProductAttribute, product="productattributevalue__product_id")',
        'Depends(ProductAttributeValue, product="product_id")',
    ],
    # Wide without need: treebeard finds what is below a category by the beginning of its path, and
    # no lookup path can follow that. Each change of these columns refreshes every listing.
    "listing": [
        "Depends(Category)",
        'Depends(Product, columns=["is_public", "title"])',
        'Depends(ProductCategory, columns=["category_id", "product_id"])',
    ],
    # Wide with need: any line may change the order of all.
    "best_sellers": [
        "Depends(Product, columns=[])",
        'Depends(Line, columns=["product_id", "quantity"])',
    ],
    "orders_of": [
        'Depends(User, email="email", columns=[])',
        'Depends(Line, email="order__user__email")',
        'Depends(Order, email="user__email")',
    ],
    # Not seen: OrderStatusChange, which only a cancelled order reads, and none of the sample is.
    "order_summary": [
        'Depends(Line, number="order__number")',
        'Depends(Order, number="number")',
        'Depends(OrderDiscount, number="order__number")',
        'Depends(ShippingAddress, number="order__number")',
    ],
    "wishes": [
        'Depends(Product, key_="wishlists_lines__wishlist__key")',
        'Depends(Line, key_="wishlist__key")',
        'Depends(WishList, key_="key")',
    ],
    "voucher_offers": [
        'Depends(Benefit, code="offers__vouchers__code")',
        'Depends(Condition, code="offers__vouchers__code")',
        'Depends(ConditionalOffer, code="vouchers__code")',
        'Depends(Voucher, code="code")',
    ],
}
UNSEEN = 'Depends(OrderStatusChange, number="order__number", columns=[])'


@contextmanager
def shop(tmp_path: Path, server: PostgresServer, primers: str) -> Iterator[Run]:
    """A shop with these primers, and an empty database."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "__init__.py").touch()
    shutil.copy(ROOT / "tests/oscar" / primers, folder / "primers.py")
    name = f"oscar_{os.getpid()}"
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield partial(run, tmp_path, server.dsn_of(name))
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} (FORCE)").format(sql.Identifier(name)))


def test_primers_without_declarations(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """Found, written, and then STRICT: no failure, and all fresh after changes at random."""
    with shop(tmp_path, postgres_server, "primers.py") as do:
        told = do("suggest")
        soaked = do("soak", "200", "1")
        later = do("cancelled")
    assert {each["product"]: each["depends_on"] for each in told["products"]} == FOUND
    assert [each["failed"] for each in told["products"]] == [{}] * 10
    assert sum(len(each["undeclared"]) for each in told["products"]) == 30
    written = (tmp_path / "shop/primers.py").read_text()
    assert "from oscar.apps.wishlists.models import Line as WishlistsLine, WishList" in written
    assert 'Depends(WishlistsLine, key_="wishlist__key")' in written
    assert soaked["changes"] == 200
    assert soaked["refused"] < 40
    (summary,) = later["products"]
    assert summary["undeclared"] == ["order_orderstatuschange"]
    assert summary["add"] == [UNSEEN]


def test_primers_of_querysets(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """Seven of the ten declare nothing; all are fresh after changes at random, under STRICT."""
    with shop(tmp_path, postgres_server, "querysets.py") as do:
        why_primed = do("load")
        soaked = do("soak", "200", "1")
    assert [name for name, why in why_primed.items() if not why] == [
        *("product_page", "price", "attributes", "order_summary")
    ]
    assert soaked["changes"] == 200
    assert soaked["augmented"] > 0
