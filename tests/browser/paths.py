"""Finds an address for every page of the URL map: ids come from the database, and the page must answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Table, select, text
from werkzeug.routing import AnyConverter, Rule

from portal.core.db import Base, db
from portal.core.policy import Actor
from portal.wall.reader import Reader
from tests.wall.test_second_wall import reading

# Answers that are no pages: nothing to look at in a browser, and paper takes a second to print.
FILES = (".pdf", ".ics", ".txt", ".csv", ".xlsx", ".zip", ".vkey")
# A page looks different for each of these; one of every sort is opened.
SORTS = {"referral": ("status",), "person": ("is_identified",), "meeting": ("status", "kind")}
# A page that so many rows do not open is taken for one that this reader may not open.
MOST_TRIES = 25
# Pages for rows of one sort only: a column that is filled there.
FILLED = {"activities.unlink": "linked_at"}
# Pages whose ids stand together in a table that none of them names.
PAIRS = {"meetings.packet_preview": "meeting_member"}
# What an address needs besides its path.
QUERIES = {"referrals.follow_up": "?kind=meeting", "anomalies.behind": "?rule=night"}


@dataclass(frozen=True, slots=True)
class Found:
    endpoint: str
    path: str


def pages(app: Flask) -> list[Rule]:
    """Every rule that can be opened, the files of `/static` apart."""
    return [r for r in app.url_map.iter_rules() if "GET" in (r.methods or ()) and r.endpoint != "static"]


def tables_of(argument: str) -> list[Table]:
    """The tables that an argument such as `case_id` may be a row of."""
    word = argument.removesuffix("_id")
    return [
        table
        for name, table in Base.metadata.tables.items()
        if argument.endswith("_id") and (name == word or name.endswith(f"_{word}")) and "id" in table.c
    ]


def rows_of(
    arguments: list[str], *, sorts: bool, filled: str | None = None
) -> Iterator[tuple[dict[str, Any], str]]:
    """Values for the ids of one rule, the newest rows first, and of what sort each is.

    The last id names the row; the ids before it are its columns, as in `/cases/<case_id>/notes/<note_id>`.
    """
    *parents, last = arguments
    for table in tables_of(last):
        if not all(parent in table.c for parent in parents):
            continue
        columns = SORTS.get(table.name, ()) if sorts else ()
        wanted = select(table).order_by(table.c.id.desc())
        for row in db.read.execute(
            wanted.where(table.c[filled].is_not(None)) if filled else wanted
        ).mappings():
            values = {last: row["id"]} | {parent: row[parent] for parent in parents}
            yield values, " ".join([table.name, *(str(row[column]) for column in columns)])


def values_of(
    rule: Rule, words: Mapping[str, str], actor: Actor | None
) -> Iterator[tuple[dict[str, Any], str]]:
    """Everything to try for the arguments of a rule, with a word for the sort of page it would be.

    Of rows only those that the session of this reader gets: no page of theirs opens for any other.
    """
    ids = [name for name in rule._converters if name.endswith("_id")]  # noqa: SLF001 - there is no public way
    others = [name for name in rule._converters if name not in ids]  # noqa: SLF001
    rows: list[tuple[dict[str, Any], str]] = [({}, "")]
    if pair := PAIRS.get(rule.endpoint):
        with reading(Reader.of(actor) if actor else None):
            found = db.read.execute(select(Base.metadata.tables[pair]).order_by(text("meeting_id DESC")))
            rows = [({name: row[name] for name in ids}, pair) for row in found.mappings()]
    elif ids:
        with reading(Reader.of(actor) if actor else None):
            rows = list(rows_of(ids, sorts=rule.endpoint.endswith(".show"), filled=FILLED.get(rule.endpoint)))
    for member in product(*(members_of(rule, other, words) for other in others)):
        for values, sort in rows:
            yield values | dict(zip(others, member, strict=True)), f"{sort} {member}"


def members_of(rule: Rule, argument: str, words: Mapping[str, str]) -> list[str]:
    """What stands in the place of an argument that is no id: given words, or the members of its enum."""
    if argument in words:
        return words[argument].split(",")
    converter = rule._converters[argument]  # noqa: SLF001
    if isinstance(converter, AnyConverter):
        return sorted(converter.items)
    code = type(converter).to_python
    return [str(member.value) for cell in code.__closure__ or () for member in cell.cell_contents]


def found(
    app: Flask, client: FlaskClient, actor: Actor | None, known: Collection[str] = (), **words: str
) -> list[Found]:
    """For each page that this reader may open: its address, one for every sort of page. `client` has signed in as them.

    Of the pages whose endpoint is `known`, only those without arguments are looked for again. `words` stand
    in the place of arguments that no table knows, such as `token`.
    """
    answer: list[Found] = []
    opened: Counter[Any] = Counter()
    for rule in sorted(pages(app), key=lambda rule: not rule.endpoint.endswith(".show")):
        if rule.rule.endswith(FILES) or (rule.endpoint in known and rule.arguments):
            continue
        done: set[str] = set()
        tries: Counter[str] = Counter()
        # What this reader could open on another page, they can most likely open here.
        values_tried = sorted(
            values_of(rule, words, actor),
            key=lambda tried: -max((opened[v] for v in tried[0].values()), default=0),
        )
        for values, sort in values_tried:
            tries[sort] += 1
            if sort in done or tries[sort] > MOST_TRIES:
                continue
            with app.test_request_context():
                path = app.url_map.bind("").build(rule.endpoint, values) + QUERIES.get(rule.endpoint, "")
            response = client.get(path)
            if response.status_code == 200:
                done.add(sort)
                opened.update(values.values())
                if response.mimetype == "text/html":
                    answer.append(Found(rule.endpoint, path))
    db.end()
    return answer
