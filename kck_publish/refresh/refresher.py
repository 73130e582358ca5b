"""The refresh of a batch's keys: augment where possible, else prime; then write, and go on.

Everything is computed in one snapshot, the batch's; the results are written in another, short
transaction, because an upsert in the first would fail whenever a reader has just added the key.
A batch that is repeated after a crash harms nothing: see ``uncomputed``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from heapq import heapify, heappop, heappush

from .. import clock
from ..chunks import chunks
from ..conf import settings
from ..log.keys import product_of
from ..log.snapshot import Snapshot
from ..products.compute import compute
from ..products.graph import Graph
from ..products.product import Computed, Product
from ..stores import Address, Store, Stored
from .augment import Augment
from .batch_computes import BatchComputes
from .batch_counts import count_batch
from .carry_over import Echoes
from .cascade import Cascading, Over
from .check_augment import checked
from .chunk_writes import ChunkWrites
from .expand import Spreading
from .log_span import Span
from .outcome import Act, Fate, Outcome
from .prefetch import Survey
from .session import Session
from .tasks import Task, Work
from .uncomputed import Uncomputed
from .write import Writer
from .write_decision import settle


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
        self._survey = Survey(graph, store, session, self._since, self._chunk)
        postponing = self._postponing = self._survey.postponing
        computes = self._computes = BatchComputes(session, postponing)
        self.cascading = Cascading(graph, session, span.until, computes)
        self._spreading = Spreading(graph, store, session, computes, postponing)
        self._uncomputed = Uncomputed(self._spreading, postponing)
        self._augment = Augment(self._since, Snapshot.parse(span.floor), span.behind, computes)
        self.outcome = Outcome()
        writer = Writer(graph, store, session, span.until, self.cascading.token, postponing)
        self._writes = ChunkWrites(session, writer, self._survey, self.outcome, self._began)

    def run(self, work: Work, retry: Callable[[str], None], over: Over) -> Outcome:
        """Refresh everything that the batch touches, in the order of dependence.

        Args:
            work: what is touched.
            retry: puts a key whose retry is due into the work.
            over: finds what depends on such keys of a product.
        """
        self._computes.work = work
        self.outcome.changes = work.changes
        self._survey.ask(work, retry)
        if work.whole:
            self._spreading.spread(work)
        for name in work.domains:
            self._spreading.compare(work, self._graph.products[name])
        pending: list[Fate] = []
        for name in self._in_order(work, over):
            for tasks in chunks(list(work.tasks[name].items()), self._chunk):
                pending += self._refresh(self._graph.products[name], dict(tasks))
                if sum(fate.changed for fate in pending) >= self._chunk:
                    self._writes.write(pending)
                    pending = []
        rest = [*pending, *self._removed(work), *self._adopted(work)]
        self._writes.write(rest, last=True, swept={*work.whole, *work.swept})
        self._session.losses.written()
        count_batch(self.outcome, work, self._began, first=not self._session.shard)
        return self.outcome

    def _in_order(self, work: Work, over: Over) -> Iterator[str]:
        """The products with work, each before those over it, which it may give more."""
        turns = [(self._graph.order.get(name, 0), name) for name in work.tasks]
        heapify(turns)
        while turns:
            _, name = heappop(turns)
            yield name
            for later in self.cascading.follow(name, work, over):
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
            fate = self._uncomputed.fate(key, task, entry)
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

    def _augmented(self, key: str, task: Task, entry: Stored) -> Fate | None:
        amended = self._augment.amend(entry, task)
        if amended is None:
            return None
        computed = checked(task.product, key, task.parameters, amended, self._computes)
        self._remember(task.product, key, computed)
        fate = settle(key, task, entry, computed, self._until, augmented=True)
        return fate if computed is amended else fate._replace(differed=True)

    def _primed(
        self, product: Product, tasks: Mapping[str, Task], stored: Mapping[str, Stored]
    ) -> Iterator[Fate]:
        fresh = self._computes.fresh
        missing = {key: task for key, task in tasks.items() if key not in fresh}
        parameters = [task.parameters for task in missing.values()]
        found = dict(zip(missing, compute(product, parameters, self._computes), strict=True))
        for key, task in tasks.items():
            computed = found.get(key) or fresh[key]
            self._remember(product, key, computed)
            yield settle(key, task, stored.get(key), computed, self._until, augmented=False)

    def _remember(self, product: Product, key: str, computed: Computed) -> None:
        """For the products of this batch that read this one."""
        if self._graph.by_product.get(product.name):
            self._computes.fresh[key] = computed

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
            self._computes.work.removed.pop(key, None)
        return fate

    def _removed(self, work: Work) -> Iterator[Fate]:
        """The keys that no row publishes any more."""
        for key in work.removed:
            product = self._graph.products[product_of(key)]
            address = Address(key, product.fingerprint)
            yield Fate(product, address, Act.REMOVE, settled=False)

    def _adopted(self, work: Work) -> Iterator[Fate]:
        """The entries of readers that hold, but for those made anew by the cascade."""
        for entry in self._survey.adopted:
            if entry.address.key not in work.tasks.get(entry.product, {}):
                product = self._graph.products[entry.product]
                yield Fate(product, entry.address, Act.ADOPT, entry=entry, settled=False)
