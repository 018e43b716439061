"""Signing in: one answer for every reason to refuse, delays, sessions and their ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.accounts import attempts, services
from portal.accounts.models import Membership, SignInAttempt, SignInSession, Staff
from portal.accounts.passwords import Hashing, hashing
from portal.accounts.services import Post
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.core import clock
from portal.core.db import db
from portal.core.errors import TooMany
from portal.core.policy import Role
from tests.browsers import PASSWORD, Browser
from tests.factories import Member, make_agency, make_member

pytestmark = pytest.mark.quick

Open = Callable[..., Browser]
At = Callable[..., None]


def without_tokens(page: str) -> str:
    return re.sub(r'name="csrf_token"[^>]*value="[^"]*"', "", page)


def attempt(client: Browser, email: str, password: str = PASSWORD[::-1]) -> Any:
    return client.post("/sign-in", data={"email": email, "password": password})


def sessions_of(member: Member) -> int:
    found = db.read.scalar(
        select(func.count()).where(
            SignInSession.staff_id == member.staff_id, SignInSession.ended_at.is_(None)
        )
    )
    db.end()
    return found or 0


@pytest.mark.both_databases
def test_signs_in_and_out(browser: Open) -> None:
    member = make_member()
    client = browser(member)
    assert member.actor.name in client.get("/account").text
    assert client.post("/sign-out").status_code == 303
    assert client.get("/account").headers["Location"] == "/sign-in?next=/account"
    assert sessions_of(member) == 0


def test_every_refusal_has_the_same_bytes(app: Flask, browser: Open) -> None:
    """The account is made step by step around one address, so that the pages can be compared whole."""
    email = "someone@example.jp"

    def refused() -> tuple[int, str]:
        answer = attempt(app.test_client(), email)
        with db.transaction() as session:
            session.execute(SignInAttempt.__table__.delete())
        return answer.status_code, without_tokens(answer.text)

    unknown = refused()
    member = make_member(email=email)
    assert refused() == unknown
    admin = make_member(member.agency_id, Role.AGENCY_ADMIN)
    services.disable(admin.actor, member.staff_id)
    assert refused() == unknown
    right = attempt(app.test_client(), email, PASSWORD)
    assert (right.status_code, without_tokens(right.text)) == unknown
    services.enable(admin.actor, member.staff_id)
    with db.transaction() as session:
        row = session.scalars(select(Membership).where(Membership.staff_id == member.staff_id)).one()
        row.ended_at = clock.now()
        audit.record(AuditEvent.STAFF_UPDATED, row, actor=None)
    right = attempt(app.test_client(), email, PASSWORD)
    assert (right.status_code, without_tokens(right.text)) == unknown
    assert "メールアドレスまたはパスワードが違います。" in unknown[1]
    assert unknown[0] == 400


def test_every_refusal_costs_one_hashing(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    verify = type(hashing.hasher).verify

    def counting(self: Any, stored: str, password: str) -> Any:
        checked.append(stored)
        return verify(self, stored, password)

    monkeypatch.setattr(type(hashing.hasher), "verify", counting)
    member = make_member()
    for email in (member.email, "nobody@example.jp"):
        attempt(app.test_client(), email)
    attempt(app.test_client(), member.email, "x" * 100_000)
    assert len(checked) == 3
    profiles = {stored.split("$")[3] for stored in checked}
    assert len(profiles) == 1


def test_a_password_is_the_same_in_full_and_half_width(app: Flask) -> None:
    member = make_member()
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in PASSWORD)
    assert wide != PASSWORD
    assert attempt(app.test_client(), member.email.upper(), wide).status_code == 303


def test_a_failure_is_logged_without_the_address(app: Flask) -> None:
    member = make_member()
    attempt(app.test_client(), member.email)
    attempt(app.test_client(), "nobody@example.jp")
    found = db.read.scalars(
        select(AuditEntry).where(AuditEntry.event == AuditEvent.SIGN_IN_FAILED).order_by(AuditEntry.seq)
    ).all()
    assert [entry.object_id for entry in found] == [member.staff_id, None]
    assert all(b"example.jp" not in entry.body for entry in found)


def test_goes_back_only_to_pages_of_this_site(app: Flask) -> None:
    member = make_member()
    for wanted, where in {
        "/referrals/?box=in": "/referrals/?box=in",
        "//evil.example/": "/",
        "https://evil.example/": "/",
        "/\\evil.example": "/",
        "": "/",
    }.items():
        form = {"email": member.email, "password": PASSWORD, "next": wanted}
        assert app.test_client().post("/sign-in", data=form).headers["Location"] == where


@pytest.mark.both_databases
def test_failures_bring_delays_and_never_a_lock(app: Flask, at: At) -> None:
    at("2026-11-24T09:00", tick=False)
    member = make_member()
    client = app.test_client()
    for _ in range(attempts.FREE_PER_ACCOUNT):
        assert attempt(client, member.email).status_code == 400
    soon = attempt(client, member.email, PASSWORD)
    assert soon.status_code == 429
    assert soon.headers["Retry-After"] == "5"
    assert "しばらく待って" in soon.text
    at("2026-11-24T09:00:06", tick=False)
    assert attempt(client, member.email, PASSWORD).status_code == 303
    # Success clears the account.
    assert attempt(app.test_client(), member.email).status_code == 400


def test_below_100_failures_nobody_waits_longer_than_a_minute() -> None:
    waits = [attempts.delay(n, attempts.FREE_PER_ACCOUNT) for n in range(100)]
    assert waits[: attempts.FREE_PER_ACCOUNT] == [0] * attempts.FREE_PER_ACCOUNT
    assert waits == sorted(waits)
    assert max(waits) == 60
    assert attempts.delay(5000, attempts.FREE_PER_ACCOUNT) == attempts.DELAY_OF_MANY


def test_an_unknown_address_is_delayed_alike(app: Flask, at: At) -> None:
    at("2026-11-24T09:00", tick=False)
    make_member(email="known@example.jp")
    pages = []
    for email in ("known@example.jp", "other@example.jp"):
        client = app.test_client()
        for _ in range(attempts.FREE_PER_ACCOUNT):
            attempt(client, email)
        answer = attempt(client, email, PASSWORD)
        pages.append((answer.status_code, without_tokens(answer.text).replace(email, "")))
    assert pages[0] == pages[1]
    assert pages[0][0] == 429


def test_a_stranger_cannot_slow_down_a_known_device(app: Flask, browser: Open, at: At) -> None:
    at("2026-11-24T09:00", tick=False)
    member = make_member()
    own = browser(member)
    own.post("/sign-out")
    stranger = app.test_client()
    for _ in range(attempts.FREE_PER_ACCOUNT + 1):
        attempt(stranger, member.email)
    assert attempt(stranger, member.email).status_code == 429
    assert attempt(own, member.email, PASSWORD).status_code == 303


def test_the_mark_of_a_device_counts_for_its_own_accounts_only(app: Flask, browser: Open, at: At) -> None:
    at("2026-11-24T09:00", tick=False)
    mine, victim = make_member(), make_member()
    client = browser(mine)
    client.post("/sign-out")
    for _ in range(attempts.FREE_PER_ACCOUNT):
        assert attempt(client, victim.email).status_code == 400
    assert attempt(client, victim.email).status_code == 429
    assert attempt(app.test_client(), victim.email).status_code == 429


def test_waiting_is_not_counted_as_failing(app: Flask, at: At) -> None:
    at("2026-11-24T09:00", tick=False)
    member = make_member()
    client = app.test_client()
    for _ in range(40):
        attempt(client, member.email)
    assert db.read.scalar(select(func.count()).select_from(SignInAttempt)) == attempts.FREE_PER_ACCOUNT


def test_the_table_of_attempts_holds_no_addresses(app: Flask) -> None:
    attempt(app.test_client(), "someone@example.jp")
    row = db.read.scalars(select(SignInAttempt)).one()
    assert re.fullmatch("[0-9a-f]{64}", row.account_hash)
    assert re.fullmatch("[0-9a-f]{64}", row.device_hash)


def test_when_the_hasher_is_busy_nobody_is_counted(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    member = make_member()
    monkeypatch.setattr(hashing, "wait_seconds", 0.01)
    with hashing.place(), hashing.place():
        busy = attempt(app.test_client(), member.email, PASSWORD)
    assert busy.status_code == 503
    assert "混み合って" in busy.text
    assert db.read.scalar(select(func.count()).select_from(SignInAttempt)) == 0
    assert attempt(app.test_client(), member.email, PASSWORD).status_code == 303


def test_two_hashings_at_a_time() -> None:
    narrow = Hashing(at_once=2, wait_seconds=0.01)
    with narrow.place(), narrow.place(), pytest.raises(TooMany), narrow.place():
        pass
    with narrow.place():
        pass


def test_an_old_profile_is_renewed_at_sign_in(app: Flask) -> None:
    old = Hashing()
    old.configure({"time_cost": 2, "memory_kib": 16, "parallelism": 1})
    member = make_member(password_hash=old.hash(PASSWORD))
    assert attempt(app.test_client(), member.email, PASSWORD).status_code == 303
    stored = db.read.scalars(select(Staff.password_hash).where(Staff.id == member.staff_id)).one()
    assert not hashing.is_outdated(stored)
    assert hashing.fits(stored, PASSWORD)


def test_a_new_sign_in_has_a_new_session_and_keeps_the_language(app: Flask) -> None:
    member = make_member()
    client = app.test_client()
    client.get("/language/en")
    attempt(client, member.email, PASSWORD)
    with client.session_transaction() as kept:
        first = kept["_user_id"]
        assert kept["language"] == "en"
        kept["leftover"] = "of a stranger"
    attempt(client, member.email, PASSWORD)
    with client.session_transaction() as kept:
        assert kept["_user_id"] != first
        assert "leftover" not in kept
        assert kept["language"] == "en"
    assert sessions_of(member) == 1


def test_the_token_is_stored_only_hashed(app: Flask) -> None:
    member = make_member()
    client = app.test_client()
    attempt(client, member.email, PASSWORD)
    with client.session_transaction() as kept:
        token = kept["_user_id"]
    assert token != db.read.scalars(select(SignInSession.token_hash)).one()


@pytest.mark.parametrize(("role", "idle"), [(Role.STAFF, 30), (Role.AGENCY_ADMIN, 15), (Role.AUDITOR, 15)])
def test_a_session_ends_when_nobody_is_there(browser: Open, at: At, role: Role, idle: int) -> None:
    at("2026-11-24T09:00", tick=False)
    client = browser(make_member(role=role))
    start = clock.now()
    at(start + timedelta(minutes=idle - 1))
    assert client.get("/account").status_code == 200
    at(start + timedelta(minutes=2 * idle - 2))
    assert client.get("/account").status_code == 200
    at(start + timedelta(minutes=3 * idle))
    assert client.get("/account").status_code == 303


def test_a_session_ends_after_twelve_hours_of_work(browser: Open, at: At) -> None:
    at("2026-11-24T07:00", tick=False)
    client = browser(make_member())
    start = clock.now()
    for minutes in range(25, 12 * 60, 25):
        at(start + timedelta(minutes=minutes), tick=False)
        assert client.get("/account").status_code == 200
    at(start + timedelta(hours=12, seconds=1), tick=False)
    assert client.get("/account").status_code == 303


def test_the_button_keeps_the_session_and_says_how_long(browser: Open, at: At) -> None:
    at("2026-11-24T09:00", tick=False)
    client = browser(make_member())
    at("2026-11-24T09:28", tick=False)
    assert client.post("/account/keep-alive").json == {"session_seconds_left": 30 * 60}
    at("2026-11-24T09:57", tick=False)
    assert client.get("/account").status_code == 200


def test_the_promised_end_is_the_real_one(browser: Open, at: At) -> None:
    """Not each request is written down, so a page must not promise more than the row will keep."""
    at("2026-11-24T09:00", tick=False)
    client = browser(make_member())
    at("2026-11-24T09:00:50", tick=False)
    page = client.get("/account").text
    left = int(re.search(r'session-seconds-left" content="(\d+)"', page)[1])  # type: ignore[index]
    at("2026-11-24T09:00:50", tick=False)
    at(clock.now() + timedelta(seconds=left - 1), tick=False)
    assert client.get("/account").status_code == 200


def test_after_the_end_the_page_leads_back(browser: Open, at: At) -> None:
    at("2026-11-24T09:00", tick=False)
    client = browser(make_member())
    at("2026-11-24T10:00", tick=False)
    assert client.post("/account/keep-alive").status_code == 303
    assert client.post("/sign-out").headers["Location"] == "/sign-in"
    assert "/sign-in?next=" in client.get("/agencies/").headers["Location"]


def test_without_csrf_token_nothing_is_done(app: Flask, browser: Open) -> None:
    client = browser(make_member())
    app.config["WTF_CSRF_ENABLED"] = True
    try:
        answer = client.post("/account/sessions/end-others")
        assert answer.status_code == 400
        assert client.get("/account").status_code == 200
    finally:
        app.config["WTF_CSRF_ENABLED"] = False


def test_a_short_account_row_is_all_a_caseworker_needs(browser: Open) -> None:
    agency = make_agency()
    member = make_member(agency, Role.COORDINATOR, administers=True)
    page = browser(member).get("/account").text
    assert agency.name in page
    assert "調整担当（機関の管理もする）" in page
    assert member.email in page


def test_an_account_in_no_agency_reaches_its_pages(app: Flask) -> None:
    services.create_account(
        email="kansa@example.jp", name="監査 公平", post=Post(Role.AUDITOR, None), password=PASSWORD
    )
    client = app.test_client()
    assert attempt(client, "kansa@example.jp", PASSWORD).status_code == 303
    assert "監査 公平" in client.get("/account").text
