"""What the clients are given, and how bytes are read: settings, secrets, schema registries."""

from __future__ import annotations

import json
import struct
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any, ClassVar

import pytest

from kck_publish import ConfigurationError
from kck_publish.conf import problems
from kck_publish.contrib.kafka import Avro, JsonSchema, Message, Protobuf, config
from kck_publish.contrib.kafka.deserializers import json_or_text


def test_sasl_and_tls_reach_the_client_and_nothing_shows_them(settings: Any) -> None:
    secret = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.password": "hush", "ssl.ca.location": "/ca"}
    kafka = {"bootstrap.servers": "k:9093", "security.protocol": "SASL_SSL", **secret}
    settings.KCK_PUBLISH = {"KAFKA": {**kafka, "producer": {"linger.ms": 50}}}
    given = config.client("producer", config.PRODUCER)
    assert kafka.items() <= given.items()
    assert (given["linger.ms"], given["enable.idempotence"]) == (50, True)
    assert "linger.ms" not in config.client("consumer")
    settings.KCK_PUBLISH = {"KAFKA": {**kafka, "consumer": "hush"}}
    assert problems()
    assert "hush" not in "".join(problems())
    settings.KCK_PUBLISH = {"KAFKA": kafka}
    with pytest.raises(ConfigurationError, match="names no registry"):
        Avro()(message(), b"\0")


def message() -> Message:
    return Message("prices", 0, 0, b"k", b"v")


class Registry(BaseHTTPRequestHandler):
    """Schemas by id, as Confluent's registry gives them."""

    schemas: ClassVar[dict[int, dict[str, str]]] = {}

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        schema = self.schemas.get(int(name)) if name.isdecimal() else None
        missing = {"error_code": 40401, "message": "not found"}
        data = json.dumps(schema or missing).encode()
        self.send_response(200 if schema else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def schemas(settings: Any) -> Iterator[dict[int, dict[str, str]]]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    url = f"http://127.0.0.1:{http.server_port}"
    settings.KCK_PUBLISH = {"KAFKA": {"schema_registry": {"url": url}}}
    yield Registry.schemas
    http.shutdown()
    http.server_close()
    thread.join()


def test_avro_and_json_schema_by_the_registry(schemas: Any) -> None:
    import fastavro

    avro = {"type": "record", "name": "P", "fields": [{"name": "amount", "type": "int"}]}
    schemas[7] = {"schema": json.dumps(avro)}
    body = BytesIO()
    fastavro.schemaless_writer(body, avro, {"amount": 5})
    framed = struct.pack(">bI", 0, 7) + body.getvalue()
    deserialize = Avro()
    assert deserialize(message(), framed) == {"amount": 5}
    assert deserialize(message(), None) is None
    schema = {"type": "object", "properties": {"amount": {"type": "integer"}}}
    schemas[8] = {"schema": json.dumps(schema), "schemaType": "JSON"}
    framed = struct.pack(">bI", 0, 8) + b'{"amount": 6}'
    assert JsonSchema(json.dumps(schema))(message(), framed) == {"amount": 6}


def test_protobuf(schemas: Any) -> None:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="sale.proto", package="shop", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto
    file.message_type.add(name="Sale").field.add(
        name="seconds", number=1, type=field.TYPE_INT64, label=field.LABEL_OPTIONAL
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    sale = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Sale"))
    framed = struct.pack(">bI", 0, 9) + b"\0" + sale(seconds=5).SerializeToString()
    schemas[9] = {"schema": b64encode(file.SerializeToString()).decode(), "schemaType": "PROTOBUF"}
    assert Protobuf(sale)(message(), framed).seconds == 5


def test_keys_are_json_or_else_text() -> None:
    assert [json_or_text(message(), data) for data in (b"5", b'{"id": 1}', b"lh-1", None)] == [
        5,
        {"id": 1},
        "lh-1",
        None,
    ]
