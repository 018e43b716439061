"""Every table as a reader's session reads it, whole: what stands there is what the oracle lets them read, and no more.

A page can ask nothing but these views: what no view shows, no page can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.db import db
from portal.wall.tables import RULES
from tests.factories import Member
from tests.wall import oracle_rows
from tests.wall.canaries import CANARY, Planted, ReadingRights, planted_words
from tests.wall.sweep import stands_in
from tests.wall.test_canary_sweep import READERS, READS_WORDS, is_wanted, rights_of, settled, tables_of
from tests.wall.test_second_wall import reading
from tests.wall.world_every_ending import every_ending

pytestmark = pytest.mark.both_databases

Known = dict[str, list[Planted]]


def words_read(who: Member | None, table: str, known: Known) -> set[str]:
    """The planted words in all that the reader's session gets of a table."""
    with reading(who) as session:
        rows = session.execute(select(db.metadata.tables[table])).all()
    text = "\n".join(str(cell) for row in rows for cell in row if cell is not None)
    found = {word for word in CANARY.findall(text) if word in known}
    return found | {word for word in known if not CANARY.fullmatch(word) and stands_in(word, text)}


def leaks(rights: ReadingRights, table: str, found: set[str], known: Known) -> list[str]:
    return [
        f"{word} ({', '.join(map(str, known[word]))}) in {table}"
        for word in sorted(found)
        if not any(rights.may_read(planted) for planted in known[word])
    ]


def missed(rights: ReadingRights, table: str, found: set[str], known: Known) -> list[str]:
    """What the oracle lets a caseworker read, and the view does not show."""
    if rights.works is None:
        return []
    places: dict[tuple[str, int], list[str]] = {}
    for word, where in known.items():
        for planted in where:
            if planted.table == table and rights.may_read(planted) and is_wanted(rights, planted):
                places.setdefault((str(planted), id(planted.row)), []).append(word)
    # A date of birth has several renderings; a session reads one of them.
    return [place for (place, _row), words in places.items() if not found & set(words)]


def key_of(table: str, row: Mapping[str, Any]) -> str:
    """Its primary key, as both databases spell it."""
    return " ".join(str(row[column.name]) for column in db.metadata.tables[table].primary_key)


def rows_got(who: Member | None, table: str) -> dict[str, Mapping[str, Any]]:
    """All that the reader's session gets of a table, by primary key."""
    with reading(who) as session:
        found = session.execute(select(db.metadata.tables[table])).mappings().all()
    return {key_of(table, row): row for row in found}


def differences(rights: ReadingRights, table: str, got: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Rows and closed cells of a table that the reader gets and may not, or may and does not."""
    rows = {key_of(table, row): row for row in rights.tables[table].values()}
    wanted = {key for key, row in rows.items() if oracle_rows.may_get(rights, table, row)}
    found = [f"a row too many of {table}: {key}" for key in sorted(got.keys() - wanted)]
    found += [f"a row of {table} is missed: {key}" for key in sorted(wanted - got.keys())]
    for key in sorted(wanted & got.keys()):
        for column in RULES[table].columns:
            is_there = rows[key][column] is not None
            is_open = is_there and oracle_rows.may_read_cell(rights, table, column, rows[key])
            if is_open != (got[key][column] is not None):
                found.append(f"{table}.{column} of {key} is {'missed' if is_open else 'shown'}")
    return found


@pytest.mark.parametrize("reader", READERS)
def test_a_session_gets_the_rows_and_cells_of_the_oracle(
    app: Flask, copied: Callable[..., Any], reader: str
) -> None:
    """Also where nobody planted a word: ids, codes, numbers and days."""
    world = copied(every_ending)
    rights = replace(rights_of(app, world, reader), tables=tables_of(app, with_log=True))
    wrong: list[str] = []
    for table in RULES:
        wrong += differences(rights, table, rows_got(world.members.get(reader), table))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("reader", READERS)
def test_a_session_reads_what_its_reader_may_and_no_more(
    app: Flask, copied: Callable[..., Any], reader: str
) -> None:
    world = copied(settled)
    rights = rights_of(app, world, reader)
    known = planted_words(rights.tables)
    seen: set[str] = set()
    for table in RULES:
        found = words_read(world.members.get(reader), table, known)
        assert not leaks(rights, table, found, known)
        assert not missed(rights, table, found, known), table
        seen |= found
    assert bool(seen) == (reader in READS_WORDS)
