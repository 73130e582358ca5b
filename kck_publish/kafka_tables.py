"""The tables of ``contrib.kafka`` as Django sees them.

The DDL is in ``kck_publish/sql/0002/kafka.sql``. Migrated with the library's
others, used only where ``KCK_PUBLISH["KAFKA"]`` is set.
"""

from __future__ import annotations

from django.db import models

from .tables import OwnTable


class KafkaRelay(OwnTable):
    """A topic that the relay fills."""

    topic = models.TextField(primary_key=True)
    topic_id = models.TextField(default="")
    sent = models.BigIntegerField(default=0)
    suppressed = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    error = models.TextField(default="")
    error_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)

    class Meta(OwnTable.Meta):
        db_table = "kck_publish_kafka_relay"

    def __str__(self) -> str:
        return self.topic


class KafkaUnsent(OwnTable):
    """A message that the broker refuses, or that waits for one of its key."""

    id = models.BigAutoField(primary_key=True)
    topic = models.TextField()
    key = models.BinaryField()
    value = models.BinaryField(null=True)
    headers = models.BinaryField()
    error = models.TextField()
    attempts = models.IntegerField(default=1)
    due_at = models.DateTimeField()
    first_at = models.DateTimeField()

    class Meta(OwnTable.Meta):
        db_table = "kck_publish_kafka_unsent"

    def __str__(self) -> str:
        return f"{self.topic} {self.id}"


class KafkaOffset(OwnTable):
    """How far a consumer group has handled a partition."""

    pk = models.CompositePrimaryKey("consumer", "topic", "partition")
    consumer = models.TextField()
    topic = models.TextField()
    partition = models.IntegerField()
    topic_id = models.TextField(default="")
    next = models.BigIntegerField()
    seen = models.BigIntegerField(default=0)
    handled = models.BigIntegerField(default=0)
    message_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField()

    class Meta(OwnTable.Meta):
        db_table = "kck_publish_kafka_offset"

    def __str__(self) -> str:
        return f"{self.consumer}: {self.topic}/{self.partition}"


class KafkaFailure(OwnTable):
    """A message whose handling has failed: it is tried again, or is a dead letter."""

    id = models.BigAutoField(primary_key=True)
    consumer = models.TextField()
    topic = models.TextField()
    partition = models.IntegerField()
    place = models.BigIntegerField()
    digest = models.UUIDField()
    key = models.BinaryField(null=True)
    value = models.BinaryField(null=True)
    headers = models.BinaryField()
    message_at = models.DateTimeField(null=True)
    state = models.TextField()
    attempts = models.IntegerField(default=1)
    due_at = models.DateTimeField(null=True)
    superseded = models.BooleanField(default=False)
    untold = models.BooleanField(default=False)
    tell_at = models.DateTimeField(null=True)
    tell_attempts = models.IntegerField(default=0)
    tell_error = models.TextField(default="")
    error = models.TextField()
    message = models.TextField()
    traceback = models.TextField()
    first_at = models.DateTimeField()

    class Meta(OwnTable.Meta):
        db_table = "kck_publish_kafka_failure"

    def __str__(self) -> str:
        return f"{self.consumer}: {self.topic}/{self.partition}/{self.place}"


class KafkaVersion(OwnTable):
    """The version that a consumer has last applied for a key."""

    pk = models.CompositePrimaryKey("consumer", "topic", "digest")
    consumer = models.TextField()
    topic = models.TextField()
    digest = models.UUIDField()
    version = models.TextField()

    class Meta(OwnTable.Meta):
        db_table = "kck_publish_kafka_version"

    def __str__(self) -> str:
        return f"{self.consumer}: {self.topic} {self.digest}"
