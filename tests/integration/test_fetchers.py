"""DataFetcher and its kind; each fault of django-data-fetcher (a to o) is shown not to be ours."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kck_publish.exceptions import (
    BatchMismatch,
    FetcherError,
    KckPublishError,
    KeyParameterMismatch,
    MissingRequestContext,
    NoBatchLoad,
)
from kck_publish.request import (
    AbstractChildModelByAttrFetcher,
    AbstractModelByIdFetcher,
    DataFetcher,
    GlobalRequest,
    PrimaryKeyFetcherFactory,
    ValueBoundDataFetcher,
    clear_request_caches,
)
from tests.catalog.fixtures import drain
from tests.catalog.models import Author, Book, Edition, Gadget, Item, Publisher, Seat

pytestmark = pytest.mark.django_db(transaction=True)

loads: list[tuple[str, list[Any]]] = []


@pytest.fixture(autouse=True)
def no_loads() -> None:
    loads.clear()


def asked() -> list[list[Any]]:
    return [keys for _, keys in loads]


class Upper(DataFetcher):
    def batch_load(self, keys: list[str]) -> list[str | None]:
        loads.append(("upper", list(keys)))
        return [None if key == "none" else key.upper() for key in keys]


class Sparse(DataFetcher):
    def batch_load_dict(self, keys: list[str]) -> dict[str, str]:
        loads.append(("sparse", list(keys)))
        return {key: key * 2 for key in keys if key != "none"}


@pytest.mark.parametrize("fetcher", [Upper, Sparse])
def test_each_key_is_loaded_once(fetcher: type[DataFetcher]) -> None:
    with GlobalRequest():
        one = fetcher.get_instance()
        assert one is fetcher.get_instance()
        one.prefetch_keys(["b", "a", "none", "a"])
        assert asked() == [["b", "a", "none"]]
        assert one.get("none") is None
        b, a, again, c = one.get_many(["b", "a", "b", "c"])
        assert (b, a, again) == (one.get("b"), one.get("a"), b)
        assert list(one.get_many_as_dict(["c", "b"])) == ["c", "b"]
        assert asked() == [["b", "a", "none"], ["c"]]
    with GlobalRequest():
        assert fetcher.get_instance() is not one
        assert one.get("c") == c
        assert len(loads) == 3


def test_outside_a_request() -> None:
    assert Upper.get_instance() is not Upper.get_instance()
    assert Upper.get_instance().get("a") == "A"
    with pytest.raises(MissingRequestContext, match="GlobalRequest"):
        Upper.get_instance(raise_on_no_context=True)
    with GlobalRequest():
        Upper.get_instance(raise_on_no_context=True)


def test_batch_load_wins_and_one_is_needed() -> None:
    class Both(Upper):
        def batch_load_dict(self, keys: Any) -> Any:
            raise AssertionError

    class Neither(DataFetcher):
        pass

    assert Both.get_instance().get("a") == "A"
    with pytest.raises(NotImplementedError, match="Neither can load nothing"):
        Neither.get_instance().get("a")
    assert issubclass(NoBatchLoad, KckPublishError)


def test_prime() -> None:
    with GlobalRequest():
        one = Upper.get_instance()
        one.enqueue_keys(["a", "b"])
        one.prime("a", "by hand")
        one.fetch_queued()
        assert one.get_many(["a", "b"]) == ["by hand", "B"]
        assert asked() == [["b"]]


def test_lazy_values_batch_by_themselves() -> None:
    with GlobalRequest():
        one = Upper.get_instance()
        first, second = one.get_lazy("a"), one.get_lazy("b")
        third, _ = one.get_many_lazy(["c", "a"])
        assert loads == []
        assert [first.get(), second.get(), third.get()] == ["A", "B", "C"]
        assert asked() == [["a", "b", "c"]]


@pytest.mark.parametrize("read", ["get", "get_many", "prefetch_keys", "get_many_as_dict"])
def test_what_is_queued_is_loaded_with_the_next_batch(read: str) -> None:
    """``enqueue_keys`` and then any read make one batch (D8)."""
    with GlobalRequest():
        upper = Upper.get_instance()
        upper.enqueue_keys(["a", "b"])
        getattr(upper, read)("c" if read == "get" else ["c"])
        assert upper.get_many(["a", "b", "c"]) == ["A", "B", "C"]
        assert asked() == [["a", "b", "c"]]
        upper.enqueue_keys(["d"])
        assert upper.get("a") == "A"  # known: nothing is loaded
        assert asked() == [["a", "b", "c"]]
        assert async_to_sync(upper.aget)("e") == "E"
        assert upper.get("d") == "D"
        assert asked()[1:] == [["e", "d"]]


def test_many_lazy_values_are_got_at_once() -> None:
    """``get_many_lazy(keys).get()`` gives all values, in one batch (D8)."""
    with GlobalRequest():
        upper = Upper.get_instance()
        values = upper.get_many_lazy(["a", "b", "a"])
        assert loads == []
        assert values.get() == ["A", "B", "A"]
        assert [value.get() for value in values] == ["A", "B", "A"]
        assert asked() == [["a", "b"]]


def test_outside_a_request_a_bound_class_is_the_same_while_it_is_held() -> None:
    """As in a request, for as long as somebody holds it (D8)."""
    bound = Bound.get_value_bound_class(("user", 7))
    assert Bound.get_value_bound_class(("user", 7)) is bound
    assert bound.get_instance().get("a") == (("user", 7), "a")
    assert Bound.get_value_bound_class("k", "one").bound_value == "one"
    assert Bound.get_value_bound_class("k", "two").bound_value == "two"
    gone = weakref.ref(bound)
    del bound
    gc.collect()
    assert gone() is None


def test_composition() -> None:
    class Shout(DataFetcher):
        def batch_load(self, keys: list[str]) -> list[str]:
            loads.append(("shout", keys))
            return [f"{word}!" for word in Upper.get_instance().get_many(keys)]

    with GlobalRequest():
        assert Shout.get_instance().get_many(["a", "b"]) == ["A!", "B!"]
        assert loads == [("shout", ["a", "b"]), ("upper", ["a", "b"])]


# Asynchronous


def test_concurrent_reads_are_one_batch() -> None:
    class Native(DataFetcher):
        async def batch_load(self, keys: list[int]) -> list[int]:
            loads.append(("native", keys))
            await asyncio.sleep(0)
            return [key * 2 for key in keys]

    class Threaded(DataFetcher):
        def batch_load(self, keys: list[int]) -> list[int]:
            loads.append(("threaded", keys))
            return [key * 2 for key in keys]

    async def run(fetcher: type[DataFetcher]) -> None:
        with GlobalRequest():
            one = fetcher.get_instance()
            found: list[Any] = await asyncio.gather(
                *(one.aget(n) for n in range(100)), one.aget_many([5, 100, 5])
            )
            assert found[:100] == [n * 2 for n in range(100)]
            assert found[100] == [10, 200, 10]
            assert asked() == [list(range(101))]
            assert await one.aget(7) == 14
            # One that comes while the batch is under way joins it.
            flying = asyncio.create_task(one.aget(500))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert list(await asyncio.gather(flying, one.aget(500))) == [1000, 1000]
            assert asked()[1:] == [[500]]
        loads.clear()

    asyncio.run(run(Native))
    asyncio.run(run(Threaded))
    with pytest.raises(FetcherError, match="await aget"):
        Native.get_instance().get(1)


def test_an_asynchronous_failure_is_its_keys_alone() -> None:
    class Picky(DataFetcher):
        async def batch_load(self, keys: list[int]) -> list[int]:
            return [100 // key for key in keys]

    async def run() -> None:
        with GlobalRequest():
            one = Picky.get_instance()
            cancelled = asyncio.create_task(one.aget(4))
            others = asyncio.gather(one.aget(1), one.aget(0), one.aget(4), return_exceptions=True)
            await asyncio.sleep(0)
            cancelled.cancel()
            good, bad, four = await others
            assert (good, four) == (100, 25)
            assert isinstance(bad, ZeroDivisionError)
            with pytest.raises(ZeroDivisionError):
                await one.aget(0)

    asyncio.run(run())


# Models


def queries(run: Callable[[], Any]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        run()
    return [query["sql"] for query in captured]


class AuthorById(AbstractModelByIdFetcher):
    model = Author


class EditionById(AbstractModelByIdFetcher):
    model = Edition


class ItemsOfGroup(AbstractChildModelByAttrFetcher):
    model = Item
    attr = "group"


class EditionsOfBook(AbstractChildModelByAttrFetcher):
    model = Edition
    attr = "book"


@pytest.fixture
def rows() -> list[Author]:
    found = [Author.objects.create(slug=f"s{n}", first=f"F{n}", last="L") for n in range(3)]
    book = Book.objects.create(author=found[0], title="t")
    for copies in (1, 2):
        Edition.objects.create(book=book, copies=copies)
    for n in range(4):
        Item.objects.create(name=f"i{n}", group=n % 2)
    drain()
    return found


def test_rows_of_a_cache_model_come_from_the_store(rows: list[Author]) -> None:
    pks = [row.pk for row in rows]
    with GlobalRequest():
        AuthorById.get_instance().prefetch_keys([-1])
    with GlobalRequest():
        one = AuthorById.get_instance()
        (query,) = queries(lambda: one.prefetch_keys([*pks, -1, None]))
        assert "kck_publish_entry" in query
        assert not queries(lambda: one.get_many([*pks, -1, None]))
        assert [row and row.pk for row in one.get_many([*pks, -1, None])] == [*pks, None, None]
        assert one.get(pks[0]) is Author.cached.get(pk=pks[0])


def test_rows_of_other_models(rows: list[Author]) -> None:
    edition = Edition.objects.get(copies=1)
    with GlobalRequest():
        one = EditionById.get_instance()
        assert len(queries(lambda: one.get_many([edition.pk, -1]))) == 1
        assert one.get(str(edition.pk)) == edition


def test_rows_of_a_parent(rows: list[Author]) -> None:
    book = Book.objects.get()
    with GlobalRequest():
        ItemsOfGroup.get_instance().prefetch_keys([0, 1])
    with GlobalRequest():
        items = ItemsOfGroup.get_instance()
        (query,) = queries(lambda: items.get_many([0, 1]))
        assert "kck_publish_entry" in query
        assert [[row.name for row in some] for some in items.get_many([1, 0, 9])] == [
            ["i1", "i3"],
            ["i0", "i2"],
            [],
        ]
        editions = EditionsOfBook.get_instance()
        assert len(queries(lambda: editions.get_many([book, -1]))) == 1
        assert [row.copies for row in editions.get(book.pk)] == [1, 2]
        assert editions.get(-1) == []


def test_a_parent_is_found_by_the_column_that_is_pointed_to() -> None:
    """A row as the key of a foreign key with ``to_field``: not the rows of another parent."""
    mine = Author.objects.create(slug="mine", first="A", last="B")
    other = Author.objects.create(slug=str(mine.pk), first="C", last="D")
    gadget = Gadget.objects.create(maker=mine, small=1)
    Gadget.objects.create(maker=other, small=2)

    class GadgetsOfMaker(AbstractChildModelByAttrFetcher):
        model = Gadget
        attr = "maker"

    assert [row.pk for row in GadgetsOfMaker().get(mine)] == [gadget.pk]
    assert [row.pk for row in GadgetsOfMaker().get("mine")] == [gadget.pk]


@pytest.mark.parametrize("fetcher", [AuthorById, EditionsOfBook])
def test_a_row_of_another_model_is_no_key(fetcher: type[DataFetcher]) -> None:
    author = Author.objects.create(slug="mine", first="A", last="B")
    with pytest.raises(KeyParameterMismatch, match="or its key, not <Item"):
        fetcher().get(Item(pk=author.pk))


def test_the_factory_gives_one_class_a_model() -> None:
    get = PrimaryKeyFetcherFactory.get_model_by_id_fetcher
    assert get(Author) is get(Author)
    assert get(Author) is not get(Book)
    assert get(Author).__name__ == "AuthorByIdFetcher"


def test_a_composite_primary_key() -> None:
    Seat.objects.create(row="A", number=1, guest="x")
    drain()
    with GlobalRequest():
        one = PrimaryKeyFetcherFactory.get_model_by_id_fetcher(Seat).get_instance()
        assert one.get(("A", "1")).guest == "x"
        assert one.get(["A", 2]) is None


@pytest.mark.parametrize("fetcher", [AuthorById, EditionById])
def test_own_writes(fetcher: type[AbstractModelByIdFetcher], rows: list[Author]) -> None:
    field = "first" if fetcher is AuthorById else "copies"
    row = fetcher.model._default_manager.order_by("pk")[0]
    with GlobalRequest():
        one = fetcher.get_instance()
        assert one.get(row.pk) == row
        fetcher.model._default_manager.update(**{field: 77})
        assert str(getattr(one.get(row.pk), field)) == "77"
        assert not queries(lambda: one.get(row.pk))


def test_values_that_are_not_the_databases_outlive_writes(rows: list[Author]) -> None:
    class Elsewhere(Upper):
        forgets_writes: ClassVar[bool] = False

    with GlobalRequest():
        for fetcher in (Upper, Elsewhere):
            fetcher.get_instance().get("a")
        Publisher.objects.create(name="p")
        Elsewhere.get_instance().get("a")
        assert len(loads) == 2
        Upper.get_instance().get("a")
        assert len(loads) == 3


# The faults


def test_fault_a_the_queue_is_emptied() -> None:
    with GlobalRequest():
        one = Upper.get_instance()
        one.enqueue_keys(["a", "b"])
        one.fetch_queued()
        clear_request_caches()
        one.enqueue_keys(["c"])
        one.fetch_queued()
        one.fetch_queued()
        assert asked() == [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (["A"], "was given 2 keys and returned 1"),
        (["A", "B", "C"], "was given 2 keys and returned 3"),
        (None, "returned NoneType, not a list"),
        ({"a": 1, "b": 2}, "returned dict, not a list"),
        ("AB", "returned str, not a list"),
    ],
)
def test_fault_b_the_length_is_checked(result: Any, problem: str) -> None:
    class Wrong(DataFetcher):
        def batch_load(self, keys: Any) -> Any:
            return result

    class WrongDict(DataFetcher):
        def batch_load_dict(self, keys: Any) -> Any:
            return ["A", "B"]

    with GlobalRequest():
        with pytest.raises(BatchMismatch, match=f"Wrong.batch_load {problem}"):
            Wrong.get_instance().get_many(["a", "b"])
        with pytest.raises(BatchMismatch, match=r"WrongDict.*returned list, not a dict"):
            WrongDict.get_instance().get("a")


def test_fault_c_keys_keep_their_order() -> None:
    keys = [f"key{n}" for n in range(50, 0, -1)]
    with GlobalRequest():
        Upper.get_instance().get_many(keys + keys)
        assert asked() == [keys]


class Bound(ValueBoundDataFetcher):
    def batch_load(self, keys: Iterable[Any]) -> list[Any]:
        loads.append((repr(self.bound_value), list(keys)))
        return [(self.bound_value, key) for key in keys]


def test_fault_d_the_bound_value_is_kept() -> None:
    with GlobalRequest():
        value = {"not": "hashable"}
        assert Bound.get_value_bound_class("k", value).bound_value is value
        assert Bound.get_value_bound_class("k", value) is Bound.get_value_bound_class("k", value)
        for falsy in (0, "", (), False):
            bound = Bound.get_value_bound_class(falsy)
            assert bound.get_instance().get("a") == (falsy, "a")
            assert type(bound.bound_value) is type(falsy)
        assert Bound.get_value_bound_class("none", None).bound_value == "none"
        with pytest.raises(FetcherError, match="bound to"):
            Bound.get_value_bound_class("k", "another")
        with pytest.raises(FetcherError, match="cannot be hashed"):
            Bound.get_value_bound_class(value)
        # As its README calls it.
        same = ValueBoundDataFetcher.get_value_bound_class(Bound, 7)
        assert same is Bound.get_value_bound_class(7)
    with GlobalRequest():
        assert Bound.get_value_bound_class("k", "another").bound_value == "another"


def test_fault_e_bound_classes_do_not_outlive_the_request() -> None:
    with GlobalRequest():
        bound = Bound.get_value_bound_class(1)
        bound.get_instance().get("a")
        alive = weakref.ref(bound)
        del bound
        gc.collect()
        assert alive() is Bound.get_value_bound_class(1)
    gc.collect()
    assert alive() is None


def test_fault_f_an_instance_that_is_held_forgets_too(rows: list[Author]) -> None:
    with GlobalRequest():
        held = Upper.get_instance()
        held.prime("a", "stale")
        held.get("b")
        clear_request_caches()
        assert held.get_many(["a", "b"]) == ["A", "B"]
    with GlobalRequest():  # nor does it carry values into another request
        held.get("a")
        assert len(asked()) == 3


def test_fault_g_get_all(rows: list[Author]) -> None:
    with GlobalRequest():
        one = AuthorById.get_instance()
        found = one.get_all(Author.objects.order_by("pk"))
        assert found == rows
        assert not queries(lambda: one.get_many([row.pk for row in rows]))
        assert one.get(rows[0].pk) is found[0]
        with pytest.raises(FetcherError, match="is of Author; get_all was given rows of Book"):
            one.get_all(Book.objects.all())
    with GlobalRequest():  # a primary key of another name
        edition = PrimaryKeyFetcherFactory.get_model_by_id_fetcher(Seat).get_instance()
        Seat.objects.create(row="B", number=2)
        (seat,) = edition.get_all()
        assert edition.get(("B", 2)) is seat


def test_fault_h_attr_is_attr() -> None:
    with pytest.raises(FetcherError, match="in attr, not in parent_attr"):

        class Misnamed(AbstractChildModelByAttrFetcher):
            model = Edition
            parent_attr = "book"

    class Unknown(AbstractChildModelByAttrFetcher):
        model = Edition
        attr = "nothing"

    with pytest.raises(FetcherError, match="a field of Edition, not 'nothing'"):
        Unknown.get_instance().get(1)


def test_fault_i_one_and_its_text_are_one_key(rows: list[Author]) -> None:
    with GlobalRequest():
        one = AuthorById.get_instance()
        assert one.get(str(rows[0].pk)) is one.get(rows[0].pk) is one.get(rows[0])
        assert list(one.get_many_as_dict([str(rows[0].pk)])) == [str(rows[0].pk)]
        assert not queries(lambda: one.get(str(rows[0].pk)))
        with pytest.raises(KeyParameterMismatch, match="'x' is not a value of"):
            one.get("x")
        assert len(ItemsOfGroup.get_instance().get("1")) == 2


def test_fault_k_lists_are_the_readers_own(rows: list[Author]) -> None:
    with GlobalRequest():
        one = ItemsOfGroup.get_instance()
        one.get(1).clear()
        assert len(one.get(1)) == 2
        one.get_many([1]).clear()
        assert len(one.get(1)) == 2


def test_fault_l_one_bad_key_fails_alone() -> None:
    class Picky(DataFetcher):
        def batch_load(self, keys: list[int]) -> list[int]:
            loads.append(("picky", list(keys)))
            return [100 // key for key in keys]

    with GlobalRequest():
        one = Picky.get_instance()
        with pytest.raises(ZeroDivisionError):
            one.get_many([1, 0, 4])
        loads.clear()
        assert one.get_many([1, 4]) == [100, 25]
        assert loads == []
        good, bad = one.get_many_lazy([5, 0])
        assert good.get() == 20
        with pytest.raises(ZeroDivisionError):
            bad.get()


def test_a_database_that_fails_is_not_asked_again_and_again() -> None:
    class Broken(DataFetcher):
        def batch_load(self, keys: list[int]) -> list[int]:
            loads.append(("broken", list(keys)))
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")
            return keys

    with GlobalRequest(), pytest.raises(Exception, match="division by zero"):
        Broken.get_instance().get_many([1, 2, 3])
    assert len(loads) == 1


def test_fault_m_batches_have_a_size() -> None:
    class Small(Upper):
        max_batch_size: ClassVar[int] = 3

    with GlobalRequest():
        keys = [f"k{n}" for n in range(7)]
        assert Small.get_instance().get_many(keys) == [key.upper() for key in keys]
        assert [len(some) for some in asked()] == [3, 3, 1]
    assert Upper.max_batch_size == 1000


def test_fault_n_batch_load_is_a_method_or_what_one_likes() -> None:
    class OfTheClass(DataFetcher):
        @classmethod
        def batch_load(cls, keys: list[str]) -> list[str]:
            return [f"{cls.__name__} {key}" for key in keys]

    class Static(DataFetcher):
        @staticmethod
        def batch_load_dict(keys: list[str]) -> dict[str, str]:
            return dict.fromkeys(keys, "x")

    class Heir(AuthorById):
        def batch_load_dict(self, keys: list[Any]) -> dict[Any, Any]:
            loads.append(("heir", keys))
            return super().batch_load_dict(keys)

    with GlobalRequest():
        assert OfTheClass.get_instance().get("a") == "OfTheClass a"
        assert Static.get_instance().get("a") == "x"
        assert Heir.get_instance().get(-1) is None
        assert asked() == [[-1]]


def test_fault_o_there_is_a_store_behind_the_request(rows: list[Author]) -> None:
    for _ in range(2):
        with GlobalRequest():
            (query,) = queries(lambda: AuthorById.get_instance().get(rows[0].pk))
            assert "kck_publish_entry" in query
            assert "catalog_author" not in query
