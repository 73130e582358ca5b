"""Rows written as messages say: the newest of each row, and nothing that is older than the row.

One statement writes a batch where Django would do nothing besides; otherwise each row is saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, connections, transaction
from django.db.models import Model, signals

from ...conf import settings
from . import bulk
from .incoming import Incoming
from .offsets import Where
from .versions import Version, Versioning, identity

if TYPE_CHECKING:
    from .model_consumer import ModelTopicConsumer

_SIGNALS = (signals.pre_save, signals.post_save, signals.pre_delete, signals.post_delete)


def apply(consumer: ModelTopicConsumer, model: type[Model], incoming: Sequence[Incoming]) -> None:
    """Insert, update and delete rows of a model, in the order of the messages."""
    versioning = Versioning(model, consumer.version_field)
    newest = _newest(consumer, versioning, incoming)
    lookups = {tuple(one.lookup) for one in newest}
    if len(lookups) == 1 and is_plain(model) and (key := bulk.unique(model, *lookups)):
        # A deletion that tells its version is compared with the row's; a NULL conflicts with none.
        alone = [
            one
            for one in newest
            if (one.fields is None and versioning.compares(one)) or None in one.lookup.values()
        ]
        bulk.write(model, key, [one for one in newest if one not in alone], versioning.columns)
        newest = alone
    for one in newest:
        save(model, one, versioning)


def is_plain(model: type[Model]) -> bool:
    """Whether a row can be written without ``save`` and ``delete``, and nothing is left out."""
    meta = model._meta
    return (
        model.save is Model.save
        and model.delete is Model.delete
        and not meta.parents
        and not meta.related_objects
        and not any(signal.has_listeners(model) for signal in _SIGNALS)
    )


def _newest(
    consumer: ModelTopicConsumer, versioning: Versioning, incoming: Sequence[Incoming]
) -> list[Incoming]:
    """What is left to be written of messages in order: one a row, and nothing known to be older."""
    message = incoming[0].message
    where = Where(consumer.group_name(), message.topic, message.partition)
    with connections[settings.DATABASE].cursor() as cursor:
        keys = [identity(one) for one in incoming]
        known = versioning.known(cursor, where, keys)
        kept: dict[Any, Version] = {}
        rows: dict[tuple[Any, ...], Incoming] = {}
        for one in incoming:
            version = versioning.of(one)
            if version is not None:
                last = known.get(identity(one))
                # The end of a row may tell the version that the row had.
                if last is not None and (version < last or (version == last and one.fields)):
                    continue
                known[identity(one)] = version
                if versioning.header or one.fields is None:
                    kept[identity(one)] = version
            rows[one.identity] = _merged(rows.pop(one.identity, None), one, versioning)
        versioning.keep(cursor, where, kept)
    return list(rows.values())


def _merged(before: Incoming | None, one: Incoming, versioning: Versioning) -> Incoming:
    """Two messages of one row as one: the later one's fields go before the earlier one's."""
    if before is None or one.fields is None:
        return one
    if before.fields is None:
        return replace(one, replaces=True)
    older, newer = versioning.of(before), versioning.of(one)
    if older is not None and newer is not None and newer <= older:
        return before
    return replace(one, fields={**before.fields, **one.fields}, replaces=before.replaces)


def save(model: type[Model], one: Incoming, versioning: Versioning) -> None:
    """Write one row as Django does, with the row locked."""
    alias = settings.DATABASE
    rows = model._base_manager.using(alias)
    found = rows.select_for_update(of=("self",)).filter(**one.lookup).first()
    if found is not None and one.replaces:
        found.delete(using=alias)
        found = None
    if found is None and one.fields is not None:
        plain = {name: value for name, value in one.lookup.items() if "__" not in name}
        try:
            with transaction.atomic(using=alias):
                made = model(**{**plain, **one.fields})
                made.save(using=alias, force_insert=True)
                _keep_times(model, made, one.fields)
            return
        except IntegrityError:  # another transaction has inserted it meanwhile, or it cannot be
            found = rows.select_for_update(of=("self",)).filter(**one.lookup).first()
            if found is None:
                raise
    if found is None:
        return
    version = versioning.of(one)
    if version is not None and versioning.fields:
        current = tuple(getattr(found, field.attname) for field in versioning.fields)
        if None not in current and version <= current and one.fields is not None:
            return
        if None not in current and version < current:
            return
    if one.fields is None:
        found.delete(using=alias)
        return
    for name, value in one.fields.items():
        setattr(found, name, value)
    found.save(using=alias)
    _keep_times(model, found, one.fields)


def _keep_times(model: type[Model], saved: Model, fields: Mapping[str, Any]) -> None:
    """Write the times that the message gives where ``save`` has put its own.

    They may be the version: with the time of the save a later message would seem to be older.
    """
    given = {
        field.attname: fields[field.attname]
        for field in model._meta.concrete_fields
        if field.attname in fields
        and (getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False))
    }
    if given:
        model._base_manager.using(settings.DATABASE).filter(pk=saved.pk).update(**given)
