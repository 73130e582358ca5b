"""The refresh of a batch's keys: augment where possible, else prime; then write, and go on.

Everything is computed in one snapshot, the batch's; the results are written in another, short
transaction, because an upsert in the first would fail whenever a reader has just added the key.
Which values a change has already reached is told by the stamps, so a batch that is repeated
after a crash harms nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Any

from psycopg.errors import LockNotAvailable

from .. import clock
from ..chunks import chunks
from ..conf import settings
from ..log.keys import product_of
from ..log.snapshot import Snapshot
from ..products.compute import compute
from ..products.graph import Graph
from ..products.product import Computed, Parameters, Product
from ..stores import HAND, Address, Store, Stored
from .announce import announce
from .augment import Augment
from .batch_counts import count, count_batch
from .carry_over import Echoes, Left
from .cascade import Cascading, Over
from .check_augment import checked
from .expand import Spreading
from .failures import Failure
from .log_span import Span
from .outcome import Act, Fate, Outcome
from .prefetch import Survey
from .session import Session
from .settle import settle
from .tasks import Task, Work
from .write import Writer

logger = logging.getLogger("kck_publish")


class Refresher:
    """Refreshes the keys of one batch.

    Args:
        graph: the products.
        store: where values live.
        session: where this batch reads and writes.
        span: what of the log it handles.
        echoes: what the batch before has left.
    """

    def __init__(
        self, graph: Graph, store: Store, session: Session, span: Span, echoes: Echoes
    ) -> None:
        self._graph = graph
        self._store = store
        self._session = session
        self._since = Snapshot.parse(span.since)
        self._until = span.until
        self._echoes = echoes
        self._chunk = settings.MAX_BATCH
        self._began = clock.now()
        self._fresh: dict[str, Computed] = {}
        self._work = Work()
        self.check = session.check
        self.memory: dict[Any, Any] | None = {} if session.sees_one_state else None
        self.cascading = Cascading(graph, session, span.until, self)
        self._survey = Survey(graph, store, session, self._since, self._chunk)
        postponing = self._postponing = self._survey.postponing
        self._writer = Writer(graph, store, session, span.until, self.cascading.token, postponing)
        self._spreading = Spreading(graph, store, session, self, postponing)
        self._augment = Augment(self._since, Snapshot.parse(span.floor), span.behind, self)
        self.outcome = Outcome()

    def run(self, work: Work, retry: Callable[[str], None], over: Over) -> Outcome:
        """Refresh everything that the batch touches, in the order of dependence.

        Args:
            work: what is touched.
            retry: puts a key whose retry is due into the work.
            over: finds what depends on such keys of a product.
        """
        self._work = work
        self.outcome.changes = work.changes
        self._survey.ask(work, retry)
        if work.whole:
            self._spreading.spread(work)
        for name in work.domains:
            self._spreading.compare(work, self._graph.products[name])
        pending: list[Fate] = []
        for name in self._in_order(over):
            for tasks in chunks(list(work.tasks[name].items()), self._chunk):
                pending += self._refresh(self._graph.products[name], dict(tasks))
                if sum(fate.changed for fate in pending) >= self._chunk:
                    self._write(pending)
                    pending = []
        self._write([*pending, *self._removed(), *self._adopted()], last=True)
        self._session.losses.written()
        count_batch(self.outcome, work, self._began, first=not self._session.shard)
        return self.outcome

    def lookup(self, product: Product, key: str, parameters: Parameters) -> Computed | None:
        """The value of a key that this batch touches, as another product's compute sees it.

        Of a paused product it sees what is stored, as a reader does.
        """
        if product.name in self._postponing.paused:
            return None
        if key not in self._fresh and key in self._tasks(product.name):
            # Touched, and not computed yet, or not kept: only a compute is true to the batch.
            (self._fresh[key],) = compute(product, [parameters], self)
        return self._fresh.get(key)

    def breathe(self, seconds: float = 0.0) -> None:
        """Give a sign of life, if one is due; there may be none for so long."""
        self._session.breathe(seconds)

    def recover(self, keys: Sequence[str] = ()) -> None:
        """Make the batch's transaction usable again after a compute that failed in it."""
        self._session.recover(keys)

    def admit(self, product: Product, parameters: Sequence[Parameters], alone: bool) -> None:
        """See whether a compute may begin, or has to fail. Raises ConnectionLost."""
        if self._session.losses.any:
            self._session.losses.admit([*map(product.key_of, parameters)], alone)

    def _in_order(self, over: Over) -> Iterator[str]:
        """The products with work, each before those over it, which it may give more."""
        turns = [(self._graph.order.get(name, 0), name) for name in self._work.tasks]
        heapify(turns)
        while turns:
            _, name = heappop(turns)
            yield name
            for later in self.cascading.follow(name, self._work, over):
                heappush(turns, (self._graph.order[later], later))

    def _refresh(self, product: Product, tasks: Mapping[str, Task]) -> list[Fate]:
        """Refresh some keys of a product."""
        stored = self._survey.stored({key: Address(key, product.fingerprint) for key in tasks})
        fates: list[Fate] = []
        to_prime: dict[str, Task] = {}
        for key, task in tasks.items():
            entry = stored.get(key)
            if not task.news and self._echoes.holds(key, entry):
                continue
            fate = self._without_computing(key, task, entry)
            if fate is None and entry is not None:
                fate = self._augmented(key, task, entry)
            if fate is None:
                to_prime[key] = task
            else:
                fates.append(fate)
        fates += self._primed(product, to_prime, stored)
        return [
            self._record(self._with_dependents(fate, stored.get(fate.address.key)))
            for fate in fates
        ]

    def _without_computing(self, key: str, task: Task, entry: Stored | None) -> Fate | None:
        """The fate of a key that needs no new value; None: it needs one."""
        product = task.product
        if product.name in self._postponing.paused:
            return self._postponed(key, task, entry)
        if not self._spreading.in_domain(product, key):
            act, what = (Act.NOTHING, "") if entry is None else (Act.REMOVE, "removed")
            return Fate(product, Address(key, product.fingerprint), act, what, task=task)
        if entry is None:
            if task.named:
                return None
            address, left = Address(key, product.fingerprint), Left(there=False)
            return Fate(product, address, Act.NOTHING, task=task, left=left)
        if self._reached(entry, task):
            return Fate(product, entry.address, Act.ADOPT, entry=entry, task=task, settled=False)
        return None

    def _postponed(self, key: str, task: Task, entry: Stored | None) -> Fate:
        """The fate of a key whose product is paused.

        Dependents of what is stored are told when it is resumed; what is not stored is computed
        for them, so they are told now. The domain is not asked.
        """
        address = Address(key, task.product.fingerprint)
        if entry is None and not task.named:
            return Fate(task.product, address, Act.NOTHING, task=task)
        if entry is not None and self._reached(entry, task):
            return Fate(task.product, address, Act.ADOPT, entry=entry, task=task, settled=False)
        self._postponing.key(task.product, key)
        act = Act.NOTHING if entry is None else Act.MARK
        return Fate(task.product, address, act, "postponed", task=task, settled=False)

    def _reached(self, entry: Stored, task: Task) -> bool:
        """Whether the value already includes all that touched it."""
        if not task.xids or task.reason != "change" or entry.by == HAND or entry.behind:
            return False
        stamp = Snapshot.parse(entry.stamp)
        return all(stamp.sees(xid) for xid in task.xids)

    def _augmented(self, key: str, task: Task, entry: Stored) -> Fate | None:
        amended = self._augment.amend(entry, task)
        if amended is None:
            return None
        computed = checked(task.product, key, task.parameters, amended, self)
        self._remember(task.product, key, computed)
        fate = settle(key, task, entry, computed, self._until, augmented=True)
        return fate if computed is amended else fate._replace(differed=True)

    def _primed(
        self, product: Product, tasks: Mapping[str, Task], stored: Mapping[str, Stored]
    ) -> Iterator[Fate]:
        missing = {key: task for key, task in tasks.items() if key not in self._fresh}
        found = compute(product, [task.parameters for task in missing.values()], self)
        fresh = dict(zip(missing, found, strict=True))
        for key, task in tasks.items():
            computed = fresh.get(key) or self._fresh[key]
            self._remember(product, key, computed)
            yield settle(key, task, stored.get(key), computed, self._until, augmented=False)

    def _remember(self, product: Product, key: str, computed: Computed) -> None:
        """For the products of this batch that read this one."""
        if self._graph.by_product.get(product.name):
            self._fresh[key] = computed

    def _with_dependents(self, fate: Fate, entry: Stored | None) -> Fate:
        """Dependents of the key may have been made from an older value that is not stored."""
        if fate.what == "postponed":
            return fate
        late = entry is None or not self._since.includes(Snapshot.parse(entry.stamp))
        paused = fate.product.name in self._postponing.paused
        if late and (paused or self._spreading.in_domain(fate.product, fate.address.key)):
            return fate._replace(told=True)
        return fate

    def _record(self, fate: Fate) -> Fate:
        """Remember what a key's fate means for the rest of the batch."""
        key = fate.address.key
        self.outcome.count(fate)
        if fate.moved:
            self.cascading.moved(key)
        if fate.left is not None:
            self.cascading.leave(fate.product, key, fate.left)
        if fate.present:
            # Another row has taken the key over, in a batch before, or in one to come.
            self._work.removed.pop(key, None)
        return fate

    def _tasks(self, product: str) -> Mapping[str, Task]:
        return self._work.tasks.get(product, {})

    def _removed(self) -> Iterator[Fate]:
        """The keys that no row publishes any more."""
        for key in self._work.removed:
            product = self._graph.products[product_of(key)]
            address = Address(key, product.fingerprint)
            yield Fate(product, address, Act.REMOVE, settled=False)

    def _adopted(self) -> Iterator[Fate]:
        """The entries of readers that hold, but for those made anew by the cascade."""
        for entry in self._survey.adopted:
            if entry.address.key not in self._tasks(entry.product):
                product = self._graph.products[entry.product]
                yield Fate(product, entry.address, Act.ADOPT, entry=entry, settled=False)

    def _write(self, fates: Sequence[Fate], last: bool = False) -> None:
        swept = {*self._work.whole, *self._work.swept} if last else ()
        failed = [
            Failure(fate.product, fate.address, fate.error)
            for fate in fates
            if fate.act is Act.MARK and fate.error is not None
        ]
        settled = [fate.address for fate in fates if fate.settled]
        tries = self._session.record(failed) if failed else {}
        self._session.owed -= {address.key for address in settled}
        try:
            cascaded = self._writer.write(fates, last, swept, self._survey.any_edges)
        except LockNotAvailable:
            locked = self._session.locked([fate.address for fate in fates])
            if not locked:  # no row, so it is a whole table
                raise
            fates = self._without(locked, fates)
            settled = [fate.address for fate in fates if fate.settled]
            cascaded = self._writer.write(fates, last, swept, self._survey.any_edges)
        self.outcome.cascaded += cascaded
        count(self.outcome.tallies, fates, self._began)
        announce(fates, tries)
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
