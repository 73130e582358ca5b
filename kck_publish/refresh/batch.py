"""One batch of keys: augment where possible, else prime; write; cascade.

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

from .. import signals
from ..exceptions import Reprime, TooLarge
from ..log.snapshot import NOTHING, Snapshot
from ..products import time_limit
from ..products.compute import compute
from ..products.depends import Change
from ..products.graph import Graph
from ..products.product import Computed, Parameters, Product
from ..reading.prime import entry_of
from ..stores import HAND, LISTENER, READER, Address, Store, Stored
from . import failures
from .carry_over import Echoes, Left
from .cascade import Cascading, Over
from .check_augment import checked
from .expand import Spreading
from .prefetch import Survey
from .results import Outcome, Results, Session
from .tasks import Task, Work
from .write import write

logger = logging.getLogger("kck_publish")


class Refresh:
    """The refresh of one batch.

    Args:
        graph: the products.
        store: where values live.
        session: where this batch reads and writes.
        since: the cursor before the batch.
        until: the snapshot that the batch is computed in.
        chunk: how many keys are computed and written together.
        behind: by product, what a stamp must include for its value to be augmented.
        floor: the same for every product.
        echoes: what the batch before has left.
    """

    def __init__(
        self,
        graph: Graph,
        store: Store,
        session: Session,
        since: str,
        until: str,
        chunk: int,
        behind: Mapping[str, Snapshot] | None = None,
        floor: str = NOTHING,
        echoes: Echoes | None = None,
    ) -> None:
        self._echoes = echoes or Echoes()
        self._behind = behind or {}
        self._floor = Snapshot.parse(floor)
        self._graph = graph
        self._store = store
        self._session = session
        self._since = Snapshot.parse(since)
        self._until = until
        self._chunk = chunk
        self._fresh: dict[str, Computed] = {}
        self._survey = Survey(graph, store, session, self._since, chunk)
        self._spreading = Spreading(graph, store, session, self)
        self._work = Work()
        self.cascading = Cascading(graph, session, until, self)
        self.outcome = Outcome()

    def run(
        self,
        work: Work,
        retry: Callable[[str], None] = lambda key: None,
        over: Over = lambda product, keys: Work(),
    ) -> Outcome:
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
        pending = Results()
        turns = [(self._graph.order.get(name, 0), name) for name in work.tasks]
        heapify(turns)
        while turns:
            _, name = heappop(turns)
            for some in _chunks(list(work.tasks[name].items()), self._chunk):
                self._refresh(dict(some), pending)
                if len(pending.writes) + len(pending.removals) >= self._chunk:
                    self._write(pending, last=False)
                    pending = Results()
            for later in self.cascading.follow(name, work, over):
                heappush(turns, (self._graph.order[later], later))
        for key in work.removed:
            product = self._graph.products[key.partition("/")[0]]
            pending.removals.append(Address(key, product.fingerprint))
        self._write(pending, last=True)
        return self.outcome

    def lookup(self, product: Product, key: str, parameters: Parameters) -> Computed | None:
        """What another product's compute sees of a key that this batch touches."""
        if key in self._fresh:
            return self._fresh[key]
        if key in self._work.tasks.get(product.name, {}):
            # Touched, and not computed yet, or not kept: only a compute is true to the batch.
            (found,) = compute(product, [parameters], self)
            self._fresh[key] = found
            return found
        return None

    def _refresh(self, tasks: Mapping[str, Task], results: Results) -> None:
        product = next(iter(tasks.values())).product
        addresses = {key: Address(key, product.fingerprint) for key in tasks}
        stored = self._survey.stored(addresses)
        tasks = {
            key: task
            for key, task in tasks.items()
            if task.news or not self._echoes.holds(key, stored.get(key))
        }
        results.touched += [addresses[key] for key in tasks]
        to_prime: dict[str, Task] = {}
        for key, task in tasks.items():
            entry = stored.get(key)
            if not self._spreading.in_domain(product, key):
                results.settled.append(addresses[key])
                if entry is not None:
                    results.removals.append(addresses[key])
                    self._tell_removed(product, key, results)
                continue
            if entry is None or not self._since.includes(Snapshot.parse(entry.stamp)):
                # What depends on it may have been made from an older value that is not stored.
                results.told.append(addresses[key])
                self.cascading.moved(key)
            if entry is None and not task.named:
                results.settled.append(addresses[key])
                self.cascading.leave(product, key, Left(there=False))
            elif entry is not None and self._reached(entry, task):
                results.adopted.append(entry)
                if entry.body is not None:
                    self._work.removed.pop(key, None)
            elif entry is None or not self._augment(entry, task, results):
                to_prime[key] = task
        missing = {key: task for key, task in to_prime.items() if key not in self._fresh}
        computed = compute(product, [task.parameters for task in missing.values()], self)
        fresh = dict(zip(missing, computed, strict=True))
        for key, task in to_prime.items():
            found = fresh.get(key) or self._fresh[key]
            self._remember(product, key, found)
            self._settle(key, task, stored.get(key), found, results)

    def breathe(self, seconds: float = 0.0) -> None:
        """Give a sign of life, if one is due; there may be none for so long."""
        self._session.breathe(seconds)

    def recover(self) -> None:
        """Make the batch's transaction usable again after a compute that failed in it."""
        self._session.recover()

    def _remember(self, product: Product, key: str, computed: Computed) -> None:
        """For the products of this batch that read this one."""
        if self._graph.by_product.get(product.name):
            self._fresh[key] = computed

    def _reached(self, entry: Stored, task: Task) -> bool:
        """Whether the value already includes all that touched it."""
        if not task.xids or task.reason != "change" or entry.by == HAND or entry.behind:
            return False
        stamp = Snapshot.parse(entry.stamp)
        return all(stamp.sees(xid) for xid in task.xids)

    def _augment(self, entry: Stored, task: Task, results: Results) -> bool:
        """Amend the stored value; False when it has to be primed."""
        product, key = task.product, entry.address.key
        stamp = Snapshot.parse(entry.stamp)
        if task.changes is None or entry.body is None or entry.behind or entry.by == HAND:
            return False
        if entry.by == READER and not stamp.includes(self._since):
            return False
        behind = self._behind.get(product.name)
        if not stamp.includes(self._floor) or (behind and not stamp.includes(behind)):
            return False  # changes that it lacks were put aside
        changes = [one for one in task.changes if not stamp.sees(one.xid)]
        try:
            value = product.amendable(entry.body, entry.shape)
            value = self._amended(product, key, value, changes, task.parameters)
            computed = Computed(value)
            computed.encoded(product)
        except Reprime:
            return False
        except Exception as error:  # noqa: BLE001 - the user's augment: the truth is a prime away
            logger.warning("augment of %s failed (%s): it is primed.", key, type(error).__name__)
            self.recover()
            return False
        if (found := checked(product, key, task.parameters, computed, self)) is not computed:
            computed = found
            results.events.append((signals.differed, product, key))
            self.outcome.differed += 1
        self._remember(product, key, computed)
        self._settle(key, task, entry, computed, results, augmented=True)
        return True

    def _amended(
        self, product: Product, key: str, value: Any, changes: Sequence[Change], named: Parameters
    ) -> Any:
        limit = product.time_limit
        self.breathe(time_limit.seconds_of(limit) or 0.0)
        return time_limit.within(
            key, limit, lambda: product.augment_with(value, changes, named), queries=False
        )

    def _settle(
        self,
        key: str,
        task: Task,
        before: Stored | None,
        computed: Computed,
        results: Results,
        augmented: bool = False,
    ) -> None:
        """Decide what a computed value means for what is stored."""
        product = task.product
        address = Address(key, product.fingerprint)
        entry = None
        if computed.error is None and computed.absent is None:
            try:
                product.before_set(computed.value, task.parameters)
                entry = entry_of(product, key, computed, self._until, LISTENER, task.why)
            except Exception as error:  # noqa: BLE001 - Unserializable, or the user's hook
                computed = Computed(error=error)
                if isinstance(error, TooLarge):
                    logger.error("%s", error)
        if computed.error is not None:
            results.failures.append(failures.Failure(product, address, computed.error))
            results.events.append((signals.failed, product, key))
            self.outcome.failed += 1
            return
        results.settled.append(address)
        if not augmented and (computed.reads or self._survey.any_edges):
            results.reads[address] = computed.reads
        if computed.absent is not None:
            shape = product.absence_shape(computed.absent)
            if before is not None and _says(before, shape):
                results.adopted.append(before)
                self.cascading.leave(product, key, Left(True, before.version, computed.saw))
            elif shape is not None:
                # Too many rows: said, so that the key is found when but one of them is left.
                answer = entry_of(product, key, computed, self._until, LISTENER, task.why)
                assert answer is not None
                results.writes.append(_under(before, answer))
                self.cascading.moved(key)
                if before is not None:
                    self._tell_removed(product, key, results)
            else:
                if before is not None:
                    results.removals.append(address)
                    self._tell_removed(product, key, results)
                self.cascading.leave(product, key, Left(False, saw=computed.saw))
            return
        assert entry is not None
        entry = _under(before, entry)
        # Another row has taken the key over, in a batch before, or in one to come.
        self._work.removed.pop(key, None)
        if before is not None and _same(before, entry):
            if _expires(before) or _expires(entry):
                results.renewals.append(entry._replace(version=before.version))
            else:
                results.adopted.append(before)
                self.cascading.leave(product, key, Left(True, before.version, computed.saw))
            self.outcome.unchanged += 1
            return
        results.writes.append(entry)
        self.cascading.moved(key)
        results.values.append((product, computed.value, task.parameters))
        signal = signals.augmented if augmented else getattr(signals, product.announces)
        results.events.append((signal, product, key))
        if augmented:
            self.outcome.augmented += 1
        else:
            self.outcome.primed += 1
            self.cascading.leave(product, key, Left(True, saw=computed.saw))

    def _tasks(self, entry: Stored) -> Mapping[str, Task]:
        return self._work.tasks.get(entry.product, {})

    def _tell_removed(self, product: Product, key: str, results: Results) -> None:
        self.cascading.moved(key)
        results.events.append((signals.removed, product, key))
        self.outcome.removed += 1

    def _write(self, results: Results, last: bool) -> None:
        if last:
            # But those that a cascade within the batch has made anew.
            results.adopted += [
                one for one in self._survey.adopted if one.address.key not in self._tasks(one)
            ]
        whole = {*self._work.whole, *self._work.swept} if last else ()
        if results.failures:
            self._session.record(results.failures)
        self._session.owed -= {one.key for one in results.settled}
        self.outcome.cascaded += write(
            self._graph,
            self._store,
            self._session,
            results,
            self._until,
            last,
            whole,
            self.cascading.token,
        )
        if results.settled and self._survey.any_failed:
            self._session.forget(results.settled)


def _under(before: Stored | None, entry: Stored) -> Stored:
    """The entry with what is known of the row that it is written to."""
    return entry if before is None else entry._replace(row=before.row)


def _same(before: Stored, entry: Stored) -> bool:
    # One that stands on other products is written, so that its readers know of them.
    return (before.body, before.shape, before.over) == (entry.body, entry.shape, entry.over)


def _expires(entry: Stored) -> bool:
    return entry.soft_expire is not None or entry.hard_expire is not None


def _says(before: Stored, absence: bytes | None) -> bool:
    return before.body is None and before.shape == absence


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
