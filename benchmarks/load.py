"""Requests per second of a URL: by wrk with 8 connections, or by threads where it is missing."""

from __future__ import annotations

import http.client
import re
import shutil
import subprocess
import threading
import time
from urllib.parse import urlsplit

CONNECTIONS = 8


def rate(url: str, seconds: float) -> float:
    """Requests a second.

    Raises:
        RuntimeError: an answer was no 200.
    """
    return _wrk(url, seconds) if shutil.which("wrk") else _threads(url, seconds)


def _wrk(url: str, seconds: float) -> float:
    result = subprocess.run(
        ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{max(1, round(seconds))}s", url],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Requests/sec:\s+([\d.]+)", result.stdout)
    if found is None or "Non-2xx" in result.stdout:
        raise RuntimeError(f"{url}: {result.stdout}")
    return float(found[1])


def _threads(url: str, seconds: float) -> float:
    parts, counts, end = urlsplit(url), [0] * CONNECTIONS, time.perf_counter() + seconds

    def ask(number: int) -> None:
        while time.perf_counter() < end:
            connection = http.client.HTTPConnection(parts.netloc)
            connection.request("GET", parts.path)
            if (status := connection.getresponse()).status != 200:
                raise RuntimeError(f"{url}: {status.status}")
            status.read()
            connection.close()
            counts[number] += 1

    threads = [threading.Thread(target=ask, args=[number]) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds
