"""Have what an audit found wrong refreshed. ``kck_verify --repair``."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.db import connections

from ..conf import settings
from ..exceptions import ConfigurationError
from ..log import refreshes
from ..log.keys import product_of
from ..products import registry
from .catching_up import Patience, caught_up, owned
from .judge import judge
from .verify import CHUNK, Report


def repair(report: Report, patience: float, drain: Callable[[], object]) -> None:
    """Ask for a refresh of what is wrong, have it done, and look again; the report is amended.

    By the listener, or, where none owns the shard, here.

    Args:
        report: of an audit.
        patience: seconds to wait for the listener.
        drain: handles all that is committed, where no listener owns some shard.

    Raises:
        ConfigurationError: inside a transaction, where nothing can be waited for.
    """
    if connections[settings.DATABASE].in_atomic_block:
        raise ConfigurationError("A repair cannot be made inside a transaction.")
    wrong = [finding for finding in report.findings if finding.kind != "failing"]
    if not wrong:
        return
    connection = connections[settings.DATABASE]
    with connection.cursor() as cursor:
        refreshes.log(cursor, refreshes.REFRESH, [finding.key for finding in wrong])
        cursor.execute("SELECT pg_current_snapshot()::text")
        snapshot = str(cursor.fetchone()[0])
    if len(owned()) < settings.SHARDS:
        drain()
    caught_up(snapshot, time.monotonic() + patience)
    afresh = Patience(patience)
    left = [finding for finding in report.findings if finding.kind == "failing"]
    by_product: dict[str, list[str]] = {}
    for finding in wrong:
        by_product.setdefault(product_of(finding.key), []).append(finding.key)
    for name, keys in by_product.items():
        for start in range(0, len(keys), CHUNK):
            left += judge(registry.get(name), keys[start : start + CHUNK], afresh)
    still = {finding.key for finding in left}
    report.repaired = [finding.key for finding in wrong if finding.key not in still]
    report.findings = left
