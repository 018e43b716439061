"""Databases of earlier revisions with what people had written in them: upgraded, nothing is lost and the log verifies.

`tests/histories/` holds the rows of a part of the demo as the program of each revision wrote them.
"""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from portal.core.db import make_engine
from tests.databases import Databases, flask

pytestmark = pytest.mark.both_databases

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json.gz"))


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(file.read_bytes()))
    return found


def value_for(column: sa.Column[Any], value: Any) -> Any:
    """What SQLite had stored, as this database takes it."""
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"])
    if value is None:
        return None
    match column.type:
        case sa.Uuid():
            return UUID(value)
        case sa.DateTime():
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if column.type.timezone else moment
        case sa.Date():
            return date.fromisoformat(value)
        case sa.Time():
            return time.fromisoformat(value)
        case sa.Boolean():
            return bool(value)
        case sa.JSON():
            return json.loads(value)
    return value


def fill(url: str, history: dict[str, Any]) -> None:
    engine = make_engine(url, readonly=False)
    tables = sa.MetaData()
    with engine.begin() as connection:
        tables.reflect(connection)
        connection.execute(tables.tables["audit_head"].delete())
        for table in tables.sorted_tables:
            if stored := history["tables"].get(table.name):
                columns = [table.columns[name] for name in stored["columns"]]
                rows = [
                    {c.name: value_for(c, v) for c, v in zip(columns, row, strict=True)}
                    for row in stored["rows"]
                ]
                connection.execute(table.insert(), rows)
    engine.dispose()


def counts(url: str) -> dict[str, int]:
    engine = make_engine(url, readonly=False)
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        found = {
            name: connection.scalar(sa.select(sa.func.count()).select_from(sa.table(name))) for name in names
        }
    engine.dispose()
    return {name: count or 0 for name, count in found.items()}


def test_there_is_a_history_of_each_earlier_revision() -> None:
    steps = sorted(path.name[:4] for path in Path("migrations/versions").glob("0*.py"))
    assert [file.name[:4] for file in HISTORIES] == steps[:-1]


@pytest.mark.drawn(2)
@pytest.mark.parametrize("file", HISTORIES, ids=lambda file: file.name[:4])
def test_an_older_database_is_upgraded_and_its_log_verifies(
    database: Databases, tmp_path: Path, file: Path
) -> None:
    history, url = read(file), database.empty()
    settings = {
        "PORTAL_ENV": "development",
        "SECRET_KEY": "test only",
        "KEY_DIR": str(tmp_path / "keys"),
        "CHECKPOINT_DIR": str(tmp_path / "checkpoints"),
    }
    (tmp_path / "keys").mkdir(mode=0o700)
    for name, text in history["keys"].items():
        (tmp_path / "keys" / name).write_text(text)
    flask(url, "db", "upgrade", history["revision"], **settings)
    fill(url, history)

    flask(url, "db", "upgrade", **settings)

    left = counts(url)
    for table, stored in history["tables"].items():
        wanted = len(stored["rows"])
        # The log goes on: the upgrade itself is written in it.
        assert left[table] >= wanted if table.startswith("audit_") else left[table] == wanted, table
    # A log that nobody has vouched for yet is called stale, and rightly: the portal's first start does this.
    flask(url, "audit", "checkpoint", **settings)
    flask(url, "audit", "verify", **settings)  # ends with another code than 0 when it finds anything
    database.drop(url)
