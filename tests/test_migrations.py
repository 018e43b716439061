"""The migrations and the models describe the same database, and every step can be undone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect

from portal.core.db import Base, make_engine
from tests.databases import Databases, flask, migrate

pytestmark = pytest.mark.both_databases


@contextmanager
def engine_of(url: str) -> Iterator[Engine]:
    engine = make_engine(url, readonly=False)
    yield engine
    engine.dispose()


def test_the_migrations_build_what_the_models_say(database: Databases) -> None:
    url = database.fresh()
    with engine_of(url) as engine, engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, Base.metadata)
        tables = inspect(connection).get_table_names()
    database.drop(url)
    assert differences == []
    assert set(tables) == {"alembic_version", *Base.metadata.tables}


@pytest.mark.one_database
def test_every_step_can_be_undone_and_done_again(database: Databases) -> None:
    url = database.empty()
    migrate(url)
    flask(url, "db", "downgrade", "base")
    with engine_of(url) as engine:
        left_over = inspect(engine).get_table_names()
    migrate(url)
    database.drop(url)
    assert left_over == ["alembic_version"]


def test_no_migration_uses_code_that_will_change() -> None:
    """What a migration does stays as it was: it imports nothing of the portal."""
    steps = Path("migrations/versions").glob("*.py")
    assert [
        step.name for step in steps if re.search(r"\bportal\b.*import|import portal", step.read_text())
    ] == []
