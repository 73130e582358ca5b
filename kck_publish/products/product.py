"""The product, as the layers that store, read and refresh it see it. Pure.

``rows`` makes the products of a model's rows and ``primers`` those of a Primer; the registry
holds both, and ``reading`` and ``refresh`` know only this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, TypeAlias

from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from django.db.models import Field, Model

from ..exceptions import KeyParameterMismatch
from ..observed_queries.declarations import Declaration
from ..stores import Read
from . import encoding, keys
from .depends import Change, Depends
from .options import Options
from .parameters import Parameter

# Under a longer key "there is none" is not stored.
LONGEST_OF_NOTHING = 1000
Parameters = Mapping[str, Any]
# The parameters of wanted keys, by key.
Wanted: TypeAlias = Mapping[str, Parameters]
# Embedded relations by name, each with those that are embedded in it.
Tree: TypeAlias = Mapping[str, "Tree"]


@dataclass(slots=True)
class Computed:
    """The result of computing one key: a value, the answer that there is none, or an error.

    Only ``compute`` changes one, before it gives it to anybody: a frozen one takes three times as
    long to make, for each key of a batch.
    """

    value: Any = None
    absent: ObjectDoesNotExist | MultipleObjectsReturned | None = None
    error: Exception | None = None
    seconds: float = 0.0
    # What it was computed from without declaring it: the keys, and their products.
    reads: Sequence[Read] = ()
    over: frozenset[str] = frozenset()
    # The keys that it was computed from as its batch has them, declared or not.
    saw: frozenset[str] = frozenset()
    _encoded: encoding.Encoded | None = field(default=None, init=False, repr=False, compare=False)

    def get(self) -> Any:
        """The value; raises what the compute raised."""
        if self.absent is not None:
            raise self.absent
        if self.error is not None:
            raise self.error
        return self.value

    def encoded(self, product: Product) -> encoding.Encoded:
        """The bytes to store, made once for all who ask; raises what the compute raised.

        Raises:
            Unserializable: the value cannot be stored.
        """
        if self._encoded is None:
            self._encoded = product.encode(self.get())
        return self._encoded


class Product(Options):
    """A named family of values, one a key."""

    name: str
    # The class that declares it: the sender of the signals.
    sender: type
    parameters: Sequence[Parameter] = ()
    depends_on: Sequence[Depends] = ()
    # What the listener announces when a value was computed: a name in ``signals``.
    announces: ClassVar[str] = "primed"
    # The model whose ``publish`` is to be run for each changed row, when it has an own one.
    publisher: type[Model] | None = None
    # Columns to capture beside those that the dependencies name.
    captured: Sequence[str] = ()
    # The relations that its rows have with them.
    embedded: Tree = {}
    # Whether the answer "there is none" is stored too, so that asking again computes nothing.
    keeps_absence: ClassVar[bool] = False

    @property
    def fingerprint(self) -> str:
        """Tells this code's bytes from those of another version of it."""
        raise NotImplementedError

    @property
    def options(self) -> Options | type[Options]:
        """The object that has the product's options: its class where a user may change them."""
        return self

    @property
    def augmentable(self) -> bool:
        """Whether a stored value can be amended from changes."""
        return False

    @property
    def why_primed(self) -> str:
        """Why no stored value can be amended, where that follows from a declaration; else empty."""
        return ""

    @property
    def may_read(self) -> Iterable[Depends]:
        """The dependencies that name the tables which its compute may read."""
        return self.depends_on

    @property
    def compares(self) -> Iterable[Field[Any, Any]]:
        """The columns whose values its amending compares in the place of the database."""
        return ()

    def sees_rows(self, dependency: Depends) -> bool:
        """Whether the product's code is shown the rows themselves, so that all is captured."""
        return self.augmentable or callable(dependency.keys)

    def check_set(self, value: Any) -> None:
        """Refuse a value set by hand that the product does not keep. Raises Unserializable."""

    def encode(self, value: Any) -> encoding.Encoded:
        """The bytes to store. Raises Unserializable."""
        return encoding.encode(value)

    def decode(self, body: bytes, shape: bytes | None) -> Any:
        """The value of stored bytes; fresh objects each time."""
        return encoding.decode(body, shape)

    def plain_value(self, body: bytes, shape: bytes | None) -> Any:
        """The value of stored bytes for a comparison: without objects that hide how they differ."""
        return self.decode(body, shape)

    def amendable(self, body: bytes, shape: bytes | None) -> Any:
        """The state in stored bytes that ``augment_with`` amends: the value, if no more is kept."""
        return self.decode(body, shape)

    def absence(self, shape: bytes | None, key: str) -> Exception:
        """The error that a stored "there is none" stands for."""
        return ObjectDoesNotExist(f"{key} does not exist.")

    def is_nothing(self, computed: Computed) -> bool:
        """Whether a computed answer says that there is nothing: anybody can ask for many such."""
        return isinstance(computed.absent, ObjectDoesNotExist)

    def may_exist(self, key: str) -> bool:
        """Whether anything can be under a key, by what its parameters take and by its length."""
        if len(key) > LONGEST_OF_NOTHING:
            return False
        values = self.parameters_of(key)
        return all(
            values[parameter.name] is None or parameter.may_exist(values[parameter.name])
            for parameter in self.parameters
        )

    def absence_shape(self, absent: Exception) -> bytes | None:
        """The part of such an error that is kept, beside that there is no value."""
        return None

    def before_set(self, value: Any, parameters: Parameters) -> None:
        """Called before a value is stored."""

    def after_set(self, value: Any, parameters: Parameters) -> None:
        """Called after a value was stored."""

    def key_of(self, parameters: Parameters) -> str:
        """The key text. Raises KeyParameterMismatch."""
        if len(parameters) == 1 and self.plain is not None:
            ((name, value),) = parameters.items()
            plain = self.plain_key(value) if name == self.parameters[0].name else None
            if plain is not None:
                return plain
        return keys.build(self.name, self.parameters, parameters)

    @cached_property
    def plain(self) -> type[Any] | None:
        """The type of values that may be in a key as they are, if there is just one parameter."""
        return self.parameters[0].plain if len(self.parameters) == 1 else None

    def plain_key(self, value: Any) -> str | None:
        """The key of the one parameter's value, where that is plain; else None."""
        if type(value) is not self.plain or not keys.is_plain(value):
            return None
        return f"{self.name}/{value}"

    def parameters_of(self, key: str) -> dict[str, Any]:
        """The typed parameters of a key text. Raises KeyParameterMismatch."""
        if self.plain is int:
            with suppress(ValueError):
                value = int(key[len(self.name) + 1 :])
                if self.plain_key(value) == key:
                    return {self.parameters[0].name: value}
        return keys.parse(key, self.parameters)

    def parameters_if_known(self, key: str) -> dict[str, Any] | None:
        """The same; None where only an older form of the product has such a key."""
        try:
            return self.parameters_of(key)
        except KeyParameterMismatch:
            return None

    def dependency_text(self, declaration: Declaration) -> str:
        """What a user writes into its ``depends_on``."""
        return str(declaration)

    def prime_one(self, parameters: Parameters) -> Any:
        """Compute one key; whatever it raises is kept with the key."""
        raise NotImplementedError

    def prime_many(self, parameters: Sequence[Parameters]) -> Sequence[Any] | None:
        """Compute several keys in one pass, in order (values, or Computed ones); None: cannot."""
        return None

    def augment_with(self, value: Any, changes: Iterable[Change], parameters: Parameters) -> Any:
        """The value after these changes, in order. Raises Reprime."""
        raise NotImplementedError

    def members(self) -> Iterable[Parameters] | None:
        """Every parameter dict that should exist, or None when nobody has said."""
        return None

    @property
    def has_domain(self) -> bool:
        """Whether somebody has said which keys should exist."""
        return self.members() is not None

    def count_members(self) -> int | None:
        """The number of keys, where ``members`` does not give them; None when it is not known."""
        return None

    @property
    def warm(self) -> bool:
        """Whether ``kck_prime --all`` primes its domain."""
        return False

    def named_by(self, change: Change, dependency: Depends) -> bool:
        """Whether a key this change names is to be primed although it is not stored."""
        return self.eager


class UnparsedKeys(Wanted):
    """Wanted keys of a product that are parsed one by one: a key that is stored never is."""

    def __init__(self, product: Product, keys: Iterable[str]) -> None:
        self._product = product
        self._keys = dict.fromkeys(keys)

    def __getitem__(self, key: str) -> Parameters:
        if key not in self._keys:
            raise KeyError(key)
        return self._product.parameters_of(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
