"""Every table as a reader's session reads it, whole: what stands there is what the oracle lets them read, and no more.

A page can ask nothing but these views: what no view shows, no page can.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.db import db
from portal.wall.tables import RULES
from tests.factories import Member
from tests.wall.canaries import CANARY, Planted, ReadingRights, planted_words
from tests.wall.sweep import stands_in
from tests.wall.test_canary_sweep import READERS, READS_WORDS, is_wanted, rights_of, settled
from tests.wall.test_second_wall import reading

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
