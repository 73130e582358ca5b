"""A chunk of fates is written, counted and announced; failures are recorded, locks stepped around.

``write`` has the transaction itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from psycopg.errors import LockNotAvailable

from .announce import announce
from .batch_counts import count
from .failures import Failure
from .outcome import Act, Fate, Outcome
from .prefetch import Survey
from .session import Session
from .write import Writer

logger = logging.getLogger("kck_publish")


class ChunkWrites:
    """The writes of one batch.

    Args:
        session: where the batch writes.
        writer: writes a chunk.
        survey: tells whether there are edges, and failures to be forgotten.
        outcome: is told what was written.
        began: when the batch did.
    """

    def __init__(
        self, session: Session, writer: Writer, survey: Survey, outcome: Outcome, began: datetime
    ) -> None:
        self._session = session
        self._writer = writer
        self._survey = survey
        self._outcome = outcome
        self._began = began

    def write(self, fates: Sequence[Fate], last: bool = False, swept: Iterable[str] = ()) -> None:
        """Write what becomes of some keys.

        Args:
            last: whether the cursor of the log moves with it.
            swept: products of which other versions of the code keep nothing.
        """
        failed = [
            Failure(fate.product, fate.address, fate.error)
            for fate in fates
            if fate.act is Act.MARK and fate.error is not None
        ]
        tries = self._session.record(failed) if failed else {}
        self._session.owed -= {fate.address.key for fate in fates if fate.settled}
        try:
            cascaded = self._writer.write(fates, last, swept, self._survey.any_edges)
        except LockNotAvailable:
            locked = self._session.locked([fate.address for fate in fates])
            if not locked:  # no row, so it is a whole table
                raise
            fates = self._without(locked, fates)
            cascaded = self._writer.write(fates, last, swept, self._survey.any_edges)
        self._outcome.cascaded += cascaded
        count(self._outcome.tallies, fates, self._began)
        announce(fates, tries)
        settled = [fate.address for fate in fates if fate.settled]
        if settled and self._survey.any_failed:
            self._session.forget(settled)

    def _without(self, locked: set[str], fates: Sequence[Fate]) -> list[Fate]:
        """The fates of all keys but those whose rows somebody else has locked: these are owed."""
        self._session.owed |= locked
        logger.warning(
            "%d key(s) are refreshed later, as somebody has locked their rows: %s",
            len(locked),
            ", ".join(sorted(locked)[:10]),
        )
        return [fate for fate in fates if fate.address.key not in locked]
