"""Kafka Connect's REST interface, as far as connectors are validated, published and watched.

``KCK_PUBLISH["KAFKA"]["connect"] = {"url": ..., "auth": (user, password), "timeout": seconds,
"retries": number, "prefix": ...}``. A refused connection and a busy server (409 while it
rebalances, 502, 503, 504) are tried again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from ...exceptions import ConfigurationError, ConnectRefused
from . import config
from .connector import Connector

# Answers that pass, and how long to wait for the first retry, in seconds; twice as long each time.
PASSING, PAUSE = (409, 502, 503, 504), 0.2
RUNNING = "RUNNING"


class Connect:
    """A session with Kafka Connect.

    Raises:
        ConfigurationError: the settings name none, or httpx is not installed.
    """

    def __init__(self) -> None:
        given = config.part("connect")
        if not given.get("url"):
            raise ConfigurationError(
                'KCK_PUBLISH["KAFKA"]["connect"] names no server: set {"url": "http://..."}.'
            )
        self._retries = int(given.get("retries", 5))
        self._pause = float(given.get("pause", PAUSE))
        self._httpx = config.module("httpx")
        self._client = self._httpx.Client(
            base_url=str(given["url"]),
            auth=given.get("auth"),
            timeout=given.get("timeout", 30.0),
            verify=given.get("verify", True),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def names(self) -> list[str]:
        """The connectors that there are. Raises ConnectRefused."""
        return sorted(self._ask("GET", "/connectors").json())

    def validate(self, connector: type[Connector]) -> list[str]:
        """What is wrong with a configuration: "name: message". Raises ConnectRefused."""
        given = {"name": connector.full_name(), **connector.get_config()}
        plugin = str(given.get("connector.class", ""))
        path = f"/connector-plugins/{quote(plugin.rpartition('.')[2], safe='')}/config/validate"
        answer = self._ask("PUT", path, given).json()
        return [
            f"{field['value']['name']}: {message}"
            for field in answer.get("configs", ())
            for message in field["value"].get("errors", ())
        ]

    def publish(self, connector: type[Connector]) -> str:
        """Create or update a connector, or delete one that is marked; what was done.

        Raises:
            ConnectRefused: it is refused.
        """
        path = f"/connectors/{quote(connector.full_name(), safe='')}"
        if connector.mark_for_removal:
            answer = self._ask("DELETE", path, missing=True)
            return "is gone" if answer.status_code == 404 else "deleted"
        answer = self._ask("PUT", f"{path}/config", connector.get_config())
        return "created" if answer.status_code == 201 else "updated"

    def status(self, connector: type[Connector]) -> str:
        """``RUNNING``, or what it and its tasks are; looked at again while it is being assigned.

        Raises:
            ConnectRefused: it is not there.
        """
        path = f"/connectors/{quote(connector.full_name(), safe='')}/status"
        pause, state = self._pause, ""
        for _ in range(self._retries + 1):
            answer = self._ask("GET", path, missing=True)
            if answer.status_code == 404:
                state = "not found"
            else:
                said = answer.json()
                tasks = [task["state"] for task in said.get("tasks", ())]
                states = [said["connector"]["state"], *tasks]
                state = next((one for one in states if one != RUNNING), RUNNING)
                if state not in ("UNASSIGNED", "RESTARTING"):
                    return str(state)
            time.sleep(pause)
            pause *= 2
        return state

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, missing: bool = False
    ) -> Any:
        pause = self._pause
        for left in range(self._retries, -1, -1):
            try:
                answer = self._client.request(method, path, json=body)
            except self._httpx.TransportError as error:
                if not left:
                    raise ConnectRefused(
                        f"Kafka Connect does not answer ({type(error).__name__})."
                    ) from error
            else:
                if answer.is_success or (missing and answer.status_code == 404):
                    return answer
                if answer.status_code not in PASSING or not left:
                    raise ConnectRefused(
                        f"{method} {path}: {answer.status_code} {_message(answer)}".rstrip()
                    )
            time.sleep(pause)
            pause *= 2
        raise AssertionError


def _message(answer: Any) -> str:
    try:
        return str(answer.json().get("message", ""))
    except (ValueError, AttributeError):
        return ""
