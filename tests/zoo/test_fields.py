"""Fields that a project has made, or named as it likes: read as ``objects.get()`` reads them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain, sql
from tests.kinds.alike import differences
from tests.zoo.models import Amount, Host, Opening, Picture, Reserved, Tracked

pytestmark = pytest.mark.django_db(transaction=True)


def assert_alike(row: Any) -> Any:
    """The row as ``.cached`` gives it: as the ORM does, computed, stored and in ``all()``."""
    model = type(row)
    for _ in "computed", "stored":
        found, expected = model.cached.get(pk=row.pk), model.objects.get(pk=row.pk)
        assert not differences(found, expected)
        (again,) = [one for one in model.cached.all() if one.pk == row.pk]
        assert not differences(again, expected)
        drain()
    assert_fresh()
    return found


def test_what_validators_refuse_is_read() -> None:
    """Validators are for forms: a row that is there is read, and all() works (D4)."""
    for ip in ("10.0.0.1", "192.0.2.1", "2001:db8::1"):
        assert_alike(Host.objects.create(ip=ip))
    assert list(Host.cached.in_bulk(["10.0.0.1", "192.0.2.1"])) == ["10.0.0.1", "192.0.2.1"]


def test_fields_may_be_called_as_the_arguments_of_depends() -> None:
    """Fields called value, change, keys, columns, reads and on are keys and lookups (D4)."""
    row = Reserved.objects.create(keys=1, value="a", change=2, columns=3, on=4, reads=5)
    assert_alike(row)
    Reserved.objects.update(change=7, reads=8)
    drain()
    assert Reserved.cached.get(change=7) == Reserved.cached.get(columns=3, on=4) == row
    assert Reserved.cached.get(keys=1, value="a") == Reserved.cached.get(pk=(1, "a")) == row
    assert Reserved.cached.filter(reads=8) == Reserved.cached.filter(columns=3) == [row]
    assert Reserved.cached.filter(reads=5) == []
    assert_fresh()


def test_files_of_a_field_of_the_projects() -> None:
    """A subclass of ImageField, with dimensions and without, and a hook that reads it (D4)."""
    row = Picture.objects.create()
    Picture.objects.update(image="a.png", width=7, plain="b.png")
    drain()
    found = assert_alike(row)
    assert (found.image.name, found.width, found.plain.name) == ("a.png", 7, "b.png")
    assert type(found.plain) is type(Picture.objects.get().plain)


def test_a_descriptor_that_is_read_when_an_instance_is_made() -> None:
    """Of a field tracker, that reads a descriptor, and a field with get_db_prep_save (D4)."""
    row = Tracked.objects.create(price=Amount(Decimal("1.50")), saved=Amount(Decimal("2.25")))
    found = assert_alike(row)
    assert found.price == found.tracked == Amount(Decimal("1.50"))
    assert found.saved == Amount(Decimal("2.25"))
    assert_alike(Tracked.objects.create())


def test_ranges_that_no_field_class_knows() -> None:
    """Multiranges, and a range, of fields with a db_type and nothing else (D12)."""
    row = Opening.objects.create()
    assert_alike(row)
    prices = "{(1.50,2.25]}"
    moments = "{[2024-01-01 10:00+02, 2024-01-01 12:00+00)}"
    for values in (
        f"'{{[2024-01-01,2024-02-01)}}', '{{[1,3), (,-5)}}', '{moments}', '{prices}', '[1,)'",
        "'{}', '{(,)}', '{}', '{}', 'empty'",
    ):
        sql(f"UPDATE zoo_opening SET (days, numbers, moments, prices, plain) = ({values})")
        drain()
        found = assert_alike(row)
        assert type(found.days) is type(Opening.objects.get().days)
