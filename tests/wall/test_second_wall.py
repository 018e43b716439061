"""The second wall by itself: every way round it that is known, on both databases, and the same answers as the oracle.

`ESCAPES` are ways to ask that a forgetful or clever page could try on the reader session; each is tried by the keeper
of the record, who must get what they ask for if it is a question at all, and by readers who must not.
"""

# ruff: noqa: S608 - statements made of the names of our own tables

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from flask import Flask
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, aliased

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases.models import Case, ProgressNote
from portal.consents.models import Consent
from portal.core import clock
from portal.core.db import Base, db
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis, Channel
from portal.exclusions.models import Conflict, Exclusion
from portal.inspections.models import NameOpening
from portal.people import services as people
from portal.people.categories import Category
from portal.people.models import Information, Person
from portal.referrals.models import Referral
from portal.wall.engines import Refused
from portal.wall.reader import NOBODY, Reader, read_as
from portal.wall.tables import RULES
from tests.databases import Databases, flask
from tests.factories import (
    Member,
    make_case,
    make_member,
    make_note,
    make_person,
    make_referral,
)
from tests.wall import oracle
from tests.wall.canaries import CODES
from tests.wall.test_rule_equals_sql import MOMENTS, World

pytestmark = pytest.mark.both_databases

NAME, SICK, NEED, NOTE = "黒柳", "見本の病名", "見本の相談", "見本の経過"
ROOT = Path(__file__).resolve().parent.parent.parent


@contextmanager
def reading(who: Member | Reader | None) -> Iterator[Session]:
    """The reader session as this one has it in a request."""
    db.leave()
    reader = Reader.of(who.actor) if isinstance(who, Member) else who or NOBODY
    read_as(db, reader)
    try:
        yield db.read()
    finally:
        db.leave()


class Town:
    """A person kept by `home` with a file, a case, a note and a referral; `told` knows the name alone."""

    def __init__(self) -> None:
        self.home, self.told, self.stranger = make_member(), make_member(), make_member()
        self.admin = make_member(self.home.agency_id, Role.AGENCY_ADMIN)
        self.auditor = make_member(None, Role.AUDITOR)
        self.system = make_member(None, Role.SYSTEM_ADMIN)
        self.person = make_person(self.home, family=NAME, given="徹平")
        people.update_information(self.home.actor, self.person, Category.HEALTH, text=SICK)
        self.case = make_case(self.home, self.person)
        self.note = make_note(self.home, self.case, text=NOTE)
        self.referral = make_referral(self.home, self.told, person_id=self.person, need=NEED)
        db.end()


@pytest.fixture
def town(app: Flask) -> Town:
    return Town()


def plain(session: Session, sql: str, **values: Any) -> str:
    return str(session.execute(text(sql), values).all())


# Eighteen ways round a wall in the ORM that are known, and what was found besides.

Escape = Callable[[Session, Town], str]
HIDDEN = "SELECT family FROM person"


def driver(session: Session) -> Any:
    return session.connection().connection.dbapi_connection


def is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def by_identity(session: Session, town: Town) -> str:
    """What a former reader has loaded stands in nobody else's map."""
    read_as(db, Reader.of(town.home.actor))
    assert db.read().get(Person, town.person)
    read_as(db, Reader.of(town.stranger.actor))
    return str(getattr(db.read().get(Person, town.person), "family", None))


def by_reload(session: Session, town: Town) -> str:
    """An object that somebody else holds on to loads nothing when it is asked again."""
    read_as(db, Reader.of(town.home.actor))
    person = db.read().get_one(Person, town.person)
    read_as(db, Reader.of(town.stranger.actor))
    db.read().add(person)
    db.read().expire(person)
    return str(person.family)


# Questions: whoever may gets the answer by them.
QUESTIONS: dict[str, Escape] = {
    "text()": lambda s, t: plain(s, HIDDEN),
    "from_statement": lambda s, t: str(
        [p.family for p in s.scalars(select(Person).from_statement(text("SELECT * FROM person")))]
    ),
    "Core select on __table__": lambda s, t: str(s.execute(Person.__table__.select()).all()),
    "session.connection()": lambda s, t: str(s.connection().exec_driver_sql(HIDDEN).all()),
    "the driver itself": lambda s, t: str(driver(s).execute(HIDDEN).fetchall()),
    "get": lambda s, t: str(getattr(s.get(Person, t.person), "family", None)),
    "alias": lambda s, t: str(s.scalars(select(aliased(Person).family)).all()),
    "join from another table": lambda s, t: plain(
        s, "SELECT p.family FROM agency a JOIN person p ON p.home_agency_id = a.id"
    ),
    "subquery": lambda s, t: plain(s, "SELECT (SELECT max(family) FROM person)"),
    "common table expression": lambda s, t: plain(s, "WITH p AS (SELECT * FROM person) SELECT family FROM p"),
    "child row under an invisible parent": lambda s, t: (
        plain(s, "SELECT text FROM information")
        + plain(s, "SELECT text FROM progress_note")
        + plain(s, f"SELECT '{NAME}' FROM case_goal, referral_event, family_tie")
    ),
    "many-to-one": lambda s, t: str(
        [getattr(s.get(Person, case.person_id), "family", None) for case in s.scalars(select(Case))]
    ),
    "a filter on what is withheld": lambda s, t: plain(
        s, "SELECT :found FROM person WHERE family LIKE :begin", found=NAME, begin="黒%"
    ),
    "an order by what is withheld": lambda s, t: plain(
        s, "SELECT CASE WHEN family > '' THEN :found END FROM person ORDER BY family", found=NAME
    ),
    "count(*)": lambda s, t: NAME * int(s.execute(text("SELECT count(*) FROM information")).scalar_one()),
}
# No questions: whoever asks is refused.
ACTS: dict[str, Escape] = {
    "INSERT ... SELECT": lambda s, t: str(
        s.execute(insert(Person.__table__).from_select(["id", "family"], select(Person.id, Person.family)))
    ),
    "bulk UPDATE": lambda s, t: str(
        s.execute(update(Person).values(family="x").returning(Person.family)).all()
    ),
    "bulk DELETE": lambda s, t: str(s.execute(delete(Information).returning(Information.text)).all()),
    "UPDATE by primary keys": lambda s, t: str(s.execute(update(Person), [{"id": t.person, "family": "x"}])),
    "unique conflict": lambda s, t: str(
        s.execute(
            text("INSERT INTO information (id, person_id) VALUES (:id, :person)"),
            {"id": uuid4().hex, "person": t.person.hex},
        )
    ),
    "key names in errors": lambda s, t: str(
        s.execute(text("DELETE FROM agency WHERE id IN (SELECT home_agency_id FROM person)"))
    ),
    "flush": lambda s, t: str(s.add(a_referral(t)) or s.flush()),
    "a second statement behind the first": lambda s, t: plain(s, f"SELECT 1; {HIDDEN}"),
}
ROUND_SQLITE: dict[str, Escape] = {
    "main.": lambda s, t: plain(s, "SELECT family FROM main.person"),
    "main. quoted": lambda s, t: plain(s, 'SELECT family FROM "main"."person"'),
    "main. through the driver": lambda s, t: str(
        driver(s).execute("SELECT family FROM main.person").fetchall()
    ),
    "count(*) of main.": lambda s, t: (
        NAME * driver(s).execute("SELECT count(*) FROM main.person").fetchone()[0]
    ),
    "a name that a view bears": lambda s, t: str(
        driver(s).execute("WITH person AS (SELECT * FROM main.person) SELECT family FROM person").fetchall()
    ),
    "ATTACH": lambda s, t: str(driver(s).execute("ATTACH ? AS other", (path_of(),)).fetchall()),
    "DETACH": lambda s, t: str(driver(s).execute("DETACH main").fetchall()),
    "PRAGMA": lambda s, t: str(driver(s).execute("PRAGMA query_only=OFF").fetchall()),
    "PRAGMA database_list": lambda s, t: str(driver(s).execute("PRAGMA database_list").fetchall()),
    "pragma as a table": lambda s, t: str(driver(s).execute("SELECT * FROM pragma_database_list").fetchall()),
    "sqlite_master": lambda s, t: str(driver(s).execute("SELECT sql FROM sqlite_master").fetchall()),
    "sqlite_temp_schema": lambda s, t: str(
        driver(s).execute("SELECT sql FROM sqlite_temp_schema").fetchall()
    ),
    "the pages of the file": lambda s, t: str(driver(s).execute("SELECT data FROM sqlite_dbpage").fetchall()),
    "DROP VIEW": lambda s, t: str(driver(s).execute("DROP VIEW person")),
    "CREATE TEMP VIEW": lambda s, t: str(driver(s).execute("CREATE TEMP VIEW x AS SELECT 1")),
    "load_extension": lambda s, t: str(driver(s).execute("SELECT load_extension('x')").fetchall()),
    "a function of the views": lambda s, t: plain(s, question(s)),
    "the same through the driver": lambda s, t: str(driver(s).execute(question(s)).fetchall()),
}
ROUND_POSTGRESQL: dict[str, Escape] = {
    "the table's own schema": lambda s, t: plain(s, "SELECT family FROM public.person"),
    "the same through the driver": lambda s, t: str(
        driver(s).execute("SELECT family FROM public.person").fetchall()
    ),
    "RESET ROLE": lambda s, t: plain(s, "RESET ROLE"),
    "SET ROLE": lambda s, t: plain(s, "SET ROLE portal"),
    "SET of the reader": lambda s, t: plain(s, f"SET LOCAL tsunagu.agency TO '{t.home.agency_id}'"),
    "set_config": lambda s, t: plain(s, f"SELECT set_config('tsunagu.agency', '{t.home.agency_id}', true)"),
    "set_config spelled otherwise": lambda s, t: plain(
        s, r"""SELECT U&"set\005fconfig"('role', 'none', true)"""
    ),
    "search_path": lambda s, t: plain(s, "SET search_path TO public"),
    "SQL within SQL": lambda s, t: plain(s, "SELECT query_to_xml('RESET ' || 'ROLE', true, true, '')"),
    "DO": lambda s, t: plain(s, "DO $$ BEGIN RESET ROLE; END $$"),
    "COPY": lambda s, t: plain(s, "COPY person TO STDOUT"),
    "a function of the views": lambda s, t: plain(s, f"SELECT {a_function()}('{t.person}')"),
    "a value in an error": lambda s, t: plain(s, "SELECT 1 FROM information WHERE CAST(text AS integer) = 1"),
    "a name in an error": lambda s, t: plain(s, "SELECT 1 FROM person WHERE CAST(family AS integer) = 1"),
}


def a_referral(town: Town) -> Referral:
    return Referral(
        person_id=town.person, from_agency_id=town.home.agency_id, to_agency_id=town.told.agency_id
    )


def question(session: Session) -> str:
    """One that a rule has answered on this connection, asked by its name."""
    plain(session, "SELECT family FROM person")
    name, *given = next(iter(session.connection().info["watch"].answers))
    return f"SELECT {name}({', '.join(repr(one) for one in given)})"


def a_function() -> str:
    with db.engine.connect() as connection:
        name = "SELECT min(proname) FROM pg_proc WHERE proname LIKE 'wall_rule%%' AND pronargs = 1"
        return str(connection.exec_driver_sql(name).scalar_one())


def path_of() -> str:
    return str(db.engine.url.database)


def tried(escape: Escape, session: Session, town: Town) -> str:
    """What came of it, errors included: they are read, too."""
    try:
        return escape(session, town)
    except (SQLAlchemyError, Refused, psycopg.Error, Exception) as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_answered_to_who_may_ask_it_and_to_nobody_else(town: Town, name: str) -> None:
    with reading(town.home) as session:
        assert any(word in QUESTIONS[name](session, town) for word in (NAME, SICK, NOTE)), name
    for who in (town.stranger, town.admin, town.auditor, town.system, None):
        with reading(who) as session:
            found = tried(QUESTIONS[name], session, town)
            assert not any(word in found for word in (NAME, SICK, NOTE)), (name, found)


@pytest.mark.parametrize("name", ACTS)
def test_the_reader_session_writes_nothing_and_says_nothing_of_it(town: Town, name: str) -> None:
    for who in (town.home, town.stranger):
        with reading(who) as session, pytest.raises((SQLAlchemyError, Refused, sqlite.Warning)) as refused:
            ACTS[name](session, town)
        said = str(refused.value)
        assert not any(word in said for word in (NAME, SICK, "DETAIL", str(town.person))), said
    with reading(town.home) as session:
        assert session.scalars(select(Person.family)).one() == NAME


def test_nobody_goes_round_it(town: Town) -> None:
    with reading(town.stranger) as session:
        ways = ROUND_SQLITE if is_sqlite(session) else ROUND_POSTGRESQL
    for name, way in ways.items():
        with reading(town.stranger) as session:
            found = tried(way, session, town)
        assert not any(word in found for word in (NAME, SICK, NOTE, str(town.home.agency_id))), (name, found)
        refused = (
            "no such",
            "not authorized",
            "prohibited",
            "Refused",
            "permission denied",
            "access to",
            "[]",
        )
        assert any(word in found for word in refused), (name, found)
        # And whatever it did, nothing of it is left in the pool.
        with reading(town.stranger) as session:
            assert plain(session, HIDDEN) == "[]", name
        with reading(town.home) as session:
            assert NAME in plain(session, HIDDEN), name


def test_another_readers_objects_are_no_way_in(town: Town) -> None:
    for escape in (by_identity, by_reload):
        with reading(town.stranger) as session:
            assert NAME not in tried(escape, session, town)


def test_loaded_collections_do_not_exist() -> None:
    """A child knows its parent and never the reverse, so no collection is there to be loaded around the wall."""
    assert [m for m in Base.registry.mappers if any(r.uselist for r in m.relationships)] == []


def test_one_connection_serves_one_reader_after_another(town: Town) -> None:
    """The same statement, prepared once: who asks is asked each time."""
    for _ in range(8):
        for who, sees in ((town.home, True), (town.stranger, False), (town.told, True), (None, False)):
            with reading(who) as session:
                assert bool(session.execute(text(HIDDEN)).all()) == sees
            assert db.read_engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_nobody_sees_no_row(town: Town) -> None:
    open_to_all = {name for name, rule in RULES.items() if rule.open_because}
    with reading(None) as session:
        for name in set(RULES) - open_to_all:
            assert session.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() == 0, name
        assert not session.execute(text("SELECT 1 FROM staff WHERE password_hash IS NOT NULL")).all()
        assert not session.execute(text("SELECT 1 FROM staff WHERE email IS NOT NULL")).all()


def test_every_table_has_its_rule_or_a_reason_why_none() -> None:
    import_everything()
    assert set(Base.metadata.tables) == set(RULES)
    for name, rule in RULES.items():
        assert bool(rule.open_because) == (rule.rows == "1 = 1"), name
        assert set(rule.columns) <= set(Base.metadata.tables[name].columns.keys()), name


def test_what_somebody_typed_has_a_test_of_its_own() -> None:
    """Or PostgreSQL could show it in an error before it asks whether the row is there at all."""
    import_everything()
    codes = {column for _table, column in CODES} | {"number"}
    bare = {
        (name, column.name)
        for name, rule in RULES.items()
        if not rule.open_because and not rule.barrier and rule.rows != "1 = 0"
        for column in Base.metadata.tables[name].columns
        if str(column.type) in {"TEXT", "JSON"} and column.name not in {*rule.columns, *codes}
    }
    assert bare == ALLOWED_BARE


# Of nobody who is helped: hashes of one's own tokens, devices, keys of forms, codes.
ALLOWED_BARE = {
    ("sign_in_session", "user_agent"),
    ("invitation", "email"),
    ("invitation", "name"),
    ("form_key", "key"),
    ("counter", "series"),
    ("audit_entry", "event"),
    ("audit_entry", "ground"),
}


def import_everything() -> None:
    for path in (ROOT / "portal").rglob("models.py"):
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


# What each role is left with.


def test_the_told_see_what_they_were_told(town: Town) -> None:
    with reading(town.told) as session:
        assert session.scalars(select(Person.family)).one() == NAME
        assert session.scalars(select(Person.number)).one() is None
        assert session.scalars(select(Information)).all() == []
        assert session.scalars(select(Referral.need)).one() == NEED
        assert session.scalars(select(Case)).all() == []
        assert session.scalars(select(Consent.purpose)).one() is None


def test_a_withdrawal_works_at_once_and_leaves_the_row(town: Town) -> None:
    consent = db.read.scalars(select(Referral.consent_id)).one()
    db.end()
    disclosures.withdraw_consent(town.home.actor, consent)
    with reading(town.told) as session:
        assert session.execute(select(Person.id, Person.family)).one() == (town.person, None)
        assert session.execute(select(Referral.id, Referral.need)).one() == (town.referral, None)


def test_the_auditor_reads_numbers_and_codes_and_nothing_typed(town: Town) -> None:
    with reading(town.auditor) as session:
        assert session.scalars(select(Person.number)).one()
        assert session.scalars(select(Referral.number)).one()
        assert session.scalars(select(ProgressNote.text)).all() == [None]
        everything = "".join(
            plain(session, f"SELECT * FROM {name}") for name in RULES if name != "audit_entry"
        )
        assert not any(word in everything for word in (NAME, SICK, NEED, NOTE, "徹平"))


def test_an_opened_name_is_read_by_who_opened_it_until_its_end(town: Town, at: Callable[..., None]) -> None:
    other, now = make_member(None, Role.AUDITOR), clock.now()
    values = {"staff_id": town.auditor.staff_id, "person_id": town.person, "reason": "見本"}
    columns = NameOpening.__table__.columns
    more = {"home_agency_id": town.home.agency_id} if "home_agency_id" in columns else {}
    more |= {"number": "x"} if "number" in columns else {}
    with db.transaction() as session:
        opening = NameOpening(**values, **more, ends_at=now + timedelta(hours=1))
        session.add(opening)
        audit.record(AuditEvent.AUDIT_READ, opening, actor=town.auditor.actor, person_id=town.person)
    seen = {}
    for who in (town.auditor, other):
        with reading(who) as session:
            seen[who.staff_id] = session.execute(select(Person.family, Person.birth, Person.household)).one()
    assert seen == {town.auditor.staff_id: (NAME, None, None), other.staff_id: (None, None, None)}
    at(now + timedelta(hours=1))
    with reading(town.auditor) as session:
        assert session.scalars(select(Person.family)).one() is None


def exclude(town: Town, who: Member) -> UUID:
    with db.transaction() as session:
        row = Exclusion(
            person_id=town.person,
            staff_id=who.staff_id,
            agency_id=who.agency_id,
            made_by_id=who.staff_id,
            conflict=Conflict.RELATIVE,
        )
        session.add(row)
        audit.record(AuditEvent.AUDIT_READ, row, actor=who.actor, person_id=town.person)
    return row.id


ABOUT_A_PERSON = (
    *("person", "information", "consent", "consent_recipient", "consent_category", "disclosure"),
    *(
        "disclosure_category",
        "support_case",
        "progress_note",
        "referral",
        "referral_category",
        "referral_event",
    ),
)


def test_a_conflict_of_interest_beats_every_other_rule(town: Town) -> None:
    """At home, too; and nobody but them."""
    colleague = make_member(town.home.agency_id)
    row = exclude(town, town.home)
    for name in ABOUT_A_PERSON:
        with reading(town.home) as session:
            assert session.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() == 0, name
        with reading(colleague) as session:
            assert session.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() > 0, name
    with db.transaction() as session:
        found = session.get_one(Exclusion, row)
        found.lifted_at = clock.now()
        audit.record(AuditEvent.AUDIT_READ, found, actor=colleague.actor, person_id=town.person)
    with reading(town.home) as session:
        assert session.scalars(select(Person.family)).one() == NAME


def test_an_emergency_is_for_one_member_for_an_hour_and_leaves_nothing(
    town: Town, at: Callable[..., None]
) -> None:
    helper, now = town.stranger, clock.now()
    colleague = make_member(helper.agency_id)
    assert helper.agency_id
    disclosures.disclose(
        town.home.actor,
        person_id=town.person,
        to_agency_id=helper.agency_id,
        to_staff_id=helper.staff_id,
        basis=Basis.EMERGENCY,
        categories={Category.BASIC},
        channel=Channel.REFERRAL,
        until=now + timedelta(minutes=60),
    )
    for minutes, names in ((1, [NAME]), (59, [NAME]), (61, [])):
        at(now + timedelta(minutes=minutes))
        with reading(helper) as session:
            assert session.scalars(select(Person.family)).all() == names
            assert session.scalars(select(Information)).all() == []
        with reading(colleague) as session:
            assert session.scalars(select(Person.id)).all() == []


# The two walls say the same.


@pytest.mark.either_database
def test_the_rows_are_those_of_the_oracle_for_every_combination(
    app: Flask, at: Callable[..., None], copied: Callable[..., World]
) -> None:
    world = copied(World)
    truth = oracle.read(app.config["DATABASE_URL"])
    rows = [
        {"id": uuid4(), "created_at": MOMENTS[0], "version": 1, "person_id": person, "category": category}
        | {"fields": {}, "text": "見本"}
        for person in world.facts
        for category in (Category.HEALTH, Category.FINANCES)
    ]
    with db.engine.begin() as connection:
        connection.execute(insert(Information.__table__), rows)
    answers = set()
    for moment in MOMENTS:
        at(moment, tick=False)
        for who in (world.me, world.colleague, world.other, world.home):
            mine, me = who.agency_id, who.staff_id
            with reading(who) as session:
                known = set(session.scalars(select(Person.id)))
                named = set(session.scalars(select(Person.id).where(Person.pseudonym.is_not(None))))
                filed = set(session.execute(select(Information.person_id, Information.category)).all())
            assert known == {p for p in world.facts if truth.knows_of(mine, p, moment, me)}
            assert named == {p for p in world.facts if truth.sees(mine, p, "basic", moment, me)}
            for category in (Category.HEALTH, Category.FINANCES):
                told = {p for p in world.facts if truth.sees(mine, p, category.value, moment, me)}
                assert {p for p, c in filed if c == category} == told
            answers.add((who is world.home, 0 < len(named) < len(world.facts)))
    assert (False, True) in answers


# PostgreSQL: what stands behind the views.


def test_postgresql_has_no_leak_of_its_own(app: Flask, town: Town) -> None:
    if app.config["DATABASE_URL"].startswith("sqlite"):
        pytest.skip("PostgreSQL only")
    with db.engine.connect() as connection:
        ask = connection.exec_driver_sql
        tables = set(RULES)
        views = ask(
            "SELECT c.relname, r.rolsuper OR r.rolbypassrls, c.relkind FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner"
            " WHERE n.nspname = 'wall'"
        ).all()
        assert {name for name, _super, _kind in views} == tables
        assert not [name for name, is_super, _kind in views if is_super], (
            "a superuser's view passes every policy"
        )
        assert {kind for _name, _super, kind in views} == {"v"}, "a materialised view knows no reader"
        assert not ask("SELECT 1 FROM pg_matviews").all()
        # What the views ask runs with the rights of their owner: yes or no, about this reader, to the reader's role alone.
        functions = ask(
            "SELECT n.nspname, p.proname, r.rolsuper OR r.rolbypassrls, p.prorettype::regtype::text, p.provolatile,"
            " p.proretset, EXISTS (SELECT 1 FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
            " WHERE a.grantee NOT IN (p.proowner, 'tsunagu_reader'::regrole)), p.prosrc ~ 'tsunagu[.]|wall[.]'"
            " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles r ON r.oid = p.proowner"
            " WHERE prosecdef AND nspname NOT IN ('pg_catalog', 'information_schema')"
        ).all()
        assert functions
        for schema, name, *is_so in functions:
            assert (schema, name[:10], *is_so) == (
                "wall",
                "wall_rule_",
                False,
                "boolean",
                "s",
                False,
                False,
                True,
            )
        locked = ask("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity").scalars()
        assert set(locked) == tables
        assert not ask(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            " AND has_table_privilege('tsunagu_reader', oid, 'SELECT')"
        ).all()
        assert not ask("SELECT has_schema_privilege('tsunagu_reader', 'public', 'CREATE')").scalar_one()


def test_a_right_given_by_mistake_shows_nothing(app: Flask, town: Town) -> None:
    if app.config["DATABASE_URL"].startswith("sqlite"):
        pytest.skip("PostgreSQL only")
    with db.engine.begin() as connection:
        connection.exec_driver_sql("GRANT SELECT ON person TO tsunagu_reader")
    with reading(town.home) as session:
        assert driver(session).execute("SELECT count(*) FROM public.person").fetchone() == (0,)
        assert NAME in plain(session, HIDDEN)


def test_without_its_role_the_views_still_stand(app: Flask, database: Databases) -> None:
    """An ordinary owner of a database, before the administrator has made the role."""
    if app.config["DATABASE_URL"].startswith("sqlite"):
        pytest.skip("PostgreSQL only")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("portal.wall.postgresql.MAY_BECOME", "SELECT false")
        db.bind(app.config["DATABASE_URL"])
        town = Town()
        for name, escape in QUESTIONS.items():
            with reading(town.stranger) as session:
                assert NAME not in tried(escape, session, town), name
            with reading(town.home) as session:
                assert tried(escape, session, town), name
        with reading(town.stranger) as session, pytest.raises(Refused):
            plain(session, "SELECT family FROM public.person")


@pytest.mark.either_database
def test_migrations_go_down_and_up_under_the_wall(app: Flask, database: Databases) -> None:
    url = database.fresh()
    flask(url, "db", "downgrade", "0002")
    flask(url, "db", "upgrade")
    flask(url, "db", "upgrade")
    database.drop(url)


# Who may look past it.

LOOK_ACROSS = {
    "portal/core/db.py",
    "portal/audit/stale_read.py",  # says in which transactions a page has read
    "portal/meetings/agenda/queries.py",  # that there are closed items, for who arranges the agenda
    "portal/meetings/agenda/views.py",  # a share of items, for who arranges the agenda
    "portal/meetings/agenda/drafting.py",  # ids, days and counts: what belongs on an agenda
    "portal/meetings/packets/matrix.py",  # whom each agency at the table would hear of
    "portal/meetings/packets/preview.py",  # what an agency would see of an item, as yes or no
    "portal/meetings/packets/services.py",  # what opening a packet would tell: asked for who told it
    "portal/scenario/loading.py",  # inside its one transaction, which nobody else sees yet
    "portal/inspections/findings.py",  # referral numbers, for an administrator who answers a finding
    "portal/statistics/monthly.py",  # counts
    "portal/statistics/services.py",  # counts, the small ones of others hidden
    "portal/evaluations/counting.py",  # counts
    "portal/activities/queries.py",  # how many came, of an activity that the reader's agency held
    "portal/auditing/anomalies.py",  # counts of readings by staff, for who sees no client
    "portal/retention/queries.py",  # what is due to be erased, by number
    "portal/retention/services.py",
    "portal/handovers/services.py",  # how much hangs on one of the staff, for who sees no client
    "portal/configuration/services.py",  # who set what
}


def test_few_look_past_the_wall_and_all_of_them_are_known() -> None:
    past = ("unrestricted", "read.registry", "unrestricted_engine", "install_views")
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "portal").rglob("*.py")
        if any(f"db.{word}" in path.read_text(encoding="utf-8") for word in past)
        or any(f"self.{word}" in path.read_text(encoding="utf-8") for word in past)
    }
    assert found == LOOK_ACROSS
