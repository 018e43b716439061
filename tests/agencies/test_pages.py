"""Agency pages: what everybody sees, and what those who look after an agency change."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from portal.agencies import queries, services
from portal.agencies.models import Agency, AgencyKind, Closure, Room, Service
from portal.agencies.services import AgencyFacts, facts_of
from portal.audit.models import AuditEntry
from portal.core.db import db
from portal.core.errors import Conflict, Invalid, NotAllowed, StaleForm
from portal.core.policy import Role
from tests.browsers import Browser
from tests.factories import Member, make_agency, make_member, make_service

Open = Callable[..., Browser]
At = Callable[..., None]

# Unlike the wording of the page, these are what every edit sends.
FORM = {
    "about": "若者と家族の相談",
    "telephone": "０７９７（００）０００３",
    "email": "asagao@example.jp",
    "address": "見本市見本町1番1号",
    "hours": "9:00から17:00まで",
    "weekly_closed": ["6", "0"],
    "holidays_closed": "y",
    "yearend_closed": "y",
    "version": "1",
}


def read(agency_id: UUID) -> Agency:
    found = db.read.scalars(select(Agency).where(Agency.id == agency_id)).one()
    db.end()
    return found


def admin_of(agency: Agency | None = None) -> Member:
    return make_member(agency, Role.AGENCY_ADMIN)


def events() -> list[str]:
    found = list(db.read.scalars(select(AuditEntry.event).order_by(AuditEntry.seq)))
    db.end()
    return found


# Reading


@pytest.mark.parametrize("role", list(Role))
def test_everybody_sees_agencies(browser: Open, role: Role) -> None:
    agency = make_agency(name="見本相談センター", telephone="0797-00-0000", kind=AgencyKind.YOUTH_CENTRE)
    make_service(agency, name="個別相談", room=Room.FULL)
    client = browser(make_member(role=role))
    page = client.get("/agencies/").text
    assert all(
        word in page for word in ("見本相談センター", "0797-00-0000", "若者相談", "個別相談", "空きなし")
    )
    assert client.get(f"/agencies/{agency.id}").status_code == 200


def test_strangers_see_nothing(browser: Open) -> None:
    agency = make_agency()
    for path in ("/agencies/", f"/agencies/{agency.id}"):
        assert browser().get(path).status_code == 303


def test_an_agency_that_is_not_there_is_missing(browser: Open) -> None:
    assert browser(make_member()).get(f"/agencies/{uuid4()}").status_code == 404


@pytest.mark.both_databases
def test_business_days_are_shown(browser: Open, at: At) -> None:
    """Monday 28 December 2026 at the youth centre of the source document."""
    at("2026-12-28T10:00")
    agency = make_agency(name="見本の若者相談", weekly_closed="06")
    services.add_closure(None, agency.id, date(2027, 1, 14), date(2027, 1, 15), reason="職員研修のため")
    page = browser(make_member()).get(f"/agencies/{agency.id}").text
    assert "今日は休み" in page
    # 29 December to 3 January, then Monday: the next day on which somebody answers is Tuesday 5 January.
    assert "次の開所日は令和9年1月5日（火）です。" in page
    assert re.sub(r"\s+", "", "月曜日・日曜日") in re.sub(r"\s+", "", page)
    assert "令和8年12月29日（火） 年末年始" in page
    assert "令和9年1月11日" not in page  # 成人の日, but a Monday: closed anyway
    assert "職員研修のため" in page
    assert "令和9年1月14日（木）から令和9年1月15日（金）まで" in page


def test_the_list_says_who_is_open(browser: Open, at: At) -> None:
    at("2026-11-23T10:00")  # a Monday, and 勤労感謝の日
    make_agency(name="休みの機関", weekly_closed="56")
    make_agency(name="開いている機関", holidays_closed=False)
    page = browser(make_member(make_agency(holidays_closed=True))).get("/agencies/").text
    rows = {row.split("</a>")[0].split(">")[-1]: row for row in page.split("<tr>")[2:]}
    assert "今日は休み" in rows["休みの機関"]
    assert "R8.11.24（火）" in rows["休みの機関"]
    assert "今日は開所" in rows["開いている機関"]


def test_the_list_asks_the_same_number_of_questions(browser: Open, count_queries: Callable) -> None:  # type: ignore[type-arg]
    client = browser(make_member())

    def asked() -> int:
        with count_queries() as statements:
            assert client.get("/agencies/").status_code == 200
        return len(statements)

    before = asked()
    for _ in range(5):
        make_service(make_agency())
    assert asked() == before
    assert before <= 8


# Availability


def test_availability_of_a_service(app: Flask, at: At) -> None:
    at("2026-11-20T10:00")  # Friday
    agency = make_agency(weekly_closed="56")
    service_id = make_service(agency, room=Room.WAITING, room_as_of=date(2026, 11, 1))
    session = db.read()
    service = session.get_one(Service, service_id)
    found = queries.availability(session, agency, service, date(2026, 11, 20))
    assert (found.closed_today, found.next_open_day) == (False, date(2026, 11, 24))
    assert (found.room, found.as_of, found.is_full) == (Room.WAITING, date(2026, 11, 1), False)
    plain = queries.availability(session, agency, None, date(2026, 11, 20))
    assert (plain.room, plain.as_of) == (None, None)
    weekend = queries.availability(session, agency, None, date(2026, 11, 21))
    assert weekend.closed_today


def test_availability_of_an_agency_that_never_opens(app: Flask) -> None:
    agency = make_agency(weekly_closed="0123456")
    found = queries.availability(db.read(), agency, None, date(2026, 11, 20))
    assert found.closed_today
    assert found.next_open_day is None


# Changing


def test_an_administrator_changes_contacts_and_opening_days(browser: Open) -> None:
    admin = admin_of()
    assert admin.agency_id
    client = browser(admin)
    edit = f"/agencies/{admin.agency_id}/edit"
    assert 'name="short_name"' not in client.get(edit).text
    assert client.post(edit, data=FORM | {"name": "勝手な名前", "kind": "school"}).status_code == 303
    agency = read(admin.agency_id)
    assert agency.telephone == "0797-00-0003"
    assert agency.closed_weekdays == {0, 6}
    assert agency.name == admin.actor.agency_name
    assert agency.kind is AgencyKind.OTHER
    assert agency.version == 2
    assert events()[-1] == "agency:updated"
    every_day = {k: v for k, v in FORM.items() if k not in {"weekly_closed", "holidays_closed"}}
    client.post(edit, data=every_day | {"version": "2"})
    agency = read(admin.agency_id)
    assert agency.closed_weekdays == set()
    assert not agency.holidays_closed
    assert agency.yearend_closed


@pytest.mark.parametrize("role", [Role.STAFF, Role.COORDINATOR, Role.AUDITOR, Role.AGENCY_ADMIN])
def test_others_change_nothing(browser: Open, role: Role) -> None:
    agency = make_agency()
    service_id = make_service(agency)
    client = browser(make_member(role=role))
    at = f"/agencies/{agency.id}"
    for path in (f"{at}/edit", f"{at}/closures/new", f"{at}/services/new", "/agencies/new"):
        assert client.get(path).status_code == 403
        assert client.post(path, data=FORM).status_code == 403
    for path in (f"{at}/stop", f"{at}/services/{service_id}/room", f"{at}/services/{service_id}/retire"):
        assert client.post(path, data={"room": "full"}).status_code == 403
    assert read(agency.id).version == 1
    assert "access:refused" in events()
    page = client.get(at).text
    assert "変更する" not in page
    assert "今日の状況にする" not in page


def test_a_marked_caseworker_may_change_the_own_agency(browser: Open) -> None:
    marked = make_member(administers=True)
    assert browser(marked).get(f"/agencies/{marked.agency_id}/edit").status_code == 200


def test_a_system_administrator_registers_an_agency(browser: Open) -> None:
    client = browser(make_member(role=Role.SYSTEM_ADMIN))
    key = uuid4().hex
    form = FORM | {"name": "新しい機関", "short_name": "新規", "kind": "school", "idempotency_key": key}
    made = client.post("/agencies/new", data=form)
    assert made.status_code == 303
    assert client.post("/agencies/new", data=form).headers["Location"] == made.headers["Location"]
    agency = read(UUID(made.headers["Location"].rsplit("/", 1)[1]))
    assert (agency.name, agency.short_name, agency.kind) == ("新しい機関", "新規", AgencyKind.SCHOOL)
    assert "新しい機関" in client.get("/agencies/").text
    taken = client.post("/agencies/new", data=form | {"idempotency_key": uuid4().hex})
    assert taken.status_code == 400
    assert "同じ名称または略称の機関がすでにあります" in taken.text
    assert 'value="新しい機関"' in taken.text


@pytest.mark.parametrize("short", ["", "ながすぎる", "A-1", "A 1"])
def test_a_short_name_must_fit_into_numbers(app: Flask, short: str) -> None:
    with pytest.raises(Invalid) as refused:
        services.create(None, AgencyFacts("見本", short, AgencyKind.OTHER))
    assert refused.value.field == "short_name"


def test_a_system_administrator_renames_and_stops_an_agency(browser: Open) -> None:
    agency = make_agency()
    client = browser(make_member(role=Role.SYSTEM_ADMIN))
    form = FORM | {"name": "改めた名称", "short_name": "改", "kind": "employer"}
    assert client.post(f"/agencies/{agency.id}/edit", data=form).status_code == 303
    assert read(agency.id).name == "改めた名称"
    assert client.post(f"/agencies/{agency.id}/stop").status_code == 303
    assert "改めた名称" not in browser(make_member()).get("/agencies/").text
    assert "利用停止中" in client.get("/agencies/").text
    assert client.post(f"/agencies/{agency.id}/resume").status_code == 303
    assert "改めた名称" in browser(make_member()).get("/agencies/").text


def test_an_administrator_may_not_rename_through_the_service(app: Flask) -> None:
    agency = make_agency()
    facts = facts_of(agency)
    renamed = AgencyFacts("別の名称", facts.short_name, facts.kind)
    with pytest.raises(NotAllowed):
        services.update(admin_of(agency).actor, agency.id, renamed)


def test_an_agency_that_would_never_open_is_refused(browser: Open) -> None:
    admin = admin_of()
    client = browser(admin)
    refused = client.post(
        f"/agencies/{admin.agency_id}/edit", data=FORM | {"weekly_closed": [*map(str, range(7))]}
    )
    assert refused.status_code == 400
    assert "一年以上続けて休み" in refused.text
    long = {"starts_on": "2026-12-01", "ends_on": "2028-12-01"}
    assert client.post(f"/agencies/{admin.agency_id}/closures/new", data=long).status_code == 400


def test_two_closures_that_together_last_too_long_are_refused(app: Flask, at: At) -> None:
    at("2026-11-20T10:00")
    agency = make_agency()
    services.add_closure(None, agency.id, date(2026, 12, 1), date(2027, 8, 31))
    with pytest.raises(Invalid):
        services.add_closure(None, agency.id, date(2027, 9, 1), date(2028, 6, 30))


def test_a_stale_form_shows_both_texts(browser: Open) -> None:
    admin = admin_of()
    client = browser(admin)
    edit = f"/agencies/{admin.agency_id}/edit"
    assert client.post(edit, data=FORM | {"about": "先の紹介"}).status_code == 303
    late = client.post(edit, data=FORM | {"about": "後の紹介", "weekly_closed": ["5"]})
    assert late.status_code == 409
    assert "先の紹介" in late.text
    assert "後の紹介" in late.text
    version = re.search(r'name="version"[^>]*value="(\d+)"', late.text)
    assert version
    assert client.post(edit, data=FORM | {"about": "後の紹介", "version": version[1]}).status_code == 303
    assert admin.agency_id
    assert read(admin.agency_id).about == "後の紹介"


def test_bad_input_is_pointed_out(browser: Open) -> None:
    admin = admin_of()
    client = browser(admin)
    bad = FORM | {"telephone": "電話なし", "email": "no address", "about": "あ" * 2001}
    answer = client.post(f"/agencies/{admin.agency_id}/edit", data=bad).text
    assert "電話番号を" in answer
    assert "メールアドレスを" in answer
    assert "2000文字以内" in answer
    assert (
        client.post(f"/agencies/{admin.agency_id}/edit", data=FORM | {"address": "a\0b"}).status_code == 200
    )
    assert admin.agency_id
    assert read(admin.agency_id).version == 1


# Closures


def test_closures_are_added_once_and_removed(browser: Open, at: At) -> None:
    at("2026-11-20T10:00")
    admin = admin_of()
    client = browser(admin)
    form = {
        "starts_on": "令和8年12月7日",
        "ends_on": "R8.12.8",
        "reason": "引っ越し",
        "idempotency_key": uuid4().hex,
    }
    for _ in range(2):
        assert client.post(f"/agencies/{admin.agency_id}/closures/new", data=form).status_code == 303
    closure = db.read.scalars(select(Closure)).one()
    db.end()
    assert (closure.starts_on, closure.ends_on) == (date(2026, 12, 7), date(2026, 12, 8))
    assert "引っ越し" in client.get(f"/agencies/{admin.agency_id}").text
    remove = f"/agencies/{admin.agency_id}/closures/{closure.id}/remove"
    assert browser(admin_of()).post(remove).status_code == 403
    assert client.post(remove).status_code == 303
    assert not db.read.scalars(select(Closure)).all()
    assert events().count("closure:changed") == 2


def test_a_closure_must_end_after_it_begins(browser: Open) -> None:
    admin = admin_of()
    form = {"starts_on": "2026-12-08", "ends_on": "2026-12-07"}
    refused = browser(admin).post(f"/agencies/{admin.agency_id}/closures/new", data=form)
    assert refused.status_code == 400
    assert "始まりの日以後" in refused.text


def test_a_closure_that_is_over_stays(app: Flask, at: At) -> None:
    at("2026-11-20T10:00")
    admin = admin_of()
    assert admin.agency_id
    closure_id = services.add_closure(None, admin.agency_id, date(2026, 11, 23), date(2026, 11, 24))
    at("2026-11-25T10:00")
    with pytest.raises(Conflict):
        services.remove_closure(admin.actor, closure_id)


# Services


def test_services_are_added_edited_and_retired(browser: Open) -> None:
    admin = admin_of()
    client, at = browser(admin), f"/agencies/{admin.agency_id}"
    form = {
        "name": "就労サロン",
        "for_whom": "15歳から39歳",
        "room": "waiting",
        "version": "",
        "idempotency_key": uuid4().hex,
    }
    for _ in range(2):
        assert client.post(f"{at}/services/new", data=form).status_code == 303
    service = db.read.scalars(select(Service)).one()
    db.end()
    assert "順番待ち" in client.get(at).text
    edit = f"{at}/services/{service.id}/edit"
    assert "就労サロン" in client.get(edit).text
    changed = {"name": "就労サロン（午後）", "for_whom": "15歳から39歳", "version": "1"}
    assert client.post(edit, data=changed).status_code == 303
    late = client.post(edit, data=changed | {"name": "就労サロン（夜）"})
    assert late.status_code == 409
    assert "就労サロン（午後）" in late.text
    assert "就労サロン（夜）" in late.text
    assert client.post(f"{at}/services/{service.id}/retire").status_code == 303
    assert "就労サロン" not in browser(make_member()).get(at).text
    assert "終了" in client.get(at).text
    assert client.post(f"{at}/services/{service.id}/offer").status_code == 303
    assert "就労サロン" in browser(make_member()).get(at).text


def test_a_caseworker_says_whether_the_own_service_has_room(browser: Open, at: At) -> None:
    at("2026-11-24T10:00")
    worker = make_member()
    assert worker.agency_id
    service_id = make_service(worker.agency_id, room_as_of=date(2026, 4, 1))
    client, here = browser(worker), f"/agencies/{worker.agency_id}"
    assert "令和8年4月1日現在" in client.get(here).text
    said = client.post(f"{here}/services/{service_id}/room", data={"room": "full"})
    assert said.status_code == 303
    page = client.get(here).text
    assert "空きなし" in page
    assert "令和8年11月24日現在" in page
    assert client.post(f"{here}/services/{service_id}/retire").status_code == 403
    client.post(f"{here}/services/{service_id}/room", data={"room": "nonsense"})
    assert db.read.get_one(Service, service_id).room is Room.FULL


def test_saying_the_same_again_renews_the_date(app: Flask, at: At) -> None:
    at("2026-11-24T10:00")
    worker = make_member()
    assert worker.agency_id
    service_id = make_service(worker.agency_id, room_as_of=date(2026, 4, 1))
    services.set_room(worker.actor, service_id, Room.OPEN)
    assert db.read.get_one(Service, service_id).room_as_of == date(2026, 11, 24)


def test_services_raise_for_what_the_page_would_not_send(app: Flask) -> None:
    admin = admin_of()
    assert admin.agency_id
    with pytest.raises(Invalid):
        services.add_service(admin.actor, admin.agency_id, name="")
    with pytest.raises(Invalid):
        services.add_service(admin.actor, admin.agency_id, name="見本", as_of=date(2999, 1, 1))
    service_id = services.add_service(admin.actor, admin.agency_id, name="見本")
    services.edit_service(admin.actor, service_id, name="見本2", for_whom="", version=1)
    with pytest.raises(StaleForm):
        services.edit_service(admin.actor, service_id, name="見本3", for_whom="", version=1)
