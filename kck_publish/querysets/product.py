"""The product of a QuerySetPrimer: its values as they are primed, kept up by changes and stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from django.db.models import Field

from ..aggregates import stored_state
from ..exceptions import Reprime, Unserializable
from ..log.change import Change
from ..products import encoding
from ..products.fingerprints import fingerprint_of
from ..products.parameters import form_of
from ..products.product import Computed, Parameters
from .bounded import Bounded, Unmoved, bounded
from .compared_columns import compared_columns
from .formed import FormedProduct
from .keeping import keep, look_up
from .kept import Kept, State
from .kept_columns import Primed
from .plan import Read
from .values import Values


class QuerySetProduct(FormedProduct):
    """The product of a QuerySetPrimer, kept up by changes where its query allows it."""

    def found(self) -> list[Read]:
        """The dependencies, of which those that amend the value are told apart."""
        kept = self.kept
        if kept is not None:
            look_up(kept)
        found = super().found()
        root = kept.places.root if kept else self.bounded.root if self.bounded else None
        for one in found:
            one.amends = one.node is root
            one.joined = kept is not None
        return found

    @cached_property
    def _kept(self) -> tuple[Kept | None, str]:
        """How the value is kept up by changes; or None, and why not."""
        form, reserve = self.forms[0], self.primer.reserve
        if self._more_than_its_query:
            return None, self._more_than_its_query
        try:
            return keep(form, self.parameters, self.primer.queryset, self.one, reserve), ""
        except Primed as why:
            return None, str(why)

    @cached_property
    def _more_than_its_query(self) -> str:
        """What the value depends on that is not in its one query; empty when it is nothing."""
        own = [name for name in ("compute", "compute_many", "augment") if self._is_own(name)]
        if own:
            return f"it has {own[0]}()"
        if self.sender.depends_on:
            return "it depends on more than its query"
        return "a parameter may be None" if len(self.forms) > 1 else ""

    @cached_property
    def bounded(self) -> Bounded | None:
        """How rows behind the end of a slice are told that is primed."""
        if self.kept is not None or self._more_than_its_query:
            return None
        return bounded(self.forms[0], self.one)

    def _is_own(self, name: str) -> bool:
        method = getattr(self.sender, name)
        return not hasattr(method, "unwritten") and not hasattr(method, "follows")

    @property
    def kept(self) -> Kept | None:
        """How the value is kept up by changes; None when it is primed."""
        return self._kept[0]

    @property
    def why_primed(self) -> str:
        behind = " (rows behind its slice change nothing)" if self.bounded else ""
        return self._kept[1] and f"{self._kept[1]}{behind}"

    @property
    def compares(self) -> Iterable[Field[Any, Any]]:
        return chain(*(compared_columns(form.read[0]) for form in self.forms))

    @property
    def augmentable(self) -> bool:
        return bool(self.kept or self.bounded) or self._is_own("augment")

    @cached_property
    def fingerprint(self) -> str:
        signature = " ".join(text for form in self.forms for text in form.signature)
        state: Any = self.bounded and "bounded"
        state = state or (self.kept and (self.kept.kind, self.primer.reserve))
        version = repr((self.version, self.one, self._values.names, state))
        return fingerprint_of("queryset", self.name, version, signature, *form_of(self.parameters))

    def compute(self, parameters: Parameters) -> Any:
        """The value, from the rows.

        Raises:
            InvalidPrimer: ``queryset`` gives a query that its dependencies are not of.
            ObjectDoesNotExist: one row is wanted, and there is none.
        """
        if self.kept is not None:
            (state,) = self.gather([parameters])
            if self.one and not state.shown:
                raise self.absent(parameters)
            return self.show(state)
        return self.value_of(parameters)

    # Keeping

    def gather(self, wanted: Sequence[Parameters]) -> list[State]:
        """The states of these keys, by one query.

        Raises:
            InvalidPrimer: ``queryset`` gives a query that its dependencies are not of.
            ObjectDoesNotExist: one row of one key is wanted, and there is none.
        """
        assert self.kept is not None
        for parameters in wanted:
            if not self.forms_known.fits(parameters):
                raise self.another(parameters)
        return self.kept.gather(wanted)

    def prime_one(self, parameters: Parameters) -> Any:
        if self.kept is None:
            return super().prime_one(parameters)
        (answer,) = self.prime_many([parameters]) or ()
        return answer.get() if isinstance(answer, Computed) else answer

    def prime_many(self, parameters: Sequence[Parameters]) -> Sequence[Any] | None:
        if self.kept is None:
            return super().prime_many(parameters)
        for each in parameters:
            self.primer.pre_prime(**each)
        answers: list[Any] = []
        for each, state in zip(parameters, self.gather(parameters), strict=True):
            if self.one and not state.shown:
                answers.append(Computed(absent=self.absent(each)))
                continue
            self.primer.post_prime(self.show(state), **each)
            answers.append(state)
        return answers

    def amendable(self, body: bytes, shape: bytes | None) -> Any:
        if self.kept is None and self.bounded is None:
            return super().amendable(body, shape)
        _, state, state_shape = stored_state.parts(shape)
        stored = encoding.decode(state, state_shape) if state else None
        if self.kept is None:
            return Unmoved(body, shape, stored)
        return State(None if stored is None else self.kept.unpack(stored), None)

    def augment_with(self, value: Any, changes: Iterable[Change], parameters: Parameters) -> Any:
        if self.bounded is not None:
            return self.bounded.leave(value, changes)
        if self.kept is None:
            return super().augment_with(value, changes, parameters)
        state = self.kept.augment(value, changes, parameters)
        if self.one and not state.shown:
            raise Reprime("no row is left")
        return state

    def show(self, value: Any) -> Any:
        """The value as readers, and hooks, see it."""
        if isinstance(value, Unmoved):
            return self.decode(value.body, value.shape)
        if not isinstance(value, State):
            return value
        return value.shown[0] if self.one else value.shown

    def before_set(self, value: Any, parameters: Parameters) -> None:
        super().before_set(self.show(value), parameters)

    def after_set(self, value: Any, parameters: Parameters) -> None:
        super().after_set(self.show(value), parameters)

    # Storing

    @cached_property
    def _values(self) -> Values:
        return Values(self.forms[0].run.answer, self.one)

    def encode(self, value: Any) -> encoding.Encoded:
        if isinstance(value, Unmoved):
            return encoding.Encoded(value.body, value.shape)
        shown = self.show(value)
        made = encoding.encode(self._values.dump(shown))
        if self.bounded is not None:
            kept: Any = self.bounded.bound_of(shown)
        elif isinstance(value, State) and self.kept is not None:
            kept = None if value.kept is None else self.kept.pack(value.kept)
        else:
            return made
        try:
            state = encoding.encode(kept)
        except (
            Unserializable
        ):  # NaN orders the rows, say: the value is stored, and primed next time
            state = encoding.encode(None)
        return encoding.Encoded(made.body, stored_state.join(made.shape, state))

    def decode(self, body: bytes, shape: bytes | None) -> Any:
        return self._values.load(self.plain_value(body, shape))

    def plain_value(self, body: bytes, shape: bytes | None) -> Any:
        alone = self.kept is None and self.bounded is None
        return encoding.decode(body, shape if alone else stored_state.parts(shape)[0])
