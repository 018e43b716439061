"""A column is hidden until a rule shows it: every column of every table, on both databases."""

# ruff: noqa: S608 - statements made of the names of our own tables

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    MetaData,
    Text,
    Uuid,
    select,
    text,
)
from sqlalchemy.schema import CreateColumn

from portal.accounts.models import Membership
from portal.core.db import Base, db
from portal.wall import columns
from portal.wall import text as views
from portal.wall.columns import SHOWN, shown
from portal.wall.postgresql import put_up, take_down
from portal.wall.reader import Reader
from portal.wall.rules import NOBODY
from portal.wall.tables import RULES
from tests.wall.test_second_wall import import_everything, reading

# One of each kind, with something in it: what a model may be given one day.
NEW = {
    "new_text": (Text(), "'見本の秘密'"),
    "new_json": (JSON(), "'[1]'"),
    "new_uuid": (Uuid(), "'00000000000000000000000000000001'"),
    "new_number": (Integer(), "7"),
    "new_flag": (Boolean(), "true"),
    "new_day": (Date(), "'2026-04-01'"),
    "new_moment": (DateTime(timezone=True), "'2026-04-01 00:00:00'"),
}
READ_BY_SOMEBODY = {name for name, rule in RULES.items() if rule.rows != NOBODY}


def test_every_column_is_shown_by_name_or_has_a_rule() -> None:
    """What nobody may ever read has a rule that says so, as the hash of a password has."""
    import_everything()
    assert set(SHOWN) == READ_BY_SOMEBODY
    for name in READ_BY_SOMEBODY:
        columns, ruled = set(Base.metadata.tables[name].columns.keys()), set(RULES[name].columns)
        assert not shown(name) & ruled, (name, "shown to everybody, and only to some")
        assert shown(name) | ruled == columns, (name, columns ^ (shown(name) | ruled))


def test_a_table_that_nobody_reads_shows_no_column_either() -> None:
    for name in set(RULES) - READ_BY_SOMEBODY:
        assert not shown(name), name
        assert not RULES[name].columns, name


@pytest.fixture
def grown(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table has new columns, in the database and in the models, that no rule knows of."""
    import_everything()
    copied = MetaData()
    with db.engine.begin() as connection:
        for table in Base.metadata.tables.values():
            copy = table.to_metadata(copied)
            for name, (kind, value) in NEW.items():
                column: Column[Any] = Column(name, kind, server_default=text(value))
                copy.append_column(column)
                added = CreateColumn(column).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {added}")
    monkeypatch.setattr(views, "Base", SimpleNamespace(metadata=copied))
    stand_anew()


def stand_anew() -> None:
    """The views for the models and rules as they are now: at an upgrade, or on SQLite at each connection."""
    db.read_engine.dispose()
    with db.engine.begin() as connection:
        take_down(connection)
        put_up(connection)


def readers() -> list[Reader]:
    """For each agency somebody who is everything at once."""
    posts = select(Membership.agency_id, Membership.staff_id).where(Membership.agency_id.is_not(None))
    one_each = dict(tuple(row) for row in db.unrestricted.execute(posts))
    db.end()
    return [
        Reader(staff, agency, agency, agency, agency, auditor=True, sysadmin=True)
        for agency, staff in one_each.items()
    ]


def walk() -> tuple[set[str], set[tuple[str, str]]]:
    """The tables of which some reader gets a row, and the new columns in which they find something."""
    seen: set[str] = set()
    filled: set[tuple[str, str]] = set()
    counts = ", ".join(f"count({name})" for name in NEW)
    for reader in readers():
        with reading(reader) as session:
            for table in sorted(READ_BY_SOMEBODY):
                rows, *found = session.execute(text(f"SELECT count(*), {counts} FROM {table}")).one()
                seen |= {table} if rows else set()
                filled |= {(table, name) for name, number in zip(NEW, found, strict=True) if number}
    return seen, filled


@pytest.mark.scenario("scenarios/ashiya.yaml")
@pytest.mark.usefixtures("grown")
def test_a_new_column_is_hidden_from_everybody_until_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, filled = walk()
    assert len(seen) > 40, "too few rows are there to be seen"
    assert filled == set()
    # And it shows once it is named, in every table: the walk above does find what is not hidden.
    named = {table: f"{columns} {' '.join(NEW)}" for table, columns in SHOWN.items()}
    monkeypatch.setattr(columns, "SHOWN", named)
    stand_anew()
    assert walk() == (seen, {(table, name) for table in seen for name in NEW})
