"""Models as real projects have them, and as the library does not expect them. Each once."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.db.models.signals import post_init

from kck_publish import CachedTable, CacheModel, cached_method


class ByRole(models.Manager[Any]):
    """Chooses rows by a column of their own."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(admin=True)


class Account(CacheModel):
    """Whose proxies have managers of their own."""

    name = models.CharField(max_length=10, unique=True)
    admin = models.BooleanField(default=False)
    objects: Any = models.Manager()

    cached_by: ClassVar[Any] = ["name"]
    cached_lists: ClassVar[Any] = ["admin"]

    @cached_method
    def initial(self) -> str:
        return self.name[:1]

    @cached_method
    def arguments(self, one: int, /, two: int, *more: int, last: int = 0, **named: int) -> Any:
        return [one, two, more, last, named]


class Admin(Account):
    """A proxy that hides rows."""

    objects: Any = ByRole()

    class Meta:
        proxy = True


class SuperAdmin(Admin):
    """A proxy of the proxy, with its manager."""

    class Meta:
        proxy = True


class SameAccount(Account):
    """A proxy that gives the same rows."""

    class Meta:
        proxy = True


class Guest(models.Model):
    """A model of another app, which has no products."""

    name = models.CharField(max_length=10, unique=True)
    admin = models.BooleanField(default=False)


class CachedGuest(CacheModel, Guest):
    """A proxy that gives it products."""

    cached_by: ClassVar[Any] = ["name"]
    cached_lists: ClassVar[Any] = ["admin"]

    @cached_method
    def initial(self) -> str:
        return self.name[:1]

    class Meta:
        proxy = True


class Counting(models.Manager[Any]):
    """Counts rows of another table."""

    def get_queryset(self) -> Any:
        return super().get_queryset().annotate(entries=models.Count("ledger"))


class CountingAccount(Account):
    """A proxy that no product can follow, made for a report."""

    objects = Counting()

    class Meta:
        proxy = True


class Ledger(CacheModel):
    """Rows that another model's manager counts."""

    account = models.ForeignKey(Account, models.CASCADE)
    objects: Any = models.Manager()

    @cached_method(depends_on=["Account.ledger"])
    def owner(self) -> str:
        return self.account.name


class Undeleted(models.Manager[Any]):
    """Hides what is deleted, by several columns and functions of them."""

    def get_queryset(self) -> Any:
        live = models.Q(deleted=False) & ~models.Q(state__in=["spam", "hidden"])
        return super().get_queryset().alias(small=Lower("name")).filter(live).exclude(small="x")


class Page(CacheModel):
    """Deleted softly."""

    name = models.CharField(max_length=10)
    state = models.CharField(max_length=10, default="")
    deleted = models.BooleanField(default=False)
    everything: Any = models.Manager()
    objects = Undeleted()

    cached_lists: ClassVar[Any] = ["name"]

    class Meta:
        default_manager_name = "objects"


class Chapter(Page):
    """A child, whose manager chooses by the parent's column."""

    number = models.IntegerField(default=1)

    class Meta:
        default_manager_name = "objects"


class Kept(models.Manager[Any]):
    """Hides rows."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(deleted=False)


class Draft(CacheModel):
    """Whose ``objects`` gives other rows than the default manager."""

    deleted = models.BooleanField(default=False)
    everything: Any = models.Manager()
    objects = Kept()


class Tag(models.Model):
    """Beside an item."""

    name = models.CharField(max_length=10)
    objects: Any = models.Manager()


class Laden(models.Manager[Any]):
    """Fetches more than the rows, and less."""

    def get_queryset(self) -> Any:
        rows = super().get_queryset()
        return rows.prefetch_related("tags").select_related("first").defer("text").order_by("-name")


class Item(CacheModel):
    """Whose manager prefetches, joins, defers and orders."""

    name = models.CharField(max_length=10)
    text = models.TextField(default="")
    first = models.ForeignKey(Tag, models.CASCADE, null=True, related_name="+")
    tags: Any = models.ManyToManyField(Tag)
    objects = Laden()

    cached_lists: ClassVar[Any] = ["name"]


class Full(CacheModel):
    """The one model of a table; Slim is the other."""

    name = models.CharField(max_length=10, unique=True)
    kind = models.CharField(max_length=10)
    size = models.IntegerField(default=0)
    objects: Any = models.Manager()

    cached_by: ClassVar[Any] = ["name"]

    class Meta:
        db_table = "zoo_thing"


class Slim(CacheModel):
    """The other model of the table, with fewer columns, other names and other lookups."""

    sort = models.CharField(max_length=10, db_column="kind")
    size = models.TextField(default="0")
    objects: Any = models.Manager()

    cached_lists: ClassVar[Any] = ["sort"]

    class Meta:
        db_table = "zoo_thing"
        managed = False


class Tagged(CacheModel):
    """A model of one's own over the table of a ManyToManyField, with a key of its own."""

    pk = models.CompositePrimaryKey("item_id", "tag_id")
    item = models.ForeignKey(Item, models.CASCADE)
    tag = models.ForeignKey(Tag, models.CASCADE)
    objects: Any = models.Manager()

    cached_lists: ClassVar[Any] = ["item"]

    class Meta:
        db_table = "zoo_item_tags"
        managed = False


class Measured(CacheModel):
    """Numbers of more digits than Python's decimal context has."""

    amount = models.DecimalField(max_digits=40, decimal_places=10, primary_key=True)
    level = models.FloatField(default=0.0)
    weight = models.DecimalField(max_digits=60, decimal_places=0, default=0)
    objects: Any = models.Manager()

    cached_by: ClassVar[Any] = ["level"]
    cached_lists: ClassVar[Any] = ["weight"]


class Post(CacheModel):
    """As in a well-known tutorial: publish() saves."""

    title = models.CharField(max_length=10)
    published = models.BooleanField(default=False)
    objects: Any = models.Manager()

    def publish(self) -> None:
        self.published = True
        self.save()


class WagtailPage(CacheModel):
    """Whose publish() takes arguments."""

    title = models.CharField(max_length=10)
    objects: Any = models.Manager()

    def publish(self, user: Any = None) -> None:
        raise AssertionError("run by the library")


class Photo(CacheModel):
    """Whose fields are called as what is CacheModel's."""

    title = models.CharField(max_length=10)
    publish = models.BooleanField(default=False)  # type: ignore[assignment]
    captured = models.IntegerField(null=True)  # type: ignore[assignment]
    eager = models.BooleanField(default=False)
    cached_by = models.CharField(max_length=10)
    cached_related = models.CharField(max_length=10)
    objects: Any = models.Manager()

    cached_lists: ClassVar[Any] = ["title"]


class Saver(CacheModel):
    """A hook that writes, and that asks the database what to publish."""

    title = models.CharField(max_length=10, unique=True)
    objects: Any = models.Manager()

    cached_by: ClassVar[Any] = ["title"]

    def publish(self) -> None:
        key: Any = self.pk
        if key is None:
            Saver.objects.create(title="blank")
        super().publish()


class Nameless(CacheModel):
    """Lookups by columns that may be NULL, and that many rows may share."""

    code = models.CharField(max_length=10, unique=True, null=True)
    group = models.IntegerField(null=True)
    place = models.IntegerField(null=True)
    objects: Any = models.Manager()

    cached_by: ClassVar[Any] = ["code", "group", ("group", "place")]
    cached_lists: ClassVar[Any] = ["group"]


def public(value: str) -> None:
    """A validator, for forms."""
    if value.startswith("10."):
        raise ValidationError("private")


class Host(CacheModel):
    """Whose validators refuse rows that exist."""

    ip = models.GenericIPAddressField(primary_key=True, validators=[public])
    objects: Any = models.Manager()


class Reserved(CacheModel):
    """Fields called as what Depends and augment use for themselves."""

    pk = models.CompositePrimaryKey("keys", "value")
    keys = models.IntegerField()
    value = models.CharField(max_length=10)
    change = models.IntegerField(default=0)
    columns = models.IntegerField(default=0)
    reads = models.IntegerField(default=0)
    on = models.IntegerField(default=0)
    objects: Any = models.Manager()

    cached_by: ClassVar[Any] = ["change", ("columns", "on")]
    cached_lists: ClassVar[Any] = ["reads", "columns"]


class ThumbnailField(models.ImageField):
    """As third-party image fields are."""


class Picture(CacheModel):
    """With files of fields of the project's own; its hook reads one."""

    image = ThumbnailField(null=True, width_field="width")
    width = models.IntegerField(null=True)
    plain = ThumbnailField(default="")
    objects: Any = models.Manager()

    def publish(self) -> None:
        if self.plain:  # the descriptor puts an object into the row
            super().publish()


@dataclass(frozen=True)
class Amount:
    """What a descriptor makes of a number."""

    number: Decimal


class AmountDescriptor:
    """Makes an Amount of the number in the row, when it is read."""

    def __get__(self, row: Any, owner: Any = None) -> Any:
        if row is None:
            return self
        if not isinstance(row.__dict__["price"], Amount | None):
            row.__dict__["price"] = Amount(row.__dict__["price"])
        return row.__dict__["price"]

    def __set__(self, row: Any, value: Any) -> None:
        row.__dict__["price"] = value


class AmountField(models.DecimalField):  # type: ignore[type-arg]
    """A number with a descriptor, as of django-money."""

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, name, AmountDescriptor())

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(value.number if isinstance(value, Amount) else value)


class Prefixed(models.Field):  # type: ignore[type-arg]
    """Says how it is saved in get_db_prep_save alone."""

    def db_type(self, connection: Any) -> str:
        return "text"

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        return None if value is None else f"p:{value.number}"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return None if value is None else Amount(Decimal(value.removeprefix("p:")))


class Tracked(CacheModel):
    """Whose fields are read when an instance is made, as a field tracker does."""

    price = AmountField(max_digits=10, decimal_places=2, null=True)
    saved = Prefixed(null=True)
    objects: Any = models.Manager()


def track(instance: Any, **_: Any) -> None:
    """Reads what a descriptor gives."""
    instance.tracked = instance.price


post_init.connect(track, sender=Tracked)


class Colour(CachedTable):
    """A whole table behind a manager."""

    name = models.CharField(max_length=10)
    admin = models.BooleanField(default=True)
    objects: Any = ByRole()


class Bright(models.Manager[Any]):
    """As ByRole, and something more."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(name__startswith="b")


class BrightColour(Colour):
    """A proxy of a whole table."""

    objects: Any = Bright()

    class Meta:
        proxy = True


class Ranges(models.Field):  # type: ignore[type-arg]
    """A type of PostgreSQL's that Django has no field for."""

    def __init__(self, kind: str, **options: Any) -> None:
        self.kind = kind
        super().__init__(null=True, **options)

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        return name, path, [self.kind, *args], {k: v for k, v in options.items() if k != "null"}

    def db_type(self, connection: Any) -> str:
        return self.kind


class Opening(CacheModel):
    """Of ranges and multiranges that no field class knows."""

    days = Ranges("datemultirange")
    numbers = Ranges("int4multirange")
    moments = Ranges("tstzmultirange")
    prices = Ranges("nummultirange")
    plain = Ranges("int8range")


class Typed(CacheModel):
    """Rows that are looked up by a column of each type."""

    day = models.DateField(null=True)
    moment = models.DateTimeField(null=True)
    clock = models.TimeField(null=True)
    span = models.DurationField(null=True)
    price = models.DecimalField(max_digits=40, decimal_places=10, null=True)
    level = models.FloatField(null=True)
    big = models.BigIntegerField(null=True)
    flag = models.BooleanField(null=True)
    mark = models.UUIDField(null=True)
    ip = models.GenericIPAddressField(null=True)
    text = models.TextField(null=True)

    cached_lists: ClassVar[Any] = [
        "day", "moment", "clock", "span", "price", "level", "big", "flag", "mark", "ip", "text",
    ]  # fmt: skip


class Small(models.CharField):  # type: ignore[type-arg]
    """Small letters in the database, whatever is saved or asked for."""

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return value.lower() if isinstance(value, str) else value


class Blank(models.CharField):  # type: ignore[type-arg]
    """NULL in the database is "" in Python."""

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(value) or None

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return value or ""


class Visible(models.Manager[Any]):
    """Hides rows from whoever follows a relation, too."""

    def get_queryset(self) -> Any:
        return super().get_queryset().exclude(group=9)


class Written(CacheModel):
    """Whose values are another thing in the database than in Python."""

    group = models.IntegerField(default=1)
    email = Small(max_length=20, default="")
    nick = Blank(max_length=20, null=True)
    data = models.JSONField(null=True)
    mark = models.UUIDField(null=True)
    number = models.IntegerField(null=True)
    day = models.DateField(null=True)
    ip = models.GenericIPAddressField(null=True)
    level = models.FloatField(null=True)
    objects: Any = models.Manager()
    visible = Visible()

    cached_by: ClassVar[Any] = ["email"]
    cached_lists: ClassVar[Any] = ["nick"]

    class Meta:
        base_manager_name = "visible"


class Derived(CacheModel):
    """A generated column, and a file, by which rows are listed."""

    level = models.FloatField(null=True)
    double = models.GeneratedField(
        expression=models.F("level") * 2, output_field=models.FloatField(), db_persist=True
    )
    file = models.FileField(default="")
    objects: Any = models.Manager()

    cached_lists: ClassVar[Any] = ["double", "file"]


class Loose(CachedTable):
    """A whole table with a column of JSON, and one that holds more than numbers."""

    data = models.JSONField(null=True)
    level = models.FloatField(null=True)
