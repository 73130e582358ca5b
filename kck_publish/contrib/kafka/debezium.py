"""``DebeziumModelTopicConsumer``: rows from the topics of a Debezium source connector."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db.models import (
    DateField,
    DateTimeField,
    DurationField,
    JSONField,
    Model,
    TimeField,
)

from ...exceptions import InvalidPrimer
from ...public_names import public_in
from . import registry
from .model_consumer import ModelTopicConsumer

TABLE = "__dbz__physicalTableIdentifier"
_EPOCH = date(1970, 1, 1)
# Times since 1970 below this are milliseconds, and from there on microseconds.
_MICROSECONDS = 100_000_000_000_000
_PER_SECOND = {"milliseconds": 1_000, "microseconds": 1_000_000}


@public_in("kck_publish.contrib.kafka")
class DebeziumModelTopicConsumer(ModelTopicConsumer):
    """Flattened events (the connector's event flattening), and whole ones; tombstones; epoch dates.

    Attributes:
        reroute_model_map: by the table that Debezium puts into the key where it reroutes several
            tables to one topic.
        time_unit: of times that are numbers: ``"milliseconds"`` or ``"microseconds"``, as the
            connector's time precision mode says. None: told by their size, which mistakes
            microseconds between 1966 and 1973, and before 00:01:27 of a day, for milliseconds.
        unavailable: what stands for a large value that an update has not changed (the connector's
            unavailable value placeholder): such a column of the row is left as it is.
    """

    reroute_model_map: ClassVar[Mapping[str, type[Model]] | None] = None
    time_unit: ClassVar[str | None] = None
    unavailable: ClassVar[str] = "__debezium_unavailable_value"

    @classmethod
    def check(cls) -> None:
        super().check()
        given: object = cls.reroute_model_map
        if cls.time_unit not in (None, *_PER_SECOND):
            raise InvalidPrimer(f"{registry.path(cls)}.time_unit is one of {list(_PER_SECOND)}.")
        if cls.get_model is not DebeziumModelTopicConsumer.get_model:
            return
        if given is None:
            cls.check_models([cls.model], "model takes a model")
        elif cls.model is not None:
            raise InvalidPrimer(f"{registry.path(cls)}: set model or reroute_model_map, not both.")
        else:
            models = given.values() if isinstance(given, Mapping) else [given]
            cls.check_models(models, "reroute_model_map has a model by table")

    def get_model(self, key: Any, value: Any) -> type[Model]:
        table = key.get(TABLE) if isinstance(key, Mapping) else None
        if self.reroute_model_map is None:
            if table is not None:
                raise InvalidPrimer(
                    f"{registry.path(type(self))}: the key names a table; set reroute_model_map."
                )
            return super().get_model(key, value)
        if table not in self.reroute_model_map:
            raise InvalidPrimer(
                f"{registry.path(type(self))}: reroute_model_map has no model for {table!r}."
            )
        return self.reroute_model_map[str(table)]

    def is_deletion(self, key: Any, value: Any) -> bool:
        if value is None:
            return True
        return value.get("__deleted") in (True, "true")

    def get_lookup_kwargs(self, key: Any, value: Any) -> dict[str, Any]:
        """The primary key's columns, as the message's key has them."""
        model = self.get_model(key, value)
        named = key if isinstance(key, Mapping) else {model._meta.pk.column: key}
        found = {}
        for field in model._meta.pk_fields:
            for name in (field.attname, field.column, field.name):
                if name in named:
                    found[field.attname] = named[name]
                    break
            else:
                raise ValueError(f"The key has no column {field.column}.")
        return found

    def is_told(self, given: Any) -> bool:
        if isinstance(given, list) and len(given) == 1:  # of an array
            given = given[0]
        packed = b64encode(self.unavailable.encode()).decode()  # of bytes
        return not isinstance(given, str) or given not in (self.unavailable, packed)

    def to_python(self, field: Any, given: Any) -> Any:
        if isinstance(field, JSONField) and isinstance(given, str):
            with suppress(ValueError):  # as a ChangeTopic tells a text
                return json.loads(given)
        if isinstance(field, DurationField) and isinstance(given, int):
            return timedelta(microseconds=given)
        if isinstance(given, int) and not isinstance(given, bool):
            if isinstance(field, DateTimeField):
                return _moment(given, self._per_second(abs(given) < _MICROSECONDS))
            if isinstance(field, DateField):
                return days_from_epoch(given)
            if isinstance(field, TimeField):
                per_second = self._per_second(given < 86_400_000)
                return (datetime.min + timedelta(seconds=given / per_second)).time()
        return super().to_python(field, given)

    def _per_second(self, is_small: bool) -> int:
        told = self.time_unit or ("milliseconds" if is_small else "microseconds")
        return _PER_SECOND[told]


@public_in("kck_publish.contrib.kafka")
def days_from_epoch(days: int) -> date:
    """The date that Debezium tells as days since 1970."""
    return _EPOCH + timedelta(days=days)


def _moment(number: int, per_second: int) -> datetime:
    seconds, rest = divmod(number, per_second)
    moment = datetime.fromtimestamp(seconds, UTC) + timedelta(
        microseconds=rest * (1_000_000 // per_second)
    )
    return moment if settings.USE_TZ else moment.replace(tzinfo=None)
