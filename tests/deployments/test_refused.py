"""What the checks of the database call an error keeps a listener from starting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kck_publish import search_path
from kck_publish.capture.install import install
from kck_publish.products import registry
from tests.acceptance.test_listener_process import Process
from tests.catalog.fixtures import sql
from tests.deployments.schemas import NAMES, within

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def secured(transactional_db: None) -> Iterator[None]:
    """A source under row level security, of tenants that no product names (E022)."""
    sql("ALTER TABLE catalog_edition ENABLE ROW LEVEL SECURITY")
    sql("CREATE POLICY own ON catalog_edition USING (remark = current_setting('app.tenant'))")
    yield
    sql("DROP POLICY own ON catalog_edition")
    sql("ALTER TABLE catalog_edition DISABLE ROW LEVEL SECURITY")


@pytest.fixture
def shared(transactional_db: None) -> Iterator[None]:
    """Schemas with a table each of a source, over one log (E023)."""
    for name in NAMES:
        sql(f"CREATE SCHEMA {name}; CREATE TABLE {name}.catalog_item (LIKE catalog_item)")
        with within(f"{name}, public"):
            install("default", registry.sources())
    yield
    for name in NAMES:
        sql(f"DROP SCHEMA {name} CASCADE")
    search_path.forget()


@pytest.mark.long
@pytest.mark.parametrize(("wrong", "id"), [("secured", "E022"), ("shared", "E023")])
def test_a_listener_does_not_start(
    wrong: str, id: str, request: pytest.FixtureRequest, process_environment: dict[str, str]
) -> None:
    """Nor with --once; it says what to do, and can be told that it is meant so."""
    request.getfixturevalue(wrong)
    for arguments in ([], ["--once"]):
        refused = Process(process_environment, *arguments)
        assert refused.wait() == 1
        said = "".join(refused.lines)
        assert f"(kck_publish.{id})" in said
        assert "Traceback" not in said
        assert "ready" not in said
    silenced = f"{process_environment['KCK_TEST_SILENCED']} kck_publish.{id}"
    process = Process(process_environment | {"KCK_TEST_SILENCED": silenced}, "--once")
    assert process.wait() == 0, process.lines
