"""Kafka: committed changes and stored products relayed to topics, and topics consumed into rows.

In: what an app's module ``kafka`` declares, the log and the store through ``Follower``, and the
brokers that ``KCK_PUBLISH["KAFKA"]`` names. Out: messages, acknowledged before the cursor moves;
and rows, written in the transaction that moves the offset. Must not know: how a batch is refreshed.

``topics`` and ``envelopes`` say what is sent; ``relay`` (``relay_follower``, ``sender``) sends it.
``consumer``, ``model_consumer`` and ``topic_product`` say what is done with messages; ``consume``
(``worker``, ``exactly_once``) does it, with ``offsets`` and ``failures``. Needs the extra ``kafka``
where a process sends or consumes; declaring needs nothing.
"""

from __future__ import annotations

from . import doctor as doctor
from .connector import Connector
from .consumer import TopicConsumer
from .debezium import DebeziumModelTopicConsumer, days_from_epoch
from .deserializers import Avro, JsonSchema, Protobuf, json, json_or_text, raw
from .message import Message
from .model_consumer import ModelTopicConsumer
from .relay_status import report as report
from .suppress_topics import suppress, unsuppress
from .topic_product import TopicProduct
from .topics import ChangeTopic, ProductTopic

__all__ = [
    "Avro",
    "ChangeTopic",
    "Connector",
    "DebeziumModelTopicConsumer",
    "JsonSchema",
    "Message",
    "ModelTopicConsumer",
    "ProductTopic",
    "Protobuf",
    "TopicConsumer",
    "TopicProduct",
    "days_from_epoch",
    "json",
    "json_or_text",
    "raw",
    "suppress",
    "unsuppress",
]
