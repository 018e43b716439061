"""An erasure by two people: what goes, what stays, and that nobody can read again what went."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import JSON, Date, Enum, LargeBinary, Text, make_url, select
from sqlalchemy.exc import DatabaseError

from portal.audit import checkpoints, refusing, vault
from portal.audit import notes as audit_notes
from portal.audit.checkpoint_store import keeping
from portal.audit.models import AuditDetail, AuditEntry, AuditHead
from portal.cases import services as cases
from portal.cases.models import Case, CaseGoal, ProgressNote
from portal.consents.models import Consent
from portal.core.db import db
from portal.core.errors import Conflict, Lack
from portal.core.policy import Role
from portal.disclosures.models import Disclosure
from portal.inspections import names
from portal.meetings.agenda.models import AgendaItem
from portal.people import services as people
from portal.people.categories import Category
from portal.people.models import FamilyTie, Person
from portal.people.services import Basics
from portal.referrals.models import Referral
from portal.retention import erasing, services
from portal.retention.erasing import BLANKED, KEPT
from portal.retention.models import Erasure
from tests.audit import denied
from tests.browsers import PASSWORD, Browser
from tests.databases import Databases
from tests.factories import make_consent, make_member, make_referral
from tests.retention import raw
from tests.retention.lives import WORDS, Office, erase, make_office, old_life, propose, years_ago
from tests.wall.canaries import CANARY
from tests.wall.world import World

Open = Callable[..., Browser]


@pytest.fixture
def office(app: Flask) -> Office:
    return make_office()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Path]:
    """A place outside the data directory."""
    before = keeping.folder, keeping.is_strict
    keeping.bind(tmp_path, is_strict=False)
    yield tmp_path
    keeping.bind(before[0], is_strict=before[1])


def test_every_text_column_is_blanked_or_kept_for_a_reason(app: Flask) -> None:
    """A new column in which something is typed must be thought about."""
    typed = {
        (table.name, column.name)
        for table in db.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, Text | JSON | LargeBinary) and not isinstance(column.type, Enum)
    }
    born = {
        (table.name, column.name)
        for table in db.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, Date) and "birth" in column.name
    }
    blanked = {(blank.model.__tablename__, column) for blank in BLANKED for column in blank.values}
    kept = {(table, column) for table, columns in KEPT.items() for column in columns}
    assert typed | born == (blanked | kept) - {
        ("person", "is_identified"),
        ("person", "contact_prohibited"),
        ("person", "protected_address"),
    }
    assert blanked & kept == set()
    assert all(why for columns in KEPT.values() for why in columns.values())


def entries_of(who: UUID) -> list[Any]:
    wanted = (
        select(AuditEntry.seq, AuditEntry.event, AuditDetail.key_id, AuditDetail.salt, AuditDetail.details)
        .outerjoin(AuditDetail, AuditDetail.seq == AuditEntry.seq)
        .where(AuditEntry.person_id == who)
        .order_by(AuditEntry.seq)
    )
    return list(db.read.execute(wanted))


@pytest.mark.both_databases
def test_names_and_texts_go_numbers_and_dates_stay(app: Flask, office: Office) -> None:
    url = app.config["DATABASE_URL"]
    who = old_life(office)
    before = db.read.get_one(Person, who)
    number, created = before.number, before.created_at
    case_numbers = set(db.read.scalars(select(Case.number).where(Case.person_id == who)))
    lines = db.read.scalars(select(Disclosure.id).where(Disclosure.person_id == who)).all()
    notes = db.read.execute(select(ProgressNote.held_on, ProgressNote.minutes)).all()
    db.end()
    raw.tidy(url)
    assert [word for word in WORDS if raw.holds(raw.everything(url), word)], "the canaries sang before"
    assert [one for one in entries_of(who) if one.key_id], "and the log kept them sealed"
    db.end()

    erase(office, who)

    person = db.read.get_one(Person, who)
    assert (person.number, person.created_at) == (number, created)
    assert person.erased_at is not None
    assert person.label == "消去済み"
    assert set(db.read.scalars(select(Case.number).where(Case.person_id == who))) == case_numbers
    assert len(case_numbers) == 2, "the other agency's case was one of them"
    assert db.read.scalars(select(Disclosure.id).where(Disclosure.person_id == who)).all() == lines
    assert db.read.execute(select(ProgressNote.held_on, ProgressNote.minutes)).all() == notes
    assert set(db.read.scalars(select(ProgressNote.text))) == {""}
    assert set(db.read.scalars(select(CaseGoal.text))) == {""}
    assert set(db.read.scalars(select(Referral.need).where(Referral.person_id == who))) == {""}
    assert set(db.read.scalars(select(Consent.purpose).where(Consent.person_id == who))) == {""}
    assert set(db.read.scalars(select(AgendaItem.minutes_text).where(AgendaItem.person_id == who))) == {""}
    assert db.read.scalars(select(FamilyTie)).all() == []
    sealed = [one for one in entries_of(who) if one.details is not None]
    assert sealed
    for one in sealed:
        assert one.key_id
        with pytest.raises(vault.Erased):
            vault.open_details(db.read(), one.seq, one.key_id, one.salt, one.details)
    db.end()
    raw.tidy(url)
    left = raw.everything(url)
    assert [word for word in WORDS if raw.holds(left, word)] == []


def test_every_canary_of_the_whole_world_is_gone(app: Flask) -> None:
    """All there is, every table filled: whatever is about a person goes, and only what is kept for a reason stays."""
    world = World()
    url = app.config["DATABASE_URL"]
    db.end()
    for who in db.read.scalars(select(Person.id)).all():
        db.end()
        with db.transaction() as session:
            person = session.get_one(Person, who, with_for_update=True)
            erasing.erase(session, None, person, ground=None)
    db.end()
    assert world.people
    raw.tidy(url)
    allowed = set()
    for table in db.metadata.sorted_tables:
        for name in {*KEPT.get(table.name, {})} - {"body", "details"}:
            for value in db.read.scalars(select(table.c[name])):
                allowed |= set(CANARY.findall(str(value)))
    for item in db.read.scalars(select(AgendaItem).where(AgendaItem.person_id.is_(None))):
        texts = (item.title, item.text, item.minutes_text, item.removed_why, item.postponed_why)
        allowed |= {word for text in texts for word in CANARY.findall(text)}
    of_nobody = "SELECT text FROM {} WHERE {}"
    nobody = "item_id IN (SELECT id FROM agenda_item WHERE person_id IS NULL)"
    with db.engine.connect() as connection:
        for table, where in (
            ("minutes_revision", nobody),
            ("meeting_outcome", nobody),
            ("addendum", f"item_id IS NULL OR {nobody}"),
        ):
            for (text,) in connection.exec_driver_sql(of_nobody.format(table, where)):
                allowed |= set(CANARY.findall(text))
        for (note,) in connection.exec_driver_sql(f"SELECT done_note FROM meeting_outcome WHERE {nobody}"):  # noqa: S608
            allowed |= set(CANARY.findall(note))
    db.end()
    data = raw.everything(url)
    found = set(CANARY.findall(data.decode("utf-8", "replace")))
    for escaped in re.findall(rb"(?:\\\\?u[0-9a-f]{4}){4}[0-9]{4}(?:\\\\?u[0-9a-f]{4})", data):
        word = escaped.replace(b"\\\\u", b"\\u").decode("unicode_escape")
        found |= set(CANARY.findall(word))
    assert found - allowed == set()
    assert len(allowed) < len(world.canaries.word()[4:8]) * 100


def test_afterwards_pages_say_so(browser: Open, office: Office) -> None:
    who = old_life(office)
    erasure_id = erase(office, who)
    number = db.read.get_one(Person, who).number
    mine, theirs = browser(office.worker), browser(office.other)
    page = mine.get(f"/people/{who}")
    assert page.status_code == 200
    assert "消去済みの相談者" in page.text
    assert number in page.text
    assert "令和" in page.text
    for path in ("/people/", "/cases/?show=closed", "/referrals/", f"/retention/{erasure_id}", "/retention/"):
        shown = mine.get(path)
        assert shown.status_code == 200, path
        assert not [word for word in WORDS if word in shown.text], path
    assert "消去済み" in mine.get("/people/").text
    for case in db.read.scalars(select(Case).where(Case.person_id == who)):
        reader = mine if case.agency_id == office.worker.agency_id else theirs
        assert reader.get(f"/cases/{case.id}").status_code == 200
    for referral in db.read.scalars(select(Referral).where(Referral.person_id == who)):
        for reader in (mine, theirs):
            assert reader.get(f"/referrals/{referral.id}").status_code == 200
    assert theirs.get(f"/people/{who}").status_code == 200
    assert mine.get(f"/people/{who}/ledger").status_code in {200, 404}


def test_nothing_more_is_written_about_an_erased_person(browser: Open, office: Office) -> None:
    who = old_life(office)
    erase(office, who)
    actor = office.worker.actor
    named = Basics(family="鳥籠", given="再来", family_kana="とりかご", given_kana="さいらい")
    with pytest.raises(Conflict):
        people.update_information(actor, who, Category.HEALTH, text="また来た")
    with pytest.raises(Conflict):
        people.identify(actor, who, named, agreed="電話で")
    with pytest.raises(Conflict):
        cases.open_case(actor, who)
    with pytest.raises(Conflict):
        make_referral(office.worker, office.other, status="draft", person_id=who)
    with pytest.raises(Conflict):
        make_consent(office.worker, who, [office.other])
    answer = browser(office.worker).post(
        f"/people/{who}/information/health", data={"text": "また来た", "version": "1"}
    )
    assert answer.status_code in {200, 409}
    db.end()
    assert db.read.get_one(Person, who).label == "消去済み"


def test_the_second_person_agrees_on_the_page_with_the_password(browser: Open, office: Office) -> None:
    who = old_life(office)
    one, two = browser(office.worker), browser(office.second)
    page = one.get(f"/retention/people/{who}").text
    assert "提案できます" in page
    key = re.search(r'name="idempotency_key"[^>]*value="([0-9a-f]{32})"', page)
    assert key
    typed = {"ground": "period_over", "reason": "期間満了", "idempotency_key": key[1]}
    check = one.post(f"/retention/people/{who}", data=typed).text
    assert "消えるもの" in check
    assert "残るもの" in check
    assert db.read.scalars(select(Erasure)).all() == []
    db.end()
    # Sent twice by an impatient hand: one proposal.
    first = one.post(f"/retention/people/{who}", data={**typed, "checked": "1"})
    again = one.post(f"/retention/people/{who}", data={**typed, "checked": "1"})
    assert first.status_code == again.status_code == 303
    assert first.location == again.location
    erasure = db.read.scalars(select(Erasure)).one()
    db.end()
    assert "提案中" in one.get("/retention/").text
    assert "自分の提案には同意できません" in one.get(first.location).text
    assert one.post(f"/retention/{erasure.id}/agree", data={"password": PASSWORD}).status_code == 403
    shown = two.get(f"/retention/{erasure.id}").text
    assert "期間満了" in shown
    assert "消えるもの" in shown
    wrong = two.post(f"/retention/{erasure.id}/agree", data={"password": "これではない合言葉です"})
    assert "パスワードが違います" in wrong.text
    assert db.read.get_one(Person, who).erased_at is None
    db.end()
    done = two.post(f"/retention/{erasure.id}/agree", data={"password": PASSWORD}, follow_redirects=True)
    assert "消去しました" in done.text
    assert db.read.get_one(Person, who).erased_at is not None
    db.end()
    late = two.post(f"/retention/{erasure.id}/agree", data={"password": PASSWORD})
    assert late.status_code == 409
    assert "すでに消去されています" in late.text
    assert one.get(f"/retention/people/{who}").status_code == 303


def test_an_administrator_agrees_by_number_alone(browser: Open, office: Office) -> None:
    who = old_life(office)
    erasure_id = propose(office, who)
    admin = browser(office.admin)
    number = db.read.get_one(Person, who).number
    db.end()
    for path in ("/retention/", f"/retention/{erasure_id}"):
        page = admin.get(path).text
        assert number in page
        assert not [word for word in WORDS if word in page.replace("カナリヤの期間が過ぎた", "")], path
    assert admin.get(f"/retention/people/{who}").status_code in {403, 404}
    answer = admin.post(f"/retention/{erasure_id}/agree", data={"password": PASSWORD})
    assert answer.status_code == 303
    assert db.read.get_one(Person, who).erased_at is not None


def test_the_log_verifies_and_says_who_was_erased(app: Flask) -> None:
    with years_ago(13):  # the verifier looks whether time runs forward
        office = make_office()
    who = old_life(office)
    erase(office, who)
    events = [one.event for one in entries_of(who)]
    assert events[-1] == "person:erased"
    assert events.count("person:erased") == 1
    assert "record:blanked" in events
    entry = db.read.scalars(select(AuditEntry).where(AuditEntry.event == "person:erased")).one()
    assert str(who).encode() in entry.body
    assert b'"fact":{"key":' in entry.body
    url = make_url(app.config["DATABASE_URL"])
    if url.get_backend_name() != "sqlite":
        return  # the verifier reads an export of PostgreSQL: tests/audit
    with db.transaction() as session:
        checkpoints.make(session)
        origin = session.scalars(select(AuditHead.origin)).one()
    db.end()
    key = audit_notes.vkey(origin, vault.vault.ring.signing.public_key())
    whole = (sys.executable, "verify_audit.py", str(url.database), "--key", key)
    told = subprocess.run(whole, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_ids_are_kept_outside_and_a_restored_backup_is_erased_again(
    app: Flask, office: Office, kept: Path, database: Databases, runner: FlaskCliRunner
) -> None:
    who, other = old_life(office), old_life(office, told=False)
    url = app.config["DATABASE_URL"]
    db.dispose()
    backup = database.copy(url, "backup")
    db.bind(url)
    erase(office, who)
    origin = db.read.scalars(select(AuditHead.origin)).one().rpartition("/")[2]
    db.end()
    listed = kept / origin / "erased.txt"
    assert listed.read_text() == f"{who}\n"
    # The older backup comes back: the person is there again, until they are erased again.
    db.bind(backup)
    keeping.bind(kept, is_strict=False)
    for path in (kept / origin).glob("[0-9]*.txt"):
        path.unlink()  # what two people declare about the log is another test's
    assert db.read.get_one(Person, who).family == "鳥籠"
    db.end()
    assert services.reapply() == 1
    db.end()
    assert db.read.get_one(Person, who).label == "消去済み"
    assert db.read.get_one(Person, other).family == "鳥籠"
    db.end()
    assert services.reapply() == 0
    listed.unlink()
    assert services.reapply() == 0
    assert listed.read_text() == f"{who}\n"
    db.bind(url)
    database.drop(backup)
    assert "0 erased again" in runner.invoke(args=["retention", "reapply"]).output


def test_a_name_alone_is_no_erasure(office: Office) -> None:
    """The database itself refuses to blank what was typed about somebody whose key lives."""
    who = old_life(office)
    with db.engine.connect() as connection, pytest.raises(DatabaseError, match="append-only"):
        connection.exec_driver_sql("UPDATE consent SET purpose = ''")
    assert db.read.scalars(select(Consent.purpose).where(Consent.person_id == who)).one() != ""


def test_an_auditor_who_asks_for_the_name_of_somebody_erased_is_noted(office: Office) -> None:
    auditor, who = make_member(role=Role.AUDITOR), old_life(office)
    erase(office, who)
    before = denied.length()
    with pytest.raises(Conflict) as caught:
        names.open_name(auditor.actor, who, "申立てのため")
    refusing.note(caught.value, actor=auditor.actor, asked=(None, None))
    denied.one_of(denied.since(before), by=auditor, lack=Lack.ERASED, about=("person", who), person=who)
