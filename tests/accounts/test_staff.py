"""Looking after staff: who sees whom, invitations, changes of role and agency, disabling."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal.accounts import invitations, services
from portal.accounts.models import Invitation, Membership, Staff
from portal.accounts.services import Post
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Invalid, NotAllowed
from portal.core.policy import Role
from tests.browsers import PASSWORD, Browser
from tests.factories import Member, make_agency, make_member

Open = Callable[..., Browser]
At = Callable[..., None]
NEW = "まったく新しい合言葉を決めました"


def admin_of(agency: object = None) -> Member:
    return make_member(agency, Role.AGENCY_ADMIN)  # type: ignore[arg-type]


def link_in(answer: TestResponse) -> str:
    found = re.search(r">http://localhost(/invitations/[^<]+)<", answer.text)
    assert found, answer.text
    return found[1]


def invite(client: Browser, email: str = "new@example.jp", **more: str) -> TestResponse:
    form = {"email": email, "name": "新人 見本", "role": "staff"} | more
    return client.post("/accounts/invite", data=form)


def staff_by(email: str) -> Staff | None:
    found = db.read.scalars(select(Staff).where(Staff.email == email)).one_or_none()
    db.end()
    return found


def post_of(staff_id: UUID) -> tuple[Role, UUID | None, bool]:
    current = select(Membership).where(Membership.staff_id == staff_id, Membership.ended_at.is_(None))
    row = db.read.scalars(current).one()
    db.end()
    return row.role, row.agency_id, row.administers


def choose(app: Flask, link: str, password: str = NEW, again: str | None = None) -> TestResponse:
    return app.test_client().post(link, data={"password": password, "again": again or password})


# Who sees whom


def test_the_list_holds_the_own_agency_only(browser: Open) -> None:
    admin, other = admin_of(), make_member()
    colleague = make_member(admin.agency_id)
    page = browser(admin).get("/accounts/").text
    assert colleague.email in page
    assert other.email not in page


def test_a_marked_caseworker_sees_the_list_too(browser: Open) -> None:
    marked = make_member(administers=True)
    assert marked.email in browser(marked).get("/accounts/").text


@pytest.mark.parametrize("role", [Role.STAFF, Role.COORDINATOR, Role.AUDITOR])
def test_others_see_no_list(browser: Open, role: Role) -> None:
    client = browser(make_member(role=role))
    assert client.get("/accounts/").status_code == 403
    assert client.get("/accounts/invite").status_code == 403


def test_a_system_administrator_sees_all(browser: Open) -> None:
    system, other = make_member(role=Role.SYSTEM_ADMIN), make_member()
    make_member(role=Role.AUDITOR, email="kansa@example.jp")
    page = browser(system).get("/accounts/").text
    assert other.email in page
    assert "kansa@example.jp" in page
    narrowed = browser(system).get(f"/accounts/?agency={other.agency_id}").text
    assert other.email in narrowed
    assert "kansa@example.jp" not in narrowed


def test_the_list_has_pages(app: Flask, browser: Open) -> None:
    admin = admin_of()
    members = [make_member(admin.agency_id) for _ in range(app.config["PAGE_SIZE"] + 3)]
    client = browser(admin)
    first = client.get("/accounts/").text
    following = re.search(r'rel="next"\s+href="([^"]+)"', first)
    assert following
    second = client.get(following[1].replace("&amp;", "&")).text
    shown = [member for member in members if (member.email in first) != (member.email in second)]
    assert shown == members


@pytest.mark.parametrize("path", ["", "/edit", "/disable", "/enable", "/new-password"])
def test_staff_of_another_agency_does_not_exist(app: Flask, browser: Open, path: str) -> None:
    client, other = browser(admin_of()), make_member()
    method = client.get if path in {"", "/edit"} else client.post
    real, invented = method(f"/accounts/{other.staff_id}{path}"), method(f"/accounts/{uuid4()}{path}")
    assert real.status_code == invented.status_code == 404
    assert real.data == invented.data
    edited = client.post(f"/accounts/{other.staff_id}/edit", data={"name": "別人", "role": "staff"})
    assert edited.status_code == 404
    assert browser(other).get("/account").status_code == 200


def test_invitations_of_another_agency_do_not_exist(browser: Open) -> None:
    mine, other = admin_of(), admin_of()
    issued = invitations.invite(
        other.actor, email="x@example.jp", name="見本", post=Post(Role.STAFF, other.agency_id)
    )
    client = browser(mine)
    assert "x@example.jp" not in client.get("/accounts/").text
    for act in ("reissue", "revoke", "bring-over"):
        assert client.post(f"/accounts/invitations/{issued.id}/{act}").status_code == 404


# Invitations


def test_an_invitation_is_good_once(app: Flask, browser: Open) -> None:
    admin = admin_of()
    client = browser(admin)
    answer = invite(client, administers="y")
    link = link_in(answer)
    assert link not in client.get("/accounts/").text
    assert "new@example.jp" in client.get("/accounts/").text
    assert "新人 見本" in app.test_client().get(link).text
    assert choose(app, link).headers["Location"] == "/sign-in"
    joined = staff_by("new@example.jp")
    assert joined
    assert post_of(joined.id) == (Role.STAFF, admin.agency_id, True)
    assert "新人 見本" in browser("new@example.jp", NEW).get("/account").text
    gone = choose(app, link, NEW * 2)
    assert gone.status_code == 404
    assert "使えません" in gone.text
    browser("new@example.jp", NEW)


def test_wrong_used_revoked_and_outdated_links_have_one_page(app: Flask, browser: Open, at: At) -> None:
    at("2026-11-24T09:00", tick=False)
    admin = admin_of()
    client = browser(admin)
    links = [link_in(invite(client, f"n{n}@example.jp")) for n in range(3)]
    choose(app, links[0])
    row = db.read.scalars(select(Invitation).where(Invitation.email == "n1@example.jp")).one()
    db.end()
    assert client.post(f"/accounts/invitations/{row.id}/revoke").status_code == 303
    at("2026-12-01T09:00:01", tick=False)
    pages = {app.test_client().get(link).data for link in (*links, "/invitations/never-was")}
    assert len(pages) == 1
    assert app.test_client().get(links[2]).status_code == 404


def test_the_list_shows_what_became_of_an_invitation(browser: Open, at: At) -> None:
    at("2026-11-24T09:00", tick=False)
    admin = admin_of()
    invite(browser(admin))
    assert "登録待ち" in browser(admin).get("/accounts/").text
    at("2026-12-02T09:00", tick=False)
    assert "期限切れ" in browser(admin).get("/accounts/").text


def test_a_new_link_ends_the_old_one(app: Flask, browser: Open) -> None:
    client = browser(admin_of())
    old = link_in(invite(client))
    row = db.read.scalars(select(Invitation.id)).one()
    db.end()
    new = link_in(client.post(f"/accounts/invitations/{row}/reissue"))
    assert app.test_client().get(old).status_code == 404
    assert choose(app, new).status_code == 303


def test_the_token_is_stored_only_hashed(browser: Open) -> None:
    link = link_in(invite(browser(admin_of())))
    assert db.read.scalars(select(Invitation.token_hash)).one() not in link


def test_the_same_form_sent_twice_invites_once(browser: Open) -> None:
    client = browser(admin_of())
    key = uuid4().hex
    link_in(invite(client, idempotency_key=key))
    again = invite(client, idempotency_key=key)
    assert again.status_code == 200
    assert "/invitations/" not in again.text
    assert len(db.read.scalars(select(Invitation)).all()) == 1


def test_who_is_here_or_invited_already_is_pointed_out(browser: Open) -> None:
    admin = admin_of()
    colleague = make_member(admin.agency_id)
    client = browser(admin)
    assert "すでに登録されています" in invite(client, colleague.email).text
    link_in(invite(client))
    twice = invite(client, "NEW@example.jp")
    assert twice.status_code == 400
    assert "すでに招待しています" in twice.text


def test_inviting_tells_nothing_about_other_agencies(app: Flask, browser: Open, at: At) -> None:
    """The address of somebody elsewhere is answered like an unknown one, and no account is taken over."""
    at("2026-11-24T09:00", tick=False)
    other = make_member(email="known@example.jp")
    admin = admin_of()
    client = browser(admin)

    def told(email: str) -> list[str]:
        answer = invite(client, email)
        link = link_in(answer)
        steps = [answer.text, client.get("/accounts/").text, app.test_client().get(link).text]
        chosen = choose(app, link)
        pages = [*steps, chosen.headers["Location"], str(chosen.status_code)]
        hidden = [
            re.sub(r'value="[^"]*"|/invitations/[\w-]+|[0-9a-f]{8}-[0-9a-f-]{27}', "", p) for p in pages
        ]
        return [re.sub(re.escape(email), "", page) for page in hidden]

    known = told("known@example.jp")
    row = db.read.scalars(select(Invitation)).one()
    db.end()
    invitations.revoke(admin.actor, row.id)
    assert known == told("nobody@example.jp")
    assert other.actor.agency_name not in "".join(known)
    # Nothing has changed for the one who was there: same password, same agency, still signed in.
    assert browser(other).get("/account").status_code == 200
    assert post_of(other.staff_id) == (Role.STAFF, other.agency_id, False)
    assert app.test_client().post("/sign-in", data={"email": other.email, "password": NEW}).status_code == 400


def test_a_system_administrator_brings_over_who_was_elsewhere(app: Flask, browser: Open) -> None:
    other, admin = make_member(), admin_of()
    signed_in = browser(other)
    client = browser(admin)
    choose(app, link_in(invite(client, other.email)))
    assert "確認待ち" in client.get("/accounts/").text
    row = db.read.scalars(select(Invitation.id)).one()
    db.end()
    assert client.post(f"/accounts/invitations/{row}/bring-over").status_code == 404
    system = browser(make_member(role=Role.SYSTEM_ADMIN))
    assert system.post(f"/accounts/invitations/{row}/bring-over").status_code == 303
    assert post_of(other.staff_id) == (Role.STAFF, admin.agency_id, False)
    assert signed_in.get("/account").status_code == 303
    assert other.email in client.get("/accounts/").text
    assert "確認待ち" not in client.get("/accounts/").text
    browser(other)


def test_two_agencies_invite_the_same_person(app: Flask, browser: Open) -> None:
    first, second = admin_of(), admin_of()
    links = [link_in(invite(browser(admin))) for admin in (first, second)]
    answers = [choose(app, link, NEW + str(n)) for n, link in enumerate(links)]
    assert [answer.status_code for answer in answers] == [303, 303]
    joined = staff_by("new@example.jp")
    assert joined
    assert post_of(joined.id)[1] == first.agency_id
    browser("new@example.jp", NEW + "0")


def test_an_administrator_gives_roles_of_the_own_agency_only(browser: Open) -> None:
    admin, other = admin_of(), make_agency()
    client = browser(admin)
    for role in ("auditor", "system_admin", "nonsense"):
        assert invite(client, role=role).status_code in {200, 400}
    assert not db.read.scalars(select(Invitation)).all()
    invite(client, agency=str(other.id))
    assert db.read.scalars(select(Invitation.agency_id)).one() == admin.agency_id
    for role in (Role.AUDITOR, Role.SYSTEM_ADMIN):
        with pytest.raises(Invalid):
            invitations.invite(admin.actor, email="y@example.jp", name="見本", post=Post(role, None))
    with pytest.raises(NotAllowed):
        invitations.invite(admin.actor, email="y@example.jp", name="見本", post=Post(Role.STAFF, other.id))


def test_a_system_administrator_invites_anywhere(app: Flask, browser: Open) -> None:
    agency = make_agency()
    client = browser(make_member(role=Role.SYSTEM_ADMIN))
    choose(app, link_in(invite(client, "a@example.jp", role="agency_admin", agency=str(agency.id))))
    choose(app, link_in(invite(client, "b@example.jp", role="auditor", agency="")))
    admin, auditor = staff_by("a@example.jp"), staff_by("b@example.jp")
    assert admin
    assert auditor
    assert post_of(admin.id) == (Role.AGENCY_ADMIN, agency.id, False)
    assert post_of(auditor.id) == (Role.AUDITOR, None, False)
    missing = invite(client, "c@example.jp", role="staff", agency="")
    assert "機関を選んでください" in missing.text
    assert missing.status_code == 400


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("short", "15文字以上"),
        ("あ" * 300, "256文字以内"),
        ("new@example.jp 2026", "推測されやすい"),
        ("tsunagu tsunagu 1", "推測されやすい"),
        ("passwordpassword", "推測されやすい"),
        ("qwertyuiopasdfghjkl", "推測されやすい"),
        ("123456789012345", "推測されやすい"),
        ("ほげほげほげほげほげほげほげほげ", "推測されやすい"),
    ],
)
def test_a_password_that_will_not_do_is_explained(
    app: Flask, browser: Open, password: str, word: str
) -> None:
    link = link_in(invite(browser(admin_of())))
    answer = choose(app, link, password)
    assert answer.status_code == 400
    assert word in answer.text
    assert password not in answer.text
    assert staff_by("new@example.jp") is None


def test_the_two_passwords_must_be_one(app: Flask, browser: Open) -> None:
    link = link_in(invite(browser(admin_of())))
    assert "同じパスワード" in choose(app, link, NEW, NEW + "!").text
    assert staff_by("new@example.jp") is None


# A forgotten password


def test_a_link_for_a_new_password(app: Flask, browser: Open) -> None:
    admin = admin_of()
    member = make_member(admin.agency_id)
    signed_in, client = browser(member), browser(admin)
    old = link_in(client.post(f"/accounts/{member.staff_id}/new-password"))
    new = link_in(client.post(f"/accounts/{member.staff_id}/new-password"))
    assert app.test_client().get(old).status_code == 404
    assert signed_in.get("/account").status_code == 200
    assert choose(app, new).status_code == 303
    assert signed_in.get("/account").status_code == 303
    browser(member, NEW)
    assert client.get("/accounts/").text.count(member.email) == 1
    assert client.post(f"/accounts/{admin.staff_id}/new-password").status_code == 403


# Changing and disabling


def test_a_disabled_person_is_out_at_the_next_request(app: Flask, browser: Open) -> None:
    admin = admin_of()
    member = make_member(admin.agency_id)
    theirs, mine = browser(member), browser(admin)
    assert mine.post(f"/accounts/{member.staff_id}/disable").status_code == 303
    assert theirs.get("/account").status_code == 303
    refused = app.test_client().post("/sign-in", data={"email": member.email, "password": PASSWORD})
    assert refused.status_code == 400
    assert mine.post(f"/accounts/{member.staff_id}/enable").status_code == 303
    assert theirs.get("/account").status_code == 303
    browser(member)


@pytest.mark.parametrize(
    "column", [Staff.disabled_at, Membership.ended_at], ids=["disabled", "membership ended"]
)
def test_a_session_is_asked_whose_it_is_at_every_request(browser: Open, column: object) -> None:
    """Also when nobody ended the session itself, as when a row is changed by hand on the server."""
    member = make_member()
    client = browser(member)
    with db.transaction() as session:
        if column is Staff.disabled_at:
            row: Staff | Membership = session.get_one(Staff, member.staff_id)
            assert isinstance(row, Staff)
            row.disabled_at = clock.now()
        else:
            row = session.get_one(Membership, member.actor.membership_id)
            assert isinstance(row, Membership)
            row.ended_at = clock.now()
        audit.record(AuditEvent.STAFF_UPDATED, row, actor=None)
    assert client.get("/account").status_code == 303


def test_a_new_role_puts_a_person_out(browser: Open) -> None:
    admin = admin_of()
    member = make_member(admin.agency_id)
    theirs = browser(member)
    form = {"name": member.actor.name, "role": "coordinator", "version": "1"}
    assert browser(admin).post(f"/accounts/{member.staff_id}/edit", data=form).status_code == 303
    assert theirs.get("/account").status_code == 303
    assert post_of(member.staff_id) == (Role.COORDINATOR, admin.agency_id, False)
    assert "調整担当" in browser(member).get("/account").text


def test_a_new_name_puts_nobody_out(browser: Open) -> None:
    admin = admin_of()
    member = make_member(admin.agency_id)
    theirs = browser(member)
    form = {"name": "改名 花子", "role": "staff", "version": "1"}
    browser(admin).post(f"/accounts/{member.staff_id}/edit", data=form)
    assert "改名 花子" in theirs.get("/account").text


def test_a_moved_person_is_out_and_seen_by_the_new_agency_only(browser: Open) -> None:
    former, new = admin_of(), admin_of()
    member = make_member(former.agency_id)
    theirs = browser(member)
    form = {"name": member.actor.name, "role": "staff", "agency": str(new.agency_id), "version": "1"}
    assert browser(former).post(f"/accounts/{member.staff_id}/edit", data=form).status_code == 303
    assert post_of(member.staff_id)[1] == former.agency_id
    system = browser(make_member(role=Role.SYSTEM_ADMIN))
    assert system.post(f"/accounts/{member.staff_id}/edit", data=form).status_code == 303
    assert theirs.get("/account").status_code == 303
    assert member.email in browser(new).get("/accounts/").text
    assert browser(former).get(f"/accounts/{member.staff_id}").status_code == 404
    assert browser(member).get("/account").status_code == 200


def test_nobody_changes_or_disables_themselves(browser: Open) -> None:
    admin = admin_of()
    make_member(admin.agency_id, administers=True)
    client = browser(admin)
    assert client.post(f"/accounts/{admin.staff_id}/disable").status_code == 403
    edit = f"/accounts/{admin.staff_id}/edit"
    assert 'name="role"' not in client.get(edit).text
    form = {"name": "改名 花子", "role": "staff", "version": "1"}
    assert client.post(edit, data=form).status_code == 303
    assert "改名 花子" in client.get("/account").text
    assert post_of(admin.staff_id)[0] is Role.AGENCY_ADMIN
    with pytest.raises(NotAllowed):
        services.update(
            admin.actor, admin.staff_id, name="見本", post=Post(Role.STAFF, admin.agency_id, administers=True)
        )


def test_the_last_administrator_goes_only_when_somebody_says_so(browser: Open) -> None:
    admin = admin_of()
    client = browser(make_member(role=Role.SYSTEM_ADMIN))
    warned = client.post(f"/accounts/{admin.staff_id}/disable")
    assert warned.status_code == 409
    assert "最後の管理者" in warned.text
    assert 'name="leave_unmanaged"' in warned.text
    form = {"name": admin.actor.name, "role": "staff", "agency": str(admin.agency_id), "version": "1"}
    assert client.post(f"/accounts/{admin.staff_id}/edit", data=form).status_code == 409
    assert post_of(admin.staff_id)[0] is Role.AGENCY_ADMIN
    # Staying an administrator under another role is no loss.
    assert (
        client.post(f"/accounts/{admin.staff_id}/edit", data=form | {"administers": "y"}).status_code == 303
    )
    said = client.post(f"/accounts/{admin.staff_id}/disable", data={"leave_unmanaged": "y"})
    assert said.status_code == 303
    assert browser().post("/sign-in", data={"email": admin.email, "password": PASSWORD}).status_code == 400


def test_two_administrators_cannot_both_disable_each_other(app: Flask) -> None:
    one = admin_of()
    two = admin_of(one.agency_id)
    services.disable(one.actor, two.staff_id)
    with pytest.raises(Conflict):
        services.disable(two.actor, one.staff_id)


def test_a_stale_form_shows_both_texts(browser: Open) -> None:
    admin = admin_of()
    member = make_member(admin.agency_id)
    client = browser(admin)
    edit = f"/accounts/{member.staff_id}/edit"
    assert client.post(edit, data={"name": "先の 名前", "role": "staff", "version": "1"}).status_code == 303
    late = client.post(edit, data={"name": "後の 名前", "role": "staff", "version": "1"})
    assert late.status_code == 409
    assert "先の 名前" in late.text
    assert "後の 名前" in late.text
    version = re.search(r'name="version"[^>]*value="(\d+)"', late.text)
    assert version
    form = {"name": "後の 名前", "role": "staff", "version": version[1]}
    assert client.post(edit, data=form).status_code == 303


def test_acts_on_staff_are_in_the_log_without_names(browser: Open) -> None:
    admin = admin_of()
    member = make_member(admin.agency_id)
    client = browser(admin)
    invite(client)
    client.post(f"/accounts/{member.staff_id}/disable")
    entries = db.read.scalars(select(AuditEntry).where(AuditEntry.staff_id == admin.staff_id)).all()
    assert {"staff:invited", "staff:disabled", "session:started"} <= {entry.event for entry in entries}
    assert all("新人".encode() not in entry.body and b"new@" not in entry.body for entry in entries)


# One's own account


def test_changing_the_password_ends_the_other_sessions(app: Flask, browser: Open) -> None:
    member = make_member()
    here, there = browser(member), browser(member)
    form = {"current": PASSWORD, "new": NEW, "again": NEW}
    assert here.post("/account/password", data=form).status_code == 303
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 303
    browser(member, NEW)


def test_changing_the_password_needs_the_current_one(browser: Open) -> None:
    member = make_member()
    client = browser(member)
    wrong = client.post("/account/password", data={"current": NEW, "new": NEW, "again": NEW})
    assert wrong.status_code == 400
    assert "現在のパスワードが違います" in wrong.text
    same = client.post("/account/password", data={"current": PASSWORD, "new": PASSWORD, "again": PASSWORD})
    assert "現在と違うパスワード" in same.text
    for _ in range(10):
        last = client.post("/account/password", data={"current": NEW, "new": NEW, "again": NEW})
    assert last.status_code == 429
    assert last.headers["Retry-After"]


def test_one_lists_and_ends_ones_own_sessions(app: Flask, browser: Open) -> None:
    member, stranger = make_member(), make_member()
    here = browser(member)
    there = app.test_client()
    agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120 Safari/537.36 Edg/120"
    there.post("/sign-in", data={"email": member.email, "password": PASSWORD}, headers={"User-Agent": agent})
    page = here.get("/account").text
    assert "Windows・Edge" in page
    assert "令和" in page
    ends = re.findall(r"/account/sessions/[0-9a-f-]{36}/end", page)
    assert len(ends) == 2
    assert all(browser(stranger).post(end).status_code == 404 for end in ends)
    assert here.post("/account/sessions/end-others").status_code == 303
    assert there.get("/account").status_code == 303
    own = [end for end in ends if here.post(end).headers.get("Location") == "/sign-in"]
    assert len(own) == 1
    assert here.get("/account").status_code == 303


def test_the_chosen_language_comes_back(app: Flask, browser: Open) -> None:
    member = make_member()
    client = browser(member)
    assert client.post("/account/language", data={"language": "en"}).status_code == 303
    assert 'lang="en"' in client.get("/account").text
    assert 'lang="en"' in browser(member).get("/account").text
    client.post("/account/language", data={"language": "xx"})
    assert 'lang="en"' in browser(member).get("/account").text


# The command


def test_the_command_makes_the_first_administrator(runner: FlaskCliRunner, browser: Open) -> None:
    args = [
        "accounts",
        "create",
        "--email",
        "Sys@example.jp",
        "--name",
        "管理 一郎",
        "--role",
        "system_admin",
    ]
    done = runner.invoke(args=args)
    assert done.exit_code == 0, done.output
    email, password, role, agency = done.output.rstrip("\n").split("\t")
    assert (email, role, agency) == ("sys@example.jp", "system_admin", "")
    browser("sys@example.jp", password).get("/accounts/")
    again = runner.invoke(args=args)
    assert again.exit_code == 1
    assert "すでに登録されています" in again.output


def test_the_command_puts_staff_into_an_agency(runner: FlaskCliRunner, browser: Open) -> None:
    agency = make_agency()
    base = ["accounts", "create", "--email", "a@example.jp", "--name", "相談 一郎", "--role", "staff"]
    done = runner.invoke(
        args=[*base, "--agency", agency.short_name, "--administers", "--password-stdin"], input=NEW
    )
    assert done.exit_code == 0, done.output
    assert NEW not in done.output
    assert agency.name in browser("a@example.jp", NEW).get("/account").text
    assert runner.invoke(args=base).exit_code == 2
    assert runner.invoke(args=[*base, "--agency", "どこにもない"]).exit_code == 2
    weak = ["accounts", "create", "--email", "b@example.jp", "--name", "相談 次郎", "--role", "auditor"]
    assert runner.invoke(args=[*weak, "--password-stdin"], input="short").exit_code == 1
