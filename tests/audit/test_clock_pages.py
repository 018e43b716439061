"""A server whose clock stands before the last entry: nothing is written or shown until it is right, or declared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import func, select

from portal.accounts.attempts import FREE_PER_ACCOUNT
from portal.accounts.models import SignInSession
from portal.audit import jumps
from portal.audit.events import AuditEvent
from portal.audit.models import AuditCheckpoint, AuditEntry
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.inspections import clock as inspection_clock
from portal.inspections import restoring
from tests.audit.test_checkpoints import (
    Machine,
    at_office,
    checkpoint,
    facts,
    kept,
    machine,
    outside,
    place,
    proposal_seq,
    write,
)
from tests.audit.worlds import World
from tests.browsers import PASSWORD, Browser
from tests.factories import Member, make_case, make_member
from verify_audit import SOUND, TAMPERED

assert machine  # fixtures: the database as it lies on the disk,
assert outside  # and a portal that keeps its checkpoints in a folder

pytestmark = pytest.mark.usefixtures("strict_clock")

Visit = Callable[..., Browser]
At = Callable[..., None]

START = datetime(2027, 3, 1, 10, tzinfo=clock.JAPAN)
HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)
REASON = "停電のあと、時計が進んでいた。時刻サーバーに合わせて直した。"
SAID = {"reason": REASON, "is_right": "y"}
TYPED = {
    "family": "見本",
    "given": "花子",
    "family_kana": "みほん",
    "given_kana": "はなこ",
    "distinct": "1",
}
STOPPED = "サーバーの時計が正しくないため"


@pytest.fixture
def people(app: Flask, at: At) -> Iterator[dict[str, Member]]:
    """A desk with a case, a system administrator and an auditor; the clock stands at START."""
    at(START)
    made = {
        "desk": make_member(),
        "admin": make_member(role=Role.SYSTEM_ADMIN, name="管理 花子"),
        "auditor": make_member(role=Role.AUDITOR, name="監査 月子"),
    }
    make_case(made["desk"])
    jumps.watch.forget()
    yield made
    jumps.watch.forget()


def length() -> int:
    return db.unrestricted.scalar(select(func.count()).select_from(AuditEntry)) or 0


def last_at() -> datetime:
    return db.unrestricted.scalars(select(AuditEntry.at).order_by(AuditEntry.seq.desc()).limit(1)).one()


def at_the_door(app: Flask, email: Any, **said: str) -> Any:
    return Browser(app).post("/audit/clock", data=SAID | {"email": email, "password": PASSWORD} | said)


def test_a_small_wobble_stops_nobody(
    app: Flask, people: dict[str, Member], browser: Visit, at: At, tmp_path: Path
) -> None:
    desk = browser(people["desk"])
    at(START - timedelta(minutes=4))
    assert desk.get("/people/").status_code == 200
    made = desk.post("/people/new", data=TYPED)
    assert made.status_code == 302, made.text
    assert STOPPED not in desk.get("/people/").text
    assert World(app, tmp_path).verdict().exit == SOUND


@pytest.mark.parametrize("back", [HOUR, DAY, YEAR], ids=str)
def test_a_clock_that_went_back_stops_everything_until_it_is_right_or_declared(
    app: Flask, people: dict[str, Member], browser: Visit, at: At, tmp_path: Path, back: timedelta
) -> None:
    desk, admin, auditor = (browser(people[name]) for name in ("desk", "admin", "auditor"))
    before, seen = length(), last_at()
    at(START - back)

    reading = desk.get("/people/")
    assert reading.status_code == 503
    assert STOPPED in reading.text
    assert "システム管理者に知らせてください" in reading.text
    refused = desk.post("/people/new", data=TYPED)
    assert refused.status_code == 503
    assert "はなこ" in refused.text, "what was typed is still there"
    assert length() == before, "no entry with a wrong time"

    at(START + timedelta(minutes=1))  # put right without a word: nothing is to be declared
    assert desk.get("/people/").status_code == 200
    assert "申告は必要ありません" in admin.get("/audit/clock").text
    assert admin.post("/audit/clock", data=SAID).status_code == 409
    seen = last_at()

    at(START - back)
    page = admin.get("/audit/clock")
    assert page.status_code == 200
    assert "<dt>最後の記録の時刻" in page.text
    assert f"{clock.in_japan(seen):%-H時%M分%S秒}" in page.text
    assert "入力してください" in admin.post("/audit/clock", data={"reason": "", "is_right": "y"}).text
    assert "印をつけてください" in admin.post("/audit/clock", data={"reason": REASON}).text
    assert desk.get("/people/").status_code == 503
    done = admin.post("/audit/clock", data=SAID)
    assert done.status_code == 303, done.text
    assert admin.get("/people/").status_code == 403, "his session goes on"
    assert admin.post("/audit/clock", data=SAID).status_code == 409, "sent twice it is done once"

    assert desk.get("/people/").status_code == 303, "a session of the future has ended"
    again = browser(people["desk"])
    assert again.get("/people/").status_code == 200
    assert again.post("/people/new", data=TYPED).status_code == 302
    assert auditor.get("/audit/").status_code == 303
    watching = browser(people["auditor"])
    assert "時計のずれが申告されています" in watching.get("/audit/").text
    slips = watching.get("/audit/checkpoints").text
    assert REASON in slips
    assert "管理 花子" in slips
    assert "サーバーの時計のずれを申告" in watching.get("/audit/").text

    found = World(app, tmp_path).verdict()
    assert found.exit == SOUND, found.text
    assert len(found.result["summary"]["jumps"]) == 1


def test_the_entry_of_the_declaration_holds_codes_only(
    app: Flask, people: dict[str, Member], browser: Visit, at: At
) -> None:
    admin = browser(people["admin"])
    seq, seen = length(), last_at()
    at(START - DAY)
    admin.post("/audit/clock", data=SAID)
    wanted = select(AuditEntry.body).where(AuditEntry.event == AuditEvent.CLOCK_DECLARED.value)
    body = json.loads(db.unrestricted.scalars(wanted).one())
    assert body["fact"]["last"] == seq
    assert datetime.fromisoformat(body["fact"]["before"]) == seen
    assert REASON not in str(body)
    newest = db.unrestricted.scalars(
        select(AuditCheckpoint).order_by(AuditCheckpoint.size.desc()).limit(1)
    ).one()
    assert newest.size == seq + 1, "signed at once"
    assert abs(newest.at - clock.now()) < HOUR


def test_a_clock_that_was_ahead_and_is_put_right(
    app: Flask, people: dict[str, Member], browser: Visit, at: At, tmp_path: Path
) -> None:
    at(START + YEAR)
    desk = browser(people["desk"])
    for _ in range(FREE_PER_ACCOUNT + 3):
        Browser(app).post("/sign-in", data={"email": people["auditor"].email, "password": "wrong"})
        Browser(app).post("/sign-in", data={"email": people["admin"].email, "password": "wrong"})
    assert desk.post("/people/new", data=TYPED).status_code == 302
    at(START + HOUR)
    before = length()
    assert desk.get("/people/").status_code == 503

    refused = Browser(app).post("/sign-in", data={"email": people["desk"].email, "password": PASSWORD})
    assert refused.status_code == 503
    assert STOPPED in refused.text
    assert "/audit/clock" in refused.text
    assert length() == before

    done = at_the_door(app, people["admin"].email)
    assert done.status_code == 303, "no delay from attempts of the future"
    assert browser(people["auditor"]).get("/audit/").status_code == 200
    assert desk.get("/people/").status_code == 303
    rows = db.unrestricted.scalars(select(SignInSession).where(SignInSession.ended_at.is_(None))).all()
    assert all(row.expires_at < clock.now() + DAY for row in rows)
    db.end()

    made = db.unrestricted.scalar(select(func.max(AuditCheckpoint.size)))
    db.end()
    at(START + HOUR + timedelta(minutes=61))
    browser(people["desk"]).get("/people/")
    later = db.unrestricted.scalar(select(func.max(AuditCheckpoint.size)))
    assert made is not None
    assert later is not None
    assert later > made, "checkpoints every hour, not only after a year"
    db.end()
    world = World(app, tmp_path)
    found = world.verdict("--now", (START + 4 * HOUR).isoformat())
    assert found.exit == SOUND, found.text


def test_two_jumps(app: Flask, people: dict[str, Member], browser: Visit, at: At, tmp_path: Path) -> None:
    for moment in (START - DAY, START - 2 * YEAR, START - 2 * YEAR - HOUR):
        at(moment)
        assert at_the_door(app, people["admin"].email).status_code == 303
        assert browser(people["desk"]).get("/people/").status_code == 200
    found = World(app, tmp_path).verdict()
    assert found.exit == SOUND, found.text
    assert len(found.result["summary"]["jumps"]) == 3


def test_the_door_lets_in_nobody_but_a_system_administrator_and_tells_strangers_nothing(
    app: Flask, people: dict[str, Member], at: At
) -> None:
    stranger = Browser(app)
    assert stranger.get("/audit/clock").headers["Location"].startswith("/sign-in")
    at(START - DAY)
    before = length()
    page = stranger.get("/audit/clock")
    assert page.status_code == 200
    assert "<dt>最後の記録の時刻" not in page.text
    for email, password in (
        (people["desk"].email, PASSWORD),
        (people["auditor"].email, PASSWORD),
        (people["admin"].email, "wrong"),
        ("nobody@example.jp", PASSWORD),
    ):
        refused = at_the_door(app, email, password=password)
        assert refused.status_code == 400
        assert "メールアドレスまたはパスワードが違います" in refused.text
        assert "時刻サーバーに合わせて" in refused.text, "what was typed is still there"
    assert length() == before
    for _ in range(FREE_PER_ACCOUNT):
        refused = at_the_door(app, people["admin"].email, password="wrong")
    assert refused.status_code == 429, "the delays of the door hold here too"


def test_nobody_else_declares(app: Flask, people: dict[str, Member], browser: Visit, at: At) -> None:
    visitors = [browser(people[name]) for name in ("desk", "auditor")]
    at(START - DAY)
    for visit in visitors:
        assert visit.get("/audit/clock").status_code == 403
        assert visit.post("/audit/clock", data=SAID).status_code == 403


def test_what_is_refused_or_missing_meanwhile_is_no_error(
    app: Flask, people: dict[str, Member], browser: Visit, at: At
) -> None:
    """The refusal cannot be logged: the page is the same."""
    desk = browser(people["desk"])
    at(START - DAY)
    assert desk.get("/people/0199a1b2-0000-7000-8000-0000000000aa").status_code == 404
    assert desk.post("/sign-out").status_code == 303, "one can always leave"
    assert desk.get("/people/").status_code == 303


def test_commands_say_it_in_words(
    app: Flask, people: dict[str, Member], runner: FlaskCliRunner, at: At
) -> None:
    assert runner.invoke(args=["audit", "checkpoint"]).exit_code == 0
    at(START - DAY)
    for command in ("checkpoint", "change-key"):
        done = runner.invoke(args=["audit", command])
        assert done.exit_code == 5, command
        assert "時計" in done.stderr
        assert "/audit/clock" in done.stderr


def test_without_the_check_the_verifier_finds_it(
    app: Flask,
    people: dict[str, Member],
    browser: Visit,
    at: At,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A portal from which somebody took the check, to write an entry of yesterday."""
    world, desk = World(app, tmp_path), browser(people["desk"])
    monkeypatch.setattr(jumps, "require", lambda *_given, **_more: None)
    at(START - HOUR)
    assert desk.get("/people/").status_code == 200
    world.checkpoint()
    found = world.verdict()
    assert found.exit == TAMPERED
    assert "clock" in found.codes


def test_a_backup_put_back_over_what_a_clock_wrote_that_was_ahead(
    outside: Path, machine: Machine, at: At, tmp_path: Path
) -> None:
    """What is lost is dated after the restore that lost it: no reason to suspect anybody."""
    at(START)
    admin, auditor = at_office()
    checkpoint()
    backup = machine.back_up()
    at(START + YEAR)
    write(3)
    checkpoint()
    lost = [(place(outside) / name).read_text() for name in kept(outside)]
    at(START + HOUR)
    machine.restore(backup)
    machine.restart()
    restoring.propose(admin.actor, "時計が進んでいたので、控えから戻した。")
    restoring.declare(auditor.actor, proposal_seq())
    write()
    world = World(machine.app, tmp_path)
    world.kept += lost
    found = world.verdict()
    assert found.exit == SOUND, found.text
    assert found.result["summary"]["kept_lost"] > 0
    assert datetime.fromisoformat(facts(AuditEvent.RESTORE_DECLARED)[-1]["kept_at"]) > clock.now()


def test_a_restored_database_and_a_clock_that_is_behind(outside: Path, machine: Machine, at: At) -> None:
    """First the clock, then the restore: each by its own declaration, and the halted log takes the first."""
    at(START)
    admin, auditor = at_office()
    checkpoint()
    backup = machine.back_up()
    write(3)
    checkpoint()
    machine.restore(backup)
    machine.restart()
    at(START - DAY)
    with pytest.raises(jumps.ClockBehind):
        restoring.propose(admin.actor, "控えから戻した。")
    with db.transaction() as session:
        inspection_clock.write(session, admin.actor, REASON)
    restoring.propose(admin.actor, "控えから戻した。")
    restoring.declare(auditor.actor, proposal_seq())
    write()
    with db.transaction() as session:
        assert jumps.present(session) is None
