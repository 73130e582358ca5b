"""kck_suggest: the declarations that follow from what computes read, seen and written."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from html import unescape
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.views.debug import technical_500_response

from kck_publish import UndeclaredLookup, UndeclaredRead
from kck_publish.observed_queries import statement
from kck_publish.products import registry
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain, sql
from tests.catalog.models import Author, Book, Edition, Publisher, Tag
from tests.relations.models import Novel, Poem, Poet, Review

pytestmark = pytest.mark.django_db(transaction=True)

HEAD = '''"""Primers without declarations."""

from kck_publish import IntegerParameter, Primer, StringParameter, primer
from tests.catalog.models import Author, Book, Edition, Item, Publisher, Tag
from django.db import connection
from django.db.models import Exists, OuterRef, Q, Sum

EDITED = Exists(Edition.objects.filter(book=OuterRef("pk")))


'''

# By name: the key's parameter, the body of the compute, and what is suggested.
SHAPES: dict[str, tuple[str, str, list[str]]] = {
    "by_pk": (
        "author",
        "Author.objects.filter(pk=author).values_list('last', flat=True)[0]",
        ['Depends(Author, author="pk", columns=["last"])'],
    ),
    "whole": (
        "author",
        "[book.title for book in Book.objects.filter(author=author)]",
        ['Depends(Book, author="author_id")'],
    ),
    "summed": (
        "author",
        "str(Book.objects.filter(author_id=author).aggregate(x=Sum('price'))['x'])",
        ['Depends(Book, author="author_id", columns=["price"])'],
    ),
    "counted": (
        "author",
        "Book.objects.filter(author=author).count()",
        ['Depends(Book, author="author_id", columns=[])'],
    ),
    "joined": (
        "slug",
        "list(Book.objects.filter(author__slug=slug).values_list('title', flat=True))",
        [
            'Depends(Author, slug="slug", columns=[])',
            'Depends(Book, slug="author__slug", columns=["title"])',
        ],
    ),
    "two_steps": (
        "slug",
        "Edition.objects.filter(book__author__slug=slug).count()",
        [
            'Depends(Author, slug="slug", columns=[])',
            'Depends(Book, slug="author__slug", columns=[])',
            'Depends(Edition, slug="book__author__slug", columns=[])',
        ],
    ),
    "backwards": (
        "title",
        "list(Author.objects.filter(book__title=title).values_list('last', flat=True))",
        [
            'Depends(Author, title="book__title", columns=["last"])',
            'Depends(Book, title="title", columns=["author_id"])',
        ],
    ),
    "through": (
        "author",
        "list(Publisher.objects.filter(author=author).values_list('name', flat=True))",
        ['Depends(Publisher, author="author", columns=["name"])'],
    ),
    "under_or": (
        "author",
        "Book.objects.filter(Q(author=author) | Q(title='x')).count()",
        ['Depends(Book, columns=["author_id", "title"])'],
    ),
    "excluded": (
        "author",
        "Author.objects.filter(pk=author).exclude(book__title='x').count()",
        [
            'Depends(Author, author="pk", columns=[])',
            'Depends(Book, author="author_id", columns=["title"])',
        ],
    ),
    "subquery": (
        "author",
        "Edition.objects.filter(book__in=Book.objects.filter(author=author)).count()",
        [
            'Depends(Book, author="author_id", columns=[])',
            'Depends(Edition, author="book__author_id", columns=[])',
        ],
    ),
    "exists": (
        "author",
        "Book.objects.filter(EDITED, author=author).count()",
        [
            'Depends(Book, author="author_id", columns=[])',
            'Depends(Edition, author="book__author_id", columns=[])',
        ],
    ),
    "prefetched": (
        "slug",
        "[len(a.book_set.all()) for a in _authors(slug)]",
        ['Depends(Author, slug="slug")', 'Depends(Book, slug="author__slug")'],
    ),
    "one_by_one": (
        "author",
        "[book.edition_set.count() for book in Book.objects.filter(author=author)]",
        [
            'Depends(Book, author="author_id")',
            'Depends(Edition, author="book__author_id", columns=[])',
        ],
    ),
    "everything": ("author", "Publisher.objects.count()", ["Depends(Publisher, columns=[])"]),
    "raw": (
        "author",
        "_raw('SELECT count(*) FROM catalog_book WHERE author_id = %s', author)",
        ['Depends(Book, author="author_id", columns=[])'],
    ),
}


def source(names: list[str]) -> str:
    """A module of primers with these shapes."""
    text = HEAD + (
        "def _raw(query, value):\n    with connection.cursor() as cursor:\n"
        "        cursor.execute(query, [value])\n        return cursor.fetchone()[0]\n\n\n"
        "def _authors(slug):\n"
        "    return Author.objects.filter(slug=slug).prefetch_related('book_set')\n"
    )
    for name in names:
        parameter, body, _ = SHAPES[name]
        kind = "Integer" if parameter == "author" else "String"
        text += (
            f"\n\nclass {name.title().replace('_', '')}Shape(Primer):\n"
            f'    key = "suggest_{name}"\n'
            f'    parameters = [{kind}Parameter("{parameter}")]\n\n'
            f"    def compute(self, {parameter}):\n        return {body}\n\n"
            f"    def domain(self):\n"
            f"        return [{{'{parameter}': n}} for n in _values('{parameter}')]\n"
        )
    return text + (
        "\n\ndef _values(parameter):\n"
        "    field = {'author': 'pk', 'slug': 'slug'}.get(parameter)\n"
        "    rows = Author.objects if field else Book.objects\n"
        "    return list(rows.order_by('pk').values_list(field or 'title', flat=True))\n"
    )


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[[str], ModuleType]]:
    """Load a module from its text, anew each time; its products are forgotten afterwards."""
    before = set(registry.graph().products)
    path = tmp_path / "suggested_primers.py"

    def load(text: str) -> ModuleType:
        forget()
        path.write_text(text)
        return reload()

    def reload() -> ModuleType:
        spec = importlib.util.spec_from_file_location("suggested_primers", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["suggested_primers"] = module
        spec.loader.exec_module(module)
        return module

    def forget() -> None:
        for name in set(registry.graph().products) - before:
            registry.unregister(name)

    yield load
    forget()
    sys.modules.pop("suggested_primers", None)


@pytest.fixture(autouse=True)
def world(transactional_db: None) -> None:
    """Three authors with different numbers of everything."""
    publishers = [Publisher.objects.create(name=f"p{n}") for n in range(3)]
    for n in range(3):
        author = Author.objects.create(slug=f"a{n}", first="A", last=f"L{n}")
        author.publishers.add(*publishers[: n + 1])
        for m in range(n + 1):
            book = Book.objects.create(author=author, title=f"t{n}{m}", price=n)
            for _ in range(m + 1):
                Edition.objects.create(book=book)


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit status, and what is told of each product."""
    out, status = StringIO(), 0
    try:
        call_command("kck_suggest", *arguments, "--json", stdout=out)
    except SystemExit as error:
        status = int(error.code or 0)
    told = json.loads(out.getvalue())
    return status, {each["product"].removeprefix("suggest_"): each for each in told["products"]}


def names_of(shapes: list[str]) -> list[str]:
    return [f"suggest_{name}" for name in shapes]


def test_each_shape_is_seen_through(load: Callable[[str], ModuleType]) -> None:
    load(source(list(SHAPES)))
    status, told = run(*names_of(list(SHAPES)))
    assert {name: each["failed"] for name, each in told.items() if each["failed"]} == {}
    found = {name: each["depends_on"] for name, each in told.items()}
    assert found == {name: lines for name, (_, _, lines) in SHAPES.items()}
    assert status == 1
    assert sql("SELECT count(*) FROM kck_publish_entry") == [(0,)]


@pytest.mark.long
def test_what_is_written_is_strict_and_fresh(
    load: Callable[[str], ModuleType], settings: Any, tmp_path: Path
) -> None:
    """Written once, nothing is left to say, and each compute is let through under STRICT."""
    names = list(SHAPES)
    load(source(names))
    call_command("kck_suggest", *names_of(names), "--write", stdout=StringIO())
    written = (tmp_path / "suggested_primers.py").read_text()
    assert written.count("depends_on = [") == len(names)
    load(written)
    settings.KCK_PUBLISH = {"STRICT": True}
    status, told = run(*names_of(names))
    assert status == 0
    assert [each["undeclared"] for each in told.values()] == [[]] * len(names)
    assert [each["unread"] for each in told.values()] == [[]] * len(names)
    author = Author.objects.get(slug="a1")
    values: dict[str, Any] = {"author": author.pk, "slug": "a1", "title": "t10"}
    products: dict[str, Any] = {name: registry.get(f"suggest_{name}").sender for name in names}
    for name in names:
        parameter = SHAPES[name][0]
        products[name].cached.get(**{parameter: values[parameter]})
    Book.objects.filter(author=author, title="t11").update(title="changed", price=7)
    Author.objects.filter(pk=author.pk).update(last="changed")
    Edition.objects.filter(book__author=author).order_by("-pk")[:1].get().delete()
    drain()
    assert_fresh(*names_of(names))


DECLARED = (
    HEAD
    + '''class Narrow(Primer):
    key = "suggest_narrow"
    parameters = [IntegerParameter("author")]
    depends_on = [
        # Books.
        Depends(Book, author="author_id", columns=["note"]),
        Depends(Publisher),
    ]

    def compute(self, author):
        return str(Book.objects.filter(author=author).aggregate(x=Sum("price"))["x"])

    def domain(self):
        return [{"author": pk} for pk in Author.objects.values_list("pk", flat=True)]


@primer("suggest_short", eager=True)
def short():
    return Publisher.objects.count()


class Outer(Primer):
    """Reads another product, which answers for itself."""

    key = "suggest_outer"

    def compute(self):
        return short.cached.get()
'''
)
DECLARED = DECLARED.replace("import IntegerP", "import Depends, IntegerP")


def test_what_is_declared_is_compared_with_what_is_read(
    load: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    load(DECLARED)
    status, told = run("suggest_narrow", "suggest_short", "suggest_outer", "--sample", "2")
    narrow = told["narrow"]
    assert narrow["keys"] == 2
    assert narrow["undeclared"] == ["catalog_book.price"]
    assert narrow["add"] == ['Depends(Book, author="author_id", columns=["note", "price"])']
    assert narrow["unread"] == [
        'catalog_book.note, of Depends(Book, author="author_id", columns=["note"])',
        "Depends(Publisher)",
    ]
    assert told["short"]["add"] == ["Depends(Publisher, columns=[])"]
    assert told["outer"]["undeclared"] == []
    assert status == 1
    call_command("kck_suggest", "suggest_narrow", "suggest_short", "--write", stdout=StringIO())
    written = (tmp_path / "suggested_primers.py").read_text()
    assert 'Depends(Book, author="author_id", columns=["note", "price"]),' in written
    assert "# Books." in written
    assert "Depends(Publisher)," in written  # what was not read may be in another branch
    assert (
        '@primer("suggest_short", eager=True, depends_on=[Depends(Publisher, columns=[])])'
        in written
    )
    load(written)
    assert run("suggest_narrow", "suggest_short")[0] == 0


def test_one_key_is_computed_when_it_is_named(load: Callable[[str], ModuleType]) -> None:
    load(source(["by_pk"]))
    pk = Author.objects.get(slug="a1").pk
    status, told = run(f"suggest_by_pk/{pk}")
    assert (status, told["by_pk"]["keys"]) == (1, 1)
    assert any("only one key" in note for note in told["by_pk"]["notes"])


def test_what_cannot_be_told_is_said(load: Callable[[str], ModuleType]) -> None:
    load(source(["whole", "everything"]))
    _, told = run("suggest_whole", "suggest_everything")
    assert any("loaded whole" in note for note in told["whole"]["notes"])
    assert any("refreshes every key" in note for note in told["everything"]["notes"])
    Author.objects.all().delete()
    status, told = run("suggest_whole")
    assert (status, told["whole"]["keys"]) == (0, 0)
    assert any("no key was there" in note for note in told["whole"]["notes"])


def test_a_product_or_key_that_there_is_not() -> None:
    for wrong in ("nothing", "nothing/1", "item_total/x"):
        with pytest.raises(CommandError, match=wrong.partition("/")[0]):
            call_command("kck_suggest", wrong)


def test_a_compute_that_writes_fails_and_leaves_nothing(load: Callable[[str], ModuleType]) -> None:
    load(
        source(["by_pk"]).replace(
            "        return Author", "        Tag.objects.create()\n        return Author"
        )
    )
    status, told = run("suggest_by_pk")
    assert status == 1
    assert all("read-only" in error for error in told["by_pk"]["failed"].values())
    assert not Tag.objects.exists()


def test_the_error_ends_with_the_line_to_paste(
    load: Callable[[str], ModuleType], settings: Any
) -> None:
    module = load(DECLARED + source(["joined"]))
    settings.KCK_PUBLISH = {"STRICT": True}
    with pytest.raises(UndeclaredRead) as error:
        module.JoinedShape.cached.get(slug="a1")
    assert str(error.value).endswith(
        'In depends_on:\n    Depends(Author, slug="slug", columns=[]),'
        '\n    Depends(Book, slug="author__slug", columns=["title"]),'
    )
    with pytest.raises(UndeclaredRead) as error:
        module.Narrow.cached.get(author=Author.objects.get(slug="a1").pk)
    assert str(error.value).endswith(
        '\n    Depends(Book, author="author_id", columns=["note", "price"]),'
    )


def test_the_debug_page_shows_the_lookup_to_declare(rf: Any, settings: Any) -> None:
    """By Django's own page, as where DEBUG is on."""
    for read, line in (
        (lambda: Author.cached.get(first="x"), "cached_by = ['slug', ('first', 'last'), 'first']"),
        (lambda: Author.cached.filter(born=None), "cached_lists = ['last', 'born']"),
    ):
        try:
            read()
        except UndeclaredLookup:
            page = technical_500_response(rf.get("/"), *sys.exc_info()).content.decode()
            assert unescape(page).count(line), page[:3000]


def test_the_short_form_of_a_cached_method() -> None:
    """What a method of a row reads, without an import: models of one file know no later ones."""
    product: Any = registry.get("relations.poet.num_poems")
    before = product.depends_on
    poet = Poet.objects.create(slug="basho")
    Poem.objects.create(poet=poet, title="frog")
    product.depends_on = before[:1]
    try:
        status, told = run("relations.poet.num_poems")
    finally:
        product.depends_on = before
    assert status == 1
    assert told["relations.poet.num_poems"]["add"] == ['"Poem.poet"']


def test_without_what_parses_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement, "_parsable", False)
    with pytest.raises(CommandError, match=r"pip install kck-publish\[suggest\]"):
        call_command("kck_suggest")


def test_a_table_that_lies_on_the_way_needs_a_dependency_of_its_own(
    load: Callable[[str], ModuleType],
) -> None:
    """A path counts the columns that it leads by, and none that is read besides."""
    body = "list(Book.objects.filter(author__slug=slug).values_list('author__last', flat=True))"
    text = source(["joined"]).replace(SHAPES["joined"][1], body)
    on = '    depends_on = [Depends(Book, slug="author__slug", columns=[])]\n\n    def compute'
    load(
        text.replace("    def compute", on, 1).replace(
            "import IntegerP", "import Depends, IntegerP"
        )
    )
    _, told = run("suggest_joined")
    assert told["joined"]["undeclared"] == ["catalog_author.last"]
    assert told["joined"]["add"] == ['Depends(Author, slug="slug", columns=["last"])']


REVIEWS = '''
from kck_publish import IntegerParameter, Primer
from tests.relations.models import Novel, Review


class Reviews(Primer):
    """Of the novel, or of the one that it follows."""

    key = "suggest_reviews"
    parameters = [IntegerParameter("novel")]

    def compute(self, novel):
        row = Novel.objects.get(pk=novel)
        return Review.objects.filter(novel_id=row.sequel_of_id or row.pk).count()
'''


def test_a_key_that_found_no_rows_does_not_vouch_for_a_narrow_mapping(
    load: Callable[[str], ModuleType],
) -> None:
    """A novel without reviews, and one whose mapping leads over another: both may get some."""
    load(REVIEWS)
    alone, first = Novel.objects.create(title="alone"), Novel.objects.create(title="first")
    sequel = Novel.objects.create(title="sequel", sequel_of=first)
    Review.objects.create(novel=first)
    _, told = run(f"suggest_reviews/{alone.pk}", f"suggest_reviews/{sequel.pk}")
    assert 'Depends(Review, columns=["novel_id"])' in told["reviews"]["depends_on"]
    _, told = run(f"suggest_reviews/{sequel.pk}")
    assert 'Depends(Review, novel="novel__novel", columns=[])' in told["reviews"]["depends_on"]
