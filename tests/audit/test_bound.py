"""The records that the log binds: whoever changes one past the portal is found, and nobody who works through it."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy as sa
import yaml
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import event, select

import verify_audit
from portal.audit import bound as audit_bound
from portal.audit import guard
from portal.audit import services as audit
from portal.audit.bound import BOUND, OWNERS, TABLES, columns_of
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry, RecordSalt
from portal.cases.codes import Outcome
from portal.consents.models import Consent
from portal.core import clock
from portal.core.db import Base, UTCDateTime, db
from portal.disclosures.models import Disclosure
from portal.evaluations.models import EvaluationAddendum, EvaluationClosing
from portal.exclusions.models import Conflict, Exclusion
from portal.meetings.minutes.models import Addendum
from portal.meetings.schedule.models import Meeting
from portal.people.models import Person
from portal.referrals.models import Referral
from portal.retention import erasing
from tests.audit.verifying import Verdict, run
from tests.audit.worlds import World
from tests.databases import flask
from verify_audit import SOUND, TAMPERED

pytestmark = pytest.mark.either_database

DEMO = pytest.mark.scenario("scenarios/ashiya.yaml")
DOCS = Path("docs/audit-log.md")
Record = tuple[str, UUID]


@pytest.fixture
def forge() -> Iterator[Callable[[World], Forger]]:
    """Hands somebody the database of this world."""
    made: list[Forger] = []

    def make(world: World) -> Forger:
        made.append(Forger(world))
        return made[-1]

    yield make
    for one in made:
        one.db.close()


@pytest.fixture
def world(app: Flask, tmp_path: Path) -> World:
    return World(app, tmp_path)


# ------------------------------------------------------------------------ what the three of them say is the same


def kind_of(column: sa.Column[Any]) -> str:
    kinds = (
        (UTCDateTime, "time"),
        (sa.Uuid, "id"),
        (sa.Boolean, "bool"),
        (sa.Integer, "int"),
        (sa.JSON, "json"),
    )
    return next((word for kind, word in kinds if isinstance(column.type, kind)), "text")


def test_the_verifier_binds_what_the_portal_binds() -> None:
    assert set(verify_audit.BOUND) == TABLES
    for table in TABLES:
        kind = table if table in BOUND else OWNERS[table][0][0]
        columns = Base.metadata.tables[table].columns
        assert verify_audit.BOUND[table] == {name: kind_of(columns[name]) for name in columns_of(kind, table)}
    parts = {kind: {part.table: part.owner for part in one.parts} for kind, one in BOUND.items() if one.parts}
    assert parts == verify_audit.PARTS
    assert {kind: one.once for kind, one in BOUND.items() if one.once} == verify_audit.ONCE
    through = {part.table: part.through for one in BOUND.values() for part in one.parts if part.through}
    assert through == verify_audit.THROUGH


def table_of_columns() -> dict[str, list[str]]:
    """What docs/audit-log.md says of each table: its bound, derived and free columns."""
    text = (
        DOCS.read_text(encoding="utf-8").partition("**Each column of the database**")[2].partition("\n## ")[0]
    )
    rows = re.findall(r"^\| `([a-z_]+)` \|([^|]*)\|([^|]*)\|([^|]*)\|$", text, re.MULTILINE)
    assert len(rows) == len({name for name, *_cells in rows})
    return {name: cells for name, *cells in rows}


def test_every_column_of_the_database_is_bound_derived_or_free_with_a_reason() -> None:
    said = table_of_columns()
    assert said.keys() == Base.metadata.tables.keys()
    for name, (bound, derived, free) in said.items():
        columns = [column.name for column in Base.metadata.tables[name].columns]
        named = [word for cell in (bound, derived, free) for word in re.findall(r"`([a-z_]+)`", cell)]
        assert sorted(named) == sorted(columns), name
        kind = name if name in BOUND else OWNERS[name][0][0] if name in OWNERS else None
        assert sorted(re.findall(r"`(\w+)`", bound)) == (columns_of(kind, name) if kind else []), name
        reason = re.sub(r"`\w+`", "", free).strip()
        assert bool(reason) == bool("`" in free), f"{name}: a free column needs a reason"


def test_the_docs_name_every_bound_record_and_its_parts() -> None:
    text = DOCS.read_text(encoding="utf-8").partition("| record | parts | bound |")[2].partition("\n\n")[0]
    assert (
        set(re.findall(r"`([a-z_]+)`", text))
        - {"approved_at", *(p.owner for b in BOUND.values() for p in b.parts)}
        == TABLES
    )


# ------------------------------------------------------------------------------------------ each column, forged once


def clone(model: type[Any], what: AuditEvent, **changes: Any) -> None:
    """One more record like one that there is, as a service would write it."""
    with db.transaction() as session:
        one = session.scalars(select(model).limit(1)).one()
        cells = {c.key: getattr(one, c.key) for c in sa.inspect(model).column_attrs} | changes
        cells.pop("id")
        copy = model(**cells)
        session.add(copy)
        audit.record(what, copy, actor=None, person_id=getattr(copy, "person_id", None))


def fill(app: Flask) -> None:
    """Records of the kinds that the demo has none of."""
    with app.app_context(), db.transaction() as session:
        meeting = session.scalars(select(Meeting).where(Meeting.approved_at.is_not(None)).limit(1)).one()
        closing = session.scalars(select(EvaluationClosing).limit(1)).one()
        person, staff_id = session.scalars(select(Person).limit(1)).one(), closing.closed_by_id
        made = (
            (Addendum(meeting_id=meeting.id, staff_id=staff_id, text="追記"), AuditEvent.ADDENDUM_WRITTEN),
            (
                EvaluationAddendum(agency_id=closing.agency_id, year=2019, text="追記", author_id=staff_id),
                AuditEvent.EVALUATION_AMENDED,
            ),
            (
                Exclusion(
                    person_id=person.id,
                    staff_id=staff_id,
                    agency_id=closing.agency_id,
                    made_by_id=staff_id,
                    conflict=Conflict.NEIGHBOUR,
                    reason="近所",
                    lifted_why="",
                ),
                AuditEvent.EXCLUSION_MADE,
            ),
        )
        for record, what in made:
            session.add(record)
            audit.record(what, record, actor=None)
    with app.app_context():
        for _ in range(6):
            clone(Addendum, AuditEvent.ADDENDUM_WRITTEN)
            clone(EvaluationAddendum, AuditEvent.EVALUATION_AMENDED)
            clone(Exclusion, AuditEvent.EXCLUSION_MADE, lifted_at=clock.now())


class Forger:
    """Has the database in their hands, and no portal in between."""

    def __init__(self, world: World) -> None:
        db.dispose()
        self.world, self.numbers = world, count()
        self.is_sqlite = world.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.path = Path(world.url.database or "")
            self.db: Any = self.connect()
            for (name,) in self.db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall():
                self.db.execute(f'DROP TRIGGER "{name}"')
        else:
            address = world.url.set(drivername="postgresql", username="keeper")
            self.db = psycopg.connect(address.render_as_string(hide_password=False), autocommit=True)
            self.db.execute("SET session_replication_role = replica")
            names = self.db.execute(
                "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype IN ('c', 'u')"
                " AND connamespace = 'public'::regnamespace"
            ).fetchall()
            for table, name in names:
                self.db.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.execute("PRAGMA journal_mode=DELETE")  # one file, to be copied as it is
        return connection

    def run(self, statement: str, *given: Any) -> list[Any]:
        if not self.is_sqlite:
            statement = statement.replace("%", "%%").replace("?", "%s")
        cursor = self.db.execute(statement, given)
        return list(cursor.fetchall()) if cursor.description else []

    def id(self, key: Any) -> UUID:
        return key if isinstance(key, UUID) else UUID(key)

    def key(self, key: UUID) -> Any:
        return key.hex if self.is_sqlite else key

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What is forged within is as it was afterwards."""
        if self.is_sqlite:
            kept = self.path.with_suffix(".before")
            shutil.copy(self.path, kept)
            yield
            self.db.close()
            shutil.copy(kept, self.path)
            self.db = self.connect()
            return
        with self.db.transaction(force_rollback=True):
            yield

    def verdict(self) -> Verdict:
        """PostgreSQL: nothing is committed, so the dump is made within the forger's own transaction."""
        if self.is_sqlite:
            return self.world.verdict()
        to = self.world.folder / f"forged{next(self.numbers)}.sql"
        tables = [name for (name,) in self.run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        with to.open("wb") as file:
            for table in tables:
                names = self.run(
                    "SELECT attname FROM pg_attribute WHERE attrelid = ?::regclass AND attnum > 0 AND NOT attisdropped"
                    " ORDER BY attnum",
                    table,
                )
                columns = ", ".join(name for (name,) in names)
                file.write(f"COPY public.{table} ({columns}) FROM stdin;\n".encode())
                with self.db.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) TO STDOUT") as copy:
                    for block in copy:
                        file.write(bytes(block))
                file.write(b"\\.\n\n")
        return run(to, [self.world.key], self.world.kept)


def forged_value(column: sa.Column[Any], old: Any, forger: Forger) -> Any:
    match kind_of(column):
        case "id":
            return forger.key(uuid4())
        case "time":
            return "2001-02-03 04:05:06.000007" + ("" if forger.is_sqlite else "+00")
        case "int":
            return (old or 0) + 7
        case "bool":
            return not old
        case "json":
            return '["forged"]'
    if isinstance(column.type, sa.Date):
        return "2001-02-03"
    return f"{old or ''}9"


def records_of(forger: Forger, table: str, column: str) -> Iterator[tuple[Record, str, tuple[Any, ...], Any]]:
    """Each row of a table: the record that it belongs to, how to find it, and what it holds now."""
    primary = [c.name for c in Base.metadata.tables[table].primary_key.columns]
    where = " AND ".join(f"t.{name} = ?" for name in primary)
    names = ", ".join(f"t.{name}" for name in primary)
    if table in BOUND:
        once = f" WHERE t.{BOUND[table].once} IS NOT NULL" if BOUND[table].once else ""
        asked, kind = f"SELECT t.id, t.{column}, {names} FROM {table} t{once}", table  # noqa: S608
    else:
        ((kind, part),) = OWNERS[table]
        between = f" JOIN {part.through} b ON b.id = t.{part.owner}" if part.through else ""
        owner = f"b.{part.through_owner}" if part.through else f"t.{part.owner}"
        once = f" WHERE o.{BOUND[kind].once} IS NOT NULL" if BOUND[kind].once else ""
        asked = (
            f"SELECT o.id, t.{column}, {names} FROM {table} t{between} JOIN {kind} o ON o.id = {owner}{once}"  # noqa: S608
        )
    for owner_id, old, *key in forger.run(asked):
        yield (kind, forger.id(owner_id)), where.replace("t.", ""), tuple(key), old


def forge_one(forger: Forger, table: str, column: str, used: set[Record]) -> Record | None:
    """Change this column of a row whose record is as it was; none when there is no such row any more."""
    for record, where, key, old in records_of(forger, table, column):
        if record not in used:
            new = forged_value(Base.metadata.tables[table].columns[column], old, forger)
            forger.run(f"UPDATE {table} SET {column} = ? WHERE {where}", new, *key)  # noqa: S608
            return record
    return None


def named(record: Record) -> str:
    return f"{record[0]} {record[1]}"


def found(verdict: Verdict) -> set[str]:
    return {str(one["where"]) for one in verdict.result["findings"] if one["code"] == "forged"}


@DEMO
def test_each_bound_column_forged_once_is_found(
    world: World, forge: Callable[[World], Forger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many in one round as there are records, so that each finding is of one forgery."""
    monkeypatch.setattr(verify_audit, "SHOWN", 100_000)
    fill(world.app)
    world.checkpoint()
    assert world.verdict().exit == SOUND
    forger = forge(world)
    left = [
        (table, name)
        for table in sorted(TABLES)
        for name in columns_of(table if table in BOUND else OWNERS[table][0][0], table)
    ]
    assert len(left) > 200
    while left:
        used: dict[Record, tuple[str, str]] = {}
        with forger.undone():
            for table, column in left:
                if record := forge_one(forger, table, column, set(used)):
                    used[record] = (table, column)
            assert used, f"no row to forge: {left}"
            verdict = forger.verdict()
        assert verdict.exit == TAMPERED
        missed = {where for record, where in used.items() if named(record) not in found(verdict)}
        assert not missed
        left = [one for one in left if one not in used.values()]
    assert forger.verdict().exit == SOUND


def one_of(forger: Forger, asked: str) -> Any:
    return forger.run(asked)[0][0]


def lengthened(forger: Forger) -> Record:
    key = one_of(forger, "SELECT id FROM consent ORDER BY id LIMIT 1")
    forger.run("UPDATE consent SET valid_until = '2099-03-31' WHERE id = ?", key)
    return "consent", forger.id(key)


def one_more_recipient(forger: Forger) -> Record:
    key, agency = forger.run(
        "SELECT c.id, a.id FROM consent c, agency a WHERE NOT EXISTS"
        " (SELECT 1 FROM consent_recipient r WHERE r.consent_id = c.id AND r.agency_id = a.id) ORDER BY c.id LIMIT 1"
    )[0]
    forger.run("INSERT INTO consent_recipient (consent_id, agency_id) VALUES (?, ?)", key, agency)
    return "consent", forger.id(key)


def no_categories(forger: Forger) -> Record:
    key = one_of(forger, "SELECT consent_id FROM consent_category ORDER BY consent_id LIMIT 1")
    forger.run("DELETE FROM consent_category WHERE consent_id = ?", key)
    return "consent", forger.id(key)


def never_withdrawn(forger: Forger) -> Record:
    key = one_of(forger, "SELECT id FROM withdrawal ORDER BY id LIMIT 1")
    forger.run(
        "UPDATE withdrawal SET withdrawn_at = created_at, recipient_id = NULL, reason = '訂正' WHERE id = ?",
        key,
    )
    return "withdrawal", forger.id(key)


def a_message_nobody_wrote(forger: Forger) -> Record:
    key, forged = one_of(forger, "SELECT id FROM referral_event ORDER BY id LIMIT 1"), uuid4()
    forger.run(
        "INSERT INTO referral_event (id, created_at, referral_id, agency_id, staff_id, what, code, text)"
        " SELECT ?, created_at, referral_id, agency_id, staff_id, 'message', '', 'うそ' FROM referral_event WHERE id = ?",
        forger.key(forged),
        key,
    )
    return "referral_event", forged


def a_message_taken_away(forger: Forger) -> Record:
    key = one_of(forger, "SELECT id FROM referral_event WHERE what = 'message' ORDER BY id LIMIT 1")
    forger.run("DELETE FROM referral_event WHERE id = ?", key)
    return "referral_event", forger.id(key)


def an_item_taken_off(forger: Forger) -> Record:
    item, meeting = forger.run(
        "SELECT i.id, m.id FROM agenda_item i JOIN meeting m ON m.id = i.meeting_id WHERE m.approved_at IS NOT NULL"
        " ORDER BY i.id LIMIT 1"
    )[0]
    forger.run("DELETE FROM agenda_item WHERE id = ?", item)
    return "meeting", forger.id(meeting)


def another_salt(forger: Forger) -> Record:
    key = one_of(
        forger, "SELECT record_id FROM record_salt WHERE kind = 'consent' ORDER BY record_id LIMIT 1"
    )
    forger.run("UPDATE record_salt SET salt = ? WHERE kind = 'consent' AND record_id = ?", b"x" * 32, key)
    return "consent", forger.id(key)


def no_salt(forger: Forger) -> Record:
    key = one_of(
        forger, "SELECT record_id FROM record_salt WHERE kind = 'consent' ORDER BY record_id LIMIT 1"
    )
    forger.run("DELETE FROM record_salt WHERE kind = 'consent' AND record_id = ?", key)
    return "consent", forger.id(key)


def no_salts_at_all(forger: Forger) -> Record:
    key = one_of(forger, "SELECT id FROM consent ORDER BY id LIMIT 1")
    forger.run("DROP TABLE record_salt" + ("" if forger.is_sqlite else " CASCADE"))
    return "consent", forger.id(key)


FORGERIES: tuple[Callable[[Forger], Record], ...] = (
    lengthened,
    one_more_recipient,
    no_categories,
    never_withdrawn,
    a_message_nobody_wrote,
    a_message_taken_away,
    an_item_taken_off,
    another_salt,
    no_salt,
    no_salts_at_all,
)


@DEMO
def test_rows_added_and_taken_away_are_found(
    world: World, forge: Callable[[World], Forger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_audit, "SHOWN", 100_000)
    world.checkpoint()
    forger = forge(world)
    for forgery in FORGERIES:
        with forger.undone():
            record = forgery(forger)
            verdict = forger.verdict()
        assert verdict.exit == TAMPERED, forgery.__name__
        assert named(record) in found(verdict), forgery.__name__
    assert forger.verdict().exit == SOUND


# ------------------------------------------------------------------------------------ what the portal itself goes on to do


@DEMO
def test_a_forged_record_is_not_made_good_by_a_later_act(
    world: World, forge: Callable[[World], Forger]
) -> None:
    """The portal changes the referral honestly afterwards; the log keeps how it was found."""
    forger = forge(world)
    key = forger.id(one_of(forger, "SELECT id FROM referral WHERE status = 'accepted' ORDER BY id LIMIT 1"))
    forger.run("UPDATE referral SET respond_by = '2099-03-31' WHERE id = ?", forger.key(key))
    forger.db.close()
    with world.app.app_context(), db.transaction() as session:
        referral = session.get_one(Referral, key)
        referral.outcome = Outcome.IMPROVED
        audit.record(AuditEvent.REFERRAL_EDITED, referral, actor=None)
    world.checkpoint()
    verdict = world.verdict()
    assert verdict.exit == TAMPERED
    assert found(verdict) == {f"referral {key}"}


@DEMO
def test_a_change_undone_within_one_transaction_binds_nothing(app: Flask) -> None:
    with app.app_context():
        before = db.read.scalar(select(sa.func.count()).where(AuditEntry.event == "log:bound"))
        db.end()
        with db.transaction() as session:
            referral = session.scalars(select(Referral).limit(1)).one()
            old, referral.need = referral.need, "ほか"
            session.flush()
            referral.need = old
            audit.record(AuditEvent.REFERRAL_EDITED, referral, actor=None)
        assert db.read.scalar(select(sa.func.count()).where(AuditEntry.event == "log:bound")) == before


def test_a_bulk_change_of_what_is_bound_is_refused(app: Flask) -> None:
    with app.app_context():
        for table in sorted(TABLES):
            with pytest.raises(guard.UnauditedChange), db.transaction() as session:
                session.execute(sa.delete(Base.metadata.tables[table]))


@DEMO
def test_erasing_somebody_gives_their_records_other_salts(world: World) -> None:
    with world.app.app_context():
        with db.transaction() as session:
            line = session.scalars(
                select(Disclosure).where(Disclosure.consent_id.is_not(None)).limit(1)
            ).one()
            person_id = line.person_id
        about = select(Referral.id).where(Referral.person_id == person_id)
        mine = [
            *(
                ("consent", key)
                for key in db.unrestricted.scalars(select(Consent.id).where(Consent.person_id == person_id))
            ),
            *(("referral", key) for key in db.unrestricted.scalars(about)),
            ("person", person_id),
        ]
        old = salts()
        db.end()
        erase(person_id)
        new = salts()
    assert len(mine) >= 3
    assert all(old[one] != new[one] for one in mine)
    assert all(old[one] == new[one] for one in old if one[0] == "membership")
    world.checkpoint()
    assert world.verdict().exit == SOUND


def erase(person_id: UUID) -> None:
    with db.transaction() as session:
        erasing.erase(session, None, session.get_one(Person, person_id), ground=None)


def salts() -> dict[Record, bytes]:
    return {(row.kind, row.record_id): row.salt for row in db.unrestricted.scalars(select(RecordSalt))}


# ----------------------------------------------------------------------------------- data from before there was any of it


@pytest.fixture
def unbound() -> Iterator[None]:
    """The portal as it was before migration 0005."""
    heard = (("before_flush", audit_bound.note_changes), ("before_commit", audit_bound.write))
    for name, listener in heard:
        event.remove(db.session, name, listener)
    yield
    for name, listener in heard:
        event.listen(db.session, name, listener)


@pytest.mark.one_database
@pytest.mark.usefixtures("unbound")
def test_a_database_of_the_revision_before_is_bound_as_it_is_found(
    app: Flask, runner: FlaskCliRunner, tmp_path: Path, forge: Callable[[World], Forger]
) -> None:
    story = yaml.safe_load(Path("scenarios/ashiya.yaml").read_text())
    needed = [act for act in story["events"] if act["act"] == "define_activity_series"]
    weeks = tmp_path / "weeks.yaml"  # its last weeks alone
    weeks.write_text(yaml.safe_dump(story | {"events": needed}, allow_unicode=True, sort_keys=False))
    done = runner.invoke(args=["scenario", "load", str(weeks)])
    assert done.exit_code == 0, done.output
    url = app.config["DATABASE_URL"]
    db.dispose()
    flask(url, "db", "downgrade", "0004")
    db.bind(url)
    old = tmp_path / "old"
    old.mkdir()
    world = World(app, old)
    verdict = world.verdict()
    assert verdict.exit == SOUND, verdict.text
    assert any("0005" in one["ja"] for one in verdict.result["remarks"])

    db.dispose()
    flask(url, "db", "upgrade")
    db.bind(url)
    world.checkpoint()
    verdict = world.verdict()
    assert verdict.exit == SOUND, verdict.text
    assert not any("0005" in one["ja"] for one in verdict.result["remarks"])
    with app.app_context():
        assert {kind for kind, _key in salts()} >= {"person", "consent", "referral", "disclosure", "meeting"}
        db.dispose()
    forger = forge(world)
    record = lengthened(forger)
    assert found(forger.verdict()) == {named(record)}
    forger.db.close()
