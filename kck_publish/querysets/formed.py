"""What a queryset says of a product: its forms, its dependencies, and a value of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import connections
from django.db.models import QuerySet

from ..conf import settings
from ..exceptions import InvalidPrimer
from ..primers.product import PrimerProduct
from ..products import registry
from ..products.product import Parameters
from .form_check import KnownForms, watched
from .plan import VOLATILE, Form, Read, forms, hides_tables

if TYPE_CHECKING:
    from .primer import QuerySetPrimer

# There is no first row.
_NOTHING = object()


class FormedProduct(PrimerProduct):
    """A product whose dependencies are those of its queryset, and whose values are what it gives.

    Raises:
        InvalidPrimer: for a queryset that cannot be followed.
    """

    primer: QuerySetPrimer

    def __init__(self, primer: QuerySetPrimer) -> None:
        super().__init__(primer)
        self._read = False
        registry.later(self.read)  # what it names may not be there yet

    def read(self) -> None:
        """Find the dependencies. Raises InvalidPrimer."""
        if self._read:
            return
        hidden = dict.fromkeys(one for form in self.forms for one in form.hidden)
        options: Any = self.sender
        timed = options.refresh_every or options.soft_expire or options.hard_expire
        if VOLATILE in hidden and timed is None:
            raise InvalidPrimer(
                f"{self.name}: queryset() gives something else each time (the time of day, say), "
                "without any change of a row. Make it a parameter, or set refresh_every, "
                "soft_expire or hard_expire."
            )
        if (tables := hides_tables([*hidden])) and not self.depends_on:
            raise InvalidPrimer(
                f"{self.name}: {', '.join(tables)} may read tables that nobody sees. Name all that "
                "it reads in depends_on, or say it without."
            )
        self.depends_on = [*self.depends_on, *self.found()]
        self._read = True

    def found(self) -> list[Read]:
        """The dependencies of all forms."""
        return [one for form in self.forms for one in form.dependencies]

    @property
    def one(self) -> bool:
        """Whether the value is the first row."""
        primer: Any = self.primer
        return bool(primer.one)

    @cached_property
    def forms(self) -> Sequence[Form]:
        """The forms that the query has: with parameters that are None, or not.

        Raises:
            InvalidPrimer: it cannot be followed, or the first row is asked of what has no rows.
        """
        found = list(forms(self.name, self.parameters, self.primer.queryset))
        answer = found[0].run.answer
        if self.one and not isinstance(answer, QuerySet | list):
            raise InvalidPrimer(
                f"{self.name}: one = True gives the first of the rows, and queryset() gives "
                f"{type(answer).__name__}: leave `one` out, or return the queryset."
            )
        return found

    @cached_property
    def forms_known(self) -> KnownForms:
        """What tells whether a query is of one of these forms."""
        return KnownForms(self.name, self.forms, self.primer.queryset, self.one)

    def value_of(self, parameters: Parameters) -> Any:
        """What the queryset gives.

        Raises:
            InvalidPrimer: it is a query that the dependencies are not of.
            ObjectDoesNotExist: one row is wanted, and there is none.
        """
        with watched(connections[settings.DATABASE]) as executed:
            answer = self.primer.queryset(**parameters)
            many = len(executed) > (not isinstance(answer, QuerySet))
            value = None if many else self._shown(answer)
        if many or not self.forms_known.allow(parameters, answer, executed):
            raise self.another(parameters)
        if value is _NOTHING:
            raise self.absent(parameters)
        return value

    def another(self, parameters: Parameters) -> InvalidPrimer:
        """The error of a query that was not read at start."""
        return InvalidPrimer(
            f"{self.key_of(parameters)}: queryset() gives another query, or another constant in "
            "it, than for other parameters (or than when the process began: the day, say), so its "
            "dependencies are not known. Give one form for all, or write a Primer."
        )

    def _shown(self, answer: Any) -> Any:
        if not isinstance(answer, QuerySet):
            return answer
        rows = answer.using(settings.DATABASE)
        if not self.one:
            return list(rows)
        return next(iter(rows[:1]), _NOTHING)

    def absent(self, parameters: Parameters) -> ObjectDoesNotExist:
        """The error of a key without a row."""
        model: Any = self.forms[0].run.answer.model
        error: ObjectDoesNotExist = model.DoesNotExist(f"{self.key_of(parameters)} has no row.")
        return error
