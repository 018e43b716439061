"""Running a meeting and writing its minutes: through the pages, in each reader's eyes."""

from __future__ import annotations

import re
from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from pypdf import PdfReader
from sqlalchemy import select

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, NotAllowed, StaleForm
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.meetings.agenda import drafting
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.minutes import services as minutes_services
from portal.meetings.minutes.models import Addendum, MinutesRevision
from portal.meetings.minutes.services import Choice
from portal.meetings.packets import services as packet_services
from portal.meetings.roster import services as roster_services
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule import services as schedule_services
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import MeetingAction, MeetingKind, MeetingStatus
from portal.people.categories import Category
from portal.referrals.conversation import send_message
from portal.web.formats import era_short
from tests.factories import Member, make_agency, make_consent, make_member, make_person, make_referral
from tests.meeting_factories import make_item, make_meeting, make_series, name_member, take_step

A, S = MeetingAction, MeetingStatus
ALWAYS = "この資料には、貴機関に提供できる議題だけを載せています。"
JSON = {"Accept": "application/json"}


def item_of(item_id: UUID) -> AgendaItem:
    found = db.read().get_one(AgendaItem, item_id)
    db.end()
    return found


def kept(item_id: UUID) -> list[tuple[str, bool]]:
    rows = select(MinutesRevision.text, MinutesRevision.is_refused).where(MinutesRevision.item_id == item_id)
    found = [(text, refused) for text, refused in db.read.execute(rows.order_by(MinutesRevision.id))]
    db.end()
    return found


def status_of(meeting_id: UUID) -> MeetingStatus:
    found = db.read().get_one(Meeting, meeting_id).status
    db.end()
    return found


class Table:
    """A weekly meeting in session: an item of nobody, one of the other agency's person, closed to the chair."""

    def __init__(self, status: MeetingStatus = S.IN_SESSION) -> None:
        self.chair = make_member(make_agency(), Role.COORDINATOR)
        self.other, self.third = make_member(), make_member()
        self.meeting_id = make_meeting(self.chair, [self.other, self.third])
        self.open_id = make_item(self.chair, self.meeting_id, title="見本の共有事項")
        self.person_id = make_person(self.other, family="秘密野", given="見本子")
        self.closed_id = make_item(
            self.other, self.meeting_id, person_id=self.person_id, title="閉じた議題", minutes=12
        )
        for action in (A.ANNOUNCE, A.BEGIN, A.CLOSE, A.APPROVE):
            if status_of(self.meeting_id) is status:
                break
            take_step(self.chair, self.meeting_id, action)

    def path(self, item_id: UUID, end: str = "minutes") -> str:
        return f"/meetings/{self.meeting_id}/items/{item_id}/{end}"


@pytest.fixture
def table(app: Flask) -> Table:
    return Table()


def send(client: Any, path: str, text: str, version: int, **more: Any) -> Any:
    return client.post(path, data={"text": text, "version": version}, **more)


def test_each_runs_the_meeting_with_their_own_eyes(browser: Any, table: Table) -> None:
    page = browser(table.chair).get(f"/meetings/{table.meeting_id}/session")
    assert page.status_code == 200
    assert "非公開の議題" in page.text
    assert "12分" in page.text
    assert "秘密野" not in page.text
    assert "閉じた議題" not in page.text
    assert page.text.count("<textarea") == 2, "minutes and outcome of the one item that he may read"
    page = browser(table.other).get(f"/meetings/{table.meeting_id}/session").text
    assert "秘密野" in page
    assert "見本の共有事項" in page
    assert f"text-{table.closed_id}" in page
    assert f"text-{table.open_id}" not in page, "he reads what the chair brought, and does not write on it"
    page = browser(table.third).get(f"/meetings/{table.meeting_id}/session").text
    assert "非公開の議題" not in page
    assert "<textarea" not in page
    assert browser(make_member()).get(f"/meetings/{table.meeting_id}/session").status_code == 404


def test_before_it_is_announced_there_is_nothing_to_run(browser: Any, app: Flask) -> None:
    table = Table(S.DRAFT)
    assert browser(table.chair).get(f"/meetings/{table.meeting_id}/session").status_code == 409
    assert browser(table.chair).get(f"/meetings/{table.meeting_id}/minutes").status_code == 409


def test_the_clock_is_on_the_page_with_and_without_script(browser: Any, table: Table) -> None:
    page = browser(table.chair).get(f"/meetings/{table.meeting_id}/session").text
    assert re.search(r'role="timer"\s+hidden\s+data-ends-at="\d{4}-', page)
    assert "終了の予定" in page


@pytest.mark.both_databases
def test_the_steps_from_beginning_to_approval(browser: Any, app: Flask) -> None:
    table = Table(S.ANNOUNCED)
    chair, other = browser(table.chair), browser(table.other)
    hold_today(table)
    for step, reached in (
        ("begin", S.IN_SESSION),
        ("close", S.MINUTED),
        ("reopen", S.IN_SESSION),
        ("close", S.MINUTED),
        ("approve", S.APPROVED),
    ):
        path = f"/meetings/{table.meeting_id}/{step}"
        assert other.get(path).status_code == 403
        assert other.post(path, data={"version": "1"}).status_code == 403
        page = chair.get(path)
        assert page.status_code == 200
        version = re.search(r'name="version"[^>]*value="(\d+)"', page.text)
        assert version
        assert chair.post(path, data={"version": int(version[1]) + 7}).status_code == 409
        assert chair.post(path, data={"version": version[1]}).status_code == 302
        assert status_of(table.meeting_id) is reached
        assert chair.post(path, data={"version": version[1]}).status_code == 409, "not twice"
    assert chair.get(f"/meetings/{table.meeting_id}/reopen").status_code == 409


def hold_today(table: Table, *, somebody: bool = True) -> None:
    """The meeting's day is today, and the chair came to it."""
    roster = name_member(table.chair, table.meeting_id, table.chair)
    with db.transaction() as session:
        meeting = session.get_one(Meeting, table.meeting_id)
        meeting.starts_at = clock.now()
        session.get_one(Attendance, roster).was_there = somebody
        audit.record(AuditEvent.MEETING_MOVED, meeting, actor=table.chair.actor)
        audit.record(AuditEvent.ROSTER_CHANGED, session.get_one(Attendance, roster), actor=table.chair.actor)


def press(client: Any, table: Table, step: str, **more: Any) -> Any:
    """The button of the page on which a step is asked for."""
    path = f"/meetings/{table.meeting_id}/{step}"
    version = re.search(r'name="version"[^>]*value="(\d+)"', client.get(path).text)
    return client.post(path, data={"version": version[1] if version else "1", **more})


@pytest.mark.parametrize("days", [7, -1])
def test_beginning_on_another_day_asks_and_wants_a_reason(browser: Any, app: Flask, days: int) -> None:
    table = Table(S.ANNOUNCED)
    with db.transaction() as session:
        meeting = session.get_one(Meeting, table.meeting_id)
        meeting.starts_at = clock.now() + timedelta(days=days)
        audit.record(AuditEvent.MEETING_MOVED, meeting, actor=table.chair.actor)
    chair = browser(table.chair)
    fact = "会議の予定の日は、まだ来ていません。" if days > 0 else "会議の予定の日は、もう過ぎています。"
    asked = press(chair, table, "begin")
    assert asked.status_code == 400
    assert fact in asked.text
    lacking = press(chair, table, "begin", confirmed="1", text=" ")
    assert lacking.status_code == 400
    assert "理由を入力してください。" in lacking.text
    assert press(chair, table, "begin", text="台風のため").status_code == 400, (
        "a reason alone confirms nothing"
    )
    assert status_of(table.meeting_id) is S.ANNOUNCED
    assert press(chair, table, "begin", confirmed="1", text="台風のため").status_code == 302
    assert status_of(table.meeting_id) is S.IN_SESSION


@pytest.mark.parametrize(("step", "before"), [("close", S.IN_SESSION), ("approve", S.MINUTED)])
def test_a_meeting_that_nobody_attended_asks(
    browser: Any, app: Flask, step: str, before: MeetingStatus
) -> None:
    table = Table(before)
    chair = browser(table.chair)
    asked = press(chair, table, step)
    assert asked.status_code == 400
    assert "出席した人が、一人も記録されていません。" in asked.text
    assert status_of(table.meeting_id) is before
    assert press(chair, table, step, confirmed="1").status_code == 302
    table = Table(before)
    hold_today(table)
    assert "出席した人が、一人も" not in browser(table.chair).get(f"/meetings/{table.meeting_id}/{step}").text


@pytest.mark.parametrize("kind", ["statutory", "coordination"])
@pytest.mark.parametrize(
    ("step", "before", "instead"),
    [
        ("begin", S.ANNOUNCED, "先に会議の日時を変えてください。"),
        ("close", S.IN_SESSION, "先に「名簿・出欠」で記録してください。"),
        ("approve", S.MINUTED, "先に「名簿・出欠」で記録してください。"),
    ],
)
def test_a_council_refuses_and_says_what_to_do(
    browser: Any, app: Flask, kind: str, step: str, before: MeetingStatus, instead: str
) -> None:
    chair = make_member(make_agency(), Role.COORDINATOR)
    meeting_id = make_meeting(chair, kind=kind, status=before)
    path = f"/meetings/{meeting_id}/{step}"
    page = browser(chair).get(path)
    assert instead in page.text
    assert '<form method="post"' not in page.text.split("<main")[1].split("</main>")[0]
    version = {"version": db.read().get_one(Meeting, meeting_id).version}
    db.end()
    refused = browser(chair).post(path, data={**version, "confirmed": "1", "text": "理由"})
    assert refused.status_code == 409
    assert status_of(meeting_id) is before
    with pytest.raises(Conflict):
        schedule_services.perform(chair.actor, MeetingAction(step), meeting_id, text="理由", confirmed=True)


@pytest.mark.parametrize("status", [S.ANNOUNCED, S.MINUTED])
def test_approving_takes_minutes_that_are_waiting(browser: Any, app: Flask, status: MeetingStatus) -> None:
    table = Table(status)
    answer = browser(table.chair).get(f"/meetings/{table.meeting_id}/approve")
    assert (answer.status_code == 200) is (status is S.MINUTED)


def test_saving_without_a_script(browser: Any, table: Table) -> None:
    chair, path = browser(table.chair), table.path(table.open_id)
    answer = send(chair, path, "一行目\n二行目", 1)
    assert answer.status_code == 302
    assert answer.location.endswith(f"/session#item-{table.open_id}")
    assert item_of(table.open_id).minutes_text == "一行目\n二行目"
    assert "一行目" in chair.get(f"/meetings/{table.meeting_id}/session").text
    assert kept(table.open_id) == [("一行目\n二行目", False)]


def test_who_may_write(browser: Any, table: Table) -> None:
    assert send(browser(table.other), table.path(table.closed_id), "当方の議題", 1).status_code == 302
    colleague = make_member(table.other.agency_id)
    assert send(browser(colleague), table.path(table.closed_id), "同僚も書く", 2).status_code == 302
    assert send(browser(table.third), table.path(table.open_id), "だめ", 1).status_code == 403
    assert send(browser(table.third), table.path(table.closed_id), "だめ", 1).status_code == 404
    assert send(browser(table.chair), table.path(table.closed_id), "だめ", 1).status_code == 404
    plain = make_member(table.chair.agency_id)
    assert send(browser(plain), table.path(table.open_id), "招集側の職員", 1).status_code == 302
    assert send(browser(make_member()), table.path(table.open_id), "だめ", 2).status_code == 404
    assert item_of(table.closed_id).minutes_text == "同僚も書く"


def test_an_item_goes_with_its_own_meeting(browser: Any, table: Table) -> None:
    elsewhere = Table()
    path = f"/meetings/{elsewhere.meeting_id}/items/{table.open_id}/minutes"
    assert browser(table.chair).get(path).status_code == 404


def test_autosave_answers_in_json(browser: Any, table: Table) -> None:
    chair, path = browser(table.chair), table.path(table.open_id)
    answer = send(chair, path, "途中まで", 1, headers=JSON)
    assert answer.status_code == 200
    assert answer.json["version"] == 2
    assert "令和" in answer.json["saved_at"]
    assert send(chair, path, "途中まで", 1, headers=JSON).json["version"] == 2, (
        "its answer was lost: sent again"
    )
    assert kept(table.open_id) == [("途中まで", False)]
    answer = send(chair, path, "あ" * 20_001, 2, headers=JSON)
    assert answer.status_code == 400
    assert "1文字多い" in answer.json["message"]
    answer = send(browser(table.third), path, "だめ", 2, headers=JSON)
    assert answer.status_code == 403
    assert answer.json["message"]


def test_of_two_writers_both_are_told_and_neither_loses(browser: Any, table: Table) -> None:
    first, second = browser(table.chair), browser(make_member(table.chair.agency_id))
    path = table.path(table.open_id)
    send(first, path, "先の文", 1)
    answer = send(second, path, "後の文", 1)
    assert answer.status_code == 409
    assert "先の文" in answer.text
    assert "後の文" in answer.text
    page = second.get(f"/meetings/{table.meeting_id}/session").text
    assert "後の文" in page, "it waits for him on the page of the meeting"
    assert "後の文" not in first.get(f"/meetings/{table.meeting_id}/session").text
    assert send(second, path, "後の文", 1).status_code == 409
    assert kept(table.open_id) == [("先の文", False), ("後の文", True)], "kept once, however often it is sent"
    settled = second.post(path + "/settle", data={"choice": "both", "version": 2})
    assert settled.status_code == 302
    assert item_of(table.open_id).minutes_text == "先の文\n\n後の文"
    assert "まだ議事録に入っていない" not in second.get(f"/meetings/{table.meeting_id}/session").text


@pytest.mark.parametrize(("choice", "stands"), [("mine", "後の文"), ("theirs", "先の文")])
def test_one_of_two_texts(browser: Any, table: Table, choice: str, stands: str) -> None:
    first, second = browser(table.chair), browser(make_member(table.chair.agency_id))
    path = table.path(table.open_id)
    send(first, path, "先の文", 1)
    answer = send(second, path, "後の文", 1, headers=JSON)
    assert answer.status_code == 409
    assert (answer.json["theirs"], answer.json["version"], answer.json["ended"]) == ("先の文", 2, False)
    assert second.post(path + "/settle", data={"choice": choice, "version": 1}).status_code == 409
    assert second.post(path + "/settle", data={"choice": choice, "version": 2}).status_code == 302
    assert item_of(table.open_id).minutes_text == stands
    assert second.post(path + "/settle", data={"choice": choice, "version": 2}).status_code == 409, "decided"
    history = first.get(path).text
    assert "先の文" in history
    assert "後の文" in history


def test_the_meeting_ended_in_the_middle_of_a_sentence(browser: Any, table: Table) -> None:
    chair, path = browser(table.chair), table.path(table.open_id)
    take_step(table.chair, table.meeting_id, A.CLOSE)
    answer = send(chair, path, "書きかけ", 1, headers=JSON)
    assert answer.status_code == 409
    assert answer.json["ended"] is True
    answer = send(chair, path, "書きかけ", 1)
    assert answer.status_code == 409
    assert "書きかけ" in answer.text
    assert kept(table.open_id) == [("書きかけ", True)]
    with pytest.raises(Conflict):
        minutes_services.settle(table.chair.actor, table.open_id, Choice.MINE, version=1)
    take_step(table.chair, table.meeting_id, A.REOPEN)
    assert chair.post(path + "/settle", data={"choice": "mine", "version": 1}).status_code == 302
    assert item_of(table.open_id).minutes_text == "書きかけ"


def test_nothing_is_written_before_or_after(app: Flask) -> None:
    early, late = Table(S.ANNOUNCED), Table(S.APPROVED)
    for one in (early, late):
        with pytest.raises(Conflict):
            minutes_services.write(one.chair.actor, one.open_id, "いまではない", version=1)
        assert item_of(one.open_id).minutes_text == ""
    table = Table()
    with pytest.raises(StaleForm):
        minutes_services.write(table.chair.actor, table.open_id, "古い版", version=9)


def test_the_history_is_for_those_who_read_the_item(browser: Any, table: Table) -> None:
    send(browser(table.other), table.path(table.closed_id), "家族の話", 1)
    assert "家族の話" in browser(table.other).get(table.path(table.closed_id)).text
    for who in (table.chair, table.third):
        assert browser(who).get(table.path(table.closed_id)).status_code == 404
    send(browser(table.chair), table.path(table.open_id), "全員に関わる話", 1)
    assert "全員に関わる話" in browser(table.third).get(table.path(table.open_id)).text


def test_putting_an_item_off_in_session(browser: Any, table: Table) -> None:
    chair = browser(table.chair)
    path = table.path(table.open_id, "put-off")
    assert browser(table.third).post(path, data={"why": "時間切れ"}).status_code == 403
    assert "理由を入力してください" in chair.post(path, data={"why": ""}).text
    send(chair, table.path(table.open_id), "途中まで話した", 1)
    assert chair.post(path, data={"why": "時間切れ"}).status_code == 302
    assert item_of(table.open_id).postponed_why == "時間切れ"
    for reader in (chair, browser(table.third)):
        page = reader.get(f"/meetings/{table.meeting_id}/minutes").text
        assert "時間切れ" in page
        assert "途中まで話した" in page
    assert chair.post(path, data={"why": "もう一度"}).status_code == 409
    assert send(chair, table.path(table.open_id), "遅れた文", 3).status_code == 409
    assert chair.post(table.path(table.open_id, "take-up")).status_code == 302
    assert item_of(table.open_id).stands


@pytest.mark.parametrize("end", ["", ".txt", ".pdf"])
def test_minutes_in_each_readers_eyes(browser: Any, table: Table, end: str) -> None:
    send(browser(table.other), table.path(table.closed_id), "家族の話", 1)
    send(browser(table.chair), table.path(table.open_id), "全員に関わる話", 1)
    path = f"/meetings/{table.meeting_id}/minutes{end}"
    for who, sees in ((table.chair, False), (table.third, False), (table.other, True)):
        answer = browser(who).get(path)
        assert answer.status_code == 200
        words = answer.text if end != ".pdf" else text_of(answer.data)
        assert ALWAYS in words
        assert "全員に関わる話" in words
        assert [word in words for word in ("家族の話", "秘密野", "閉じた議題")] == [sees] * 3
        assert "非公開の議題" not in words, "not even the coordinator's minutes tell of what is closed"
    assert browser(make_member()).get(path).status_code == 404


def text_of(pdf: bytes) -> str:
    pages = PdfReader(BytesIO(pdf)).pages
    return "".join("".join(page.extract_text().split()) for page in pages)


def test_plain_text_is_plain(browser: Any, table: Table) -> None:
    send(browser(table.chair), table.path(table.open_id), "<b>太字ではない</b>", 1)
    answer = browser(table.chair).get(f"/meetings/{table.meeting_id}/minutes.txt")
    assert answer.content_type == "text/plain; charset=utf-8"
    assert not answer.data.startswith(b"\xef\xbb\xbf")
    assert "<b>太字ではない</b>" in answer.text


def test_who_was_there_stands_in_the_minutes(browser: Any, table: Table) -> None:
    line = name_member(table.chair, table.meeting_id, table.other)
    absent = name_member(table.chair, table.meeting_id, table.third)
    roster_services.set_attendance(table.chair.actor, table.meeting_id, {line})
    text = browser(table.chair).get(f"/meetings/{table.meeting_id}/minutes.txt").text
    assert table.other.actor.name in text
    assert table.third.actor.name not in text
    assert absent


def test_a_consent_withdrawn_closes_the_minutes_too(browser: Any, app: Flask) -> None:
    chair, told = make_member(role=Role.COORDINATOR), make_member()
    meeting_id = make_meeting(chair, [told])
    person_id = make_person(chair, family="秘密野", given="見本子")
    consent_id = make_consent(chair, person_id, [told])
    item_id = make_item(chair, meeting_id, person_id=person_id, categories=[Category.BASIC])
    take_step(chair, meeting_id, A.ANNOUNCE)
    packet_services.open_packet(told.actor, meeting_id)
    take_step(chair, meeting_id, A.BEGIN)
    minutes_services.write(chair.actor, item_id, "家族の話", version=None)
    client = browser(told)
    assert "家族の話" in client.get(f"/meetings/{meeting_id}/minutes").text
    disclosures.withdraw_consent(chair.actor, consent_id)
    page = client.get(f"/meetings/{meeting_id}/minutes").text
    assert "家族の話" not in page
    assert "秘密野" not in page


def test_reading_is_logged_with_its_channel(browser: Any, table: Table) -> None:
    client = browser(table.other)
    for end in ("", ".txt", ".pdf"):
        client.get(f"/meetings/{table.meeting_id}/minutes{end}")
    bodies = db.read.scalars(
        select(AuditEntry.body).where(AuditEntry.event == "minutes:read").order_by(AuditEntry.seq)
    ).all()
    found = [re.search(r'"channel":"(\w+)"', bytes(body).decode()) for body in bodies]
    assert [one and one[1] for one in found] == ["portal", "text", "print"]


def test_corrections_after_approval(browser: Any, app: Flask) -> None:
    table = Table(S.APPROVED)
    chair, other, third = browser(table.chair), browser(table.other), browser(table.third)
    path = f"/meetings/{table.meeting_id}/minutes/amend"
    assert chair.post(path, data={"text": "日付の誤りを直す"}).status_code == 302
    assert other.post(path, data={"text": "だめ"}).status_code == 403
    assert other.post(f"{path}?item={table.closed_id}", data={"text": "家族の訂正"}).status_code == 302
    assert chair.post(f"{path}?item={table.closed_id}", data={"text": "だめ"}).status_code == 404
    assert third.post(f"{path}?item={table.open_id}", data={"text": "だめ"}).status_code == 403
    assert chair.post(f"{path}?item=nonsense", data={"text": "だめ"}).status_code == 404
    assert "入力してください" in chair.post(path, data={"text": " "}).text
    rows = db.read.execute(select(Addendum.text, Addendum.staff_id).order_by(Addendum.id)).all()
    assert [tuple(row) for row in rows] == [
        ("日付の誤りを直す", table.chair.staff_id),
        ("家族の訂正", table.other.staff_id),
    ]
    db.end()
    page = third.get(f"/meetings/{table.meeting_id}/minutes").text
    assert "日付の誤りを直す" in page
    assert table.chair.actor.name in page
    assert "家族の訂正" not in page
    assert "家族の訂正" in other.get(f"/meetings/{table.meeting_id}/minutes.txt").text
    with pytest.raises(NotAllowed):
        minutes_services.amend(table.third.actor, table.meeting_id, "だめ")


def test_a_correction_sent_twice_is_one(app: Flask) -> None:
    table = Table(S.APPROVED)
    made = {
        minutes_services.amend(table.chair.actor, table.meeting_id, "一度だけ", idempotency_key="a" * 32)
        for _ in range(2)
    }
    assert len(made) == 1
    early = Table(S.MINUTED)
    with pytest.raises(Conflict):
        minutes_services.amend(early.chair.actor, early.meeting_id, "まだ早い")


def sworn_table() -> tuple[Member, Member, Member, UUID, UUID]:
    chair, agreed, other = make_member(role=Role.COORDINATOR), make_member(), make_member()
    meeting_id = make_meeting(chair, [agreed, other], kind=MeetingKind.STATUTORY)
    for member in (chair, agreed):
        name_member(chair, meeting_id, member, agreed=True)
    person_id = make_person(chair, family="秘密野", given="見本子")
    item_id = make_item(chair, meeting_id, person_id=person_id, categories=[Category.BASIC])
    take_step(chair, meeting_id, A.ANNOUNCE)
    packet_services.open_packet(agreed.actor, meeting_id)
    take_step(chair, meeting_id, A.BEGIN)
    minutes_services.write(chair.actor, item_id, "支援会議の話", version=None)
    return chair, agreed, other, meeting_id, item_id


def test_a_support_council_is_for_the_sworn_and_closes_at_approval(browser: Any, app: Flask) -> None:
    chair, agreed, other, meeting_id, item_id = sworn_table()
    assert "支援会議の話" in browser(agreed).get(f"/meetings/{meeting_id}/minutes").text
    assert browser(other).get(f"/meetings/{meeting_id}/minutes").status_code == 403
    page = browser(other).get(f"/meetings/{meeting_id}/session").text
    assert "守秘義務の確認が必要です" in page
    assert "支援会議の話" not in page
    assert browser(other).get(f"/meetings/{meeting_id}/items/{item_id}/minutes").status_code == 404
    take_step(chair, meeting_id, A.CLOSE)
    assert "支援会議の話" in browser(agreed).get(f"/meetings/{meeting_id}/minutes").text
    take_step(chair, meeting_id, A.APPROVE)
    after = browser(agreed).get(f"/meetings/{meeting_id}/minutes").text
    assert "支援会議の話" not in after
    assert "秘密野" not in after
    assert "支援会議の話" in browser(chair).get(f"/meetings/{meeting_id}/minutes").text, "its own matter"
    packet_services.open_packet(agreed.actor, meeting_id)
    assert "支援会議の話" not in browser(agreed).get(f"/meetings/{meeting_id}/minutes").text


def test_an_unsworn_coordinator_still_takes_the_steps(browser: Any, app: Flask) -> None:
    chair, other = make_member(role=Role.COORDINATOR), make_member()
    meeting_id = make_meeting(chair, [other], kind=MeetingKind.STATUTORY)
    item_id = make_item(chair, meeting_id, title="当方の議題")
    take_step(chair, meeting_id, A.ANNOUNCE)
    client = browser(chair)
    page = client.get(f"/meetings/{meeting_id}/session").text
    assert "会議を始める" in page
    assert "当方の議題" not in page
    assert client.get(f"/meetings/{meeting_id}/begin").status_code == 200
    take_step(chair, meeting_id, A.BEGIN)
    assert client.get(f"/meetings/{meeting_id}/items/{item_id}/minutes").status_code == 404


def test_as_many_questions_for_ten_items_as_for_one(browser: Any, count_queries: Any, table: Table) -> None:
    client = browser(table.chair)
    counts = []
    for _ in range(2):
        for path in ("session", "minutes"):
            client.get(f"/meetings/{table.meeting_id}/{path}")
            with count_queries() as asked:
                client.get(f"/meetings/{table.meeting_id}/{path}")
            counts.append(len(asked))
        for _ in range(9):
            make_item(table.chair, table.meeting_id)
    assert counts[:2] == counts[2:]


@pytest.mark.both_databases
def test_the_page_of_an_item_shows_its_background_to_those_who_may_see_it(browser: Any, app: Flask) -> None:
    chair, partner, third = make_member(make_agency(), Role.COORDINATOR), make_member(), make_member()
    person = make_person(chair, family="見本", given="花子", birth=clock.today() - timedelta(days=34 * 366))
    make_consent(chair, person, [third])
    referral = make_referral(chair, partner, person_id=person, need="週に一度の見学をお願いします。")
    send_message(partner.actor, referral, "来月なら席があります。")
    about = {"person_id": person, "referral_id": referral, "categories": [Category.BASIC]}
    former = make_meeting(chair, [partner, third], starts_at=clock.now() - timedelta(days=7))
    spoken = make_item(chair, former, **about, minutes_text="前回は本人の希望を確かめた。")
    now = make_meeting(chair, [partner, third], starts_at=clock.now())
    item = make_item(chair, now, **about)
    for meeting in (former, now):
        take_step(chair, meeting, A.ANNOUNCE)
    browser(third).get(f"/meetings/{now}/packet")
    for meeting in (former, now):
        take_step(chair, meeting, A.BEGIN)
    path = f"/meetings/{now}/items/{item}/minutes"
    for reader in (chair, partner):
        page = browser(reader).get(path).text
        for shown in ("34歳", "週に一度の見学", "来月なら席が", "前回は本人の希望"):
            assert shown in page
        read = select(AuditEntry.event).where(
            AuditEntry.staff_id == reader.staff_id, AuditEntry.object_id == referral
        )
        assert AuditEvent.REFERRAL_READ in set(db.read.scalars(read))
        db.end()
    page = browser(third).get(path).text
    assert "見本" in page
    for hidden in ("週に一度の見学", "来月なら席が", "前回は本人の希望"):
        assert hidden not in page, "told of the person, and not of the referral nor of the meeting before"
    assert item_of(spoken).minutes_text


@pytest.mark.both_databases
def test_the_item_of_former_minutes_names_opens_and_approves_them(browser: Any, app: Flask) -> None:
    chair, other = make_member(make_agency(), Role.COORDINATOR), make_member()
    series = make_series(chair, [other])

    def meet(days: int) -> UUID:
        starts_at = clock.now() + timedelta(days=days)
        return make_meeting(chair, [other], series_id=series, starts_at=starts_at)

    attended, unattended, here = meet(-14), meet(-7), meet(0)
    came = name_member(chair, attended, chair)
    for meeting in (attended, unattended):
        for action in (A.ANNOUNCE, A.BEGIN, A.CLOSE):
            take_step(chair, meeting, action)
    roster_services.set_attendance(chair.actor, attended, {came})
    drafting.refresh(chair.actor, here)
    take_step(chair, here, A.ANNOUNCE)
    client = browser(chair)
    agenda = client.get(f"/meetings/{here}").text
    items = {}
    for meeting in (attended, unattended):
        found = select(AgendaItem.id).where(AgendaItem.meeting_id == here, AgendaItem.subject_id == meeting)
        items[meeting] = db.read.scalars(found).one()
        day = era_short(db.read().get_one(Meeting, meeting).starts_at)
        assert f"前回議事録の承認：週次打合せ（{day}）" in agenda, "two that wait say which"
    db.end()
    path = f"/meetings/{here}/items/{{}}/approve"
    assert client.post(path.format(items[attended])).status_code == 409, "not before it has begun"
    take_step(chair, here, A.BEGIN)
    page = client.get(f"/meetings/{here}/session").text
    assert f'href="/meetings/{attended}/minutes"' in page
    assert browser(other).post(path.format(items[attended])).status_code == 403
    assert status_of(attended) is S.MINUTED
    assert client.post(path.format(items[attended])).status_code == 302
    assert status_of(attended) is S.APPROVED
    assert "この議事録を承認した。" in client.get(f"/meetings/{here}/minutes").text
    asked = client.post(path.format(items[unattended]))
    assert asked.headers["Location"].endswith(f"/meetings/{unattended}/approve"), "nobody came: it asks"
    assert status_of(unattended) is S.MINUTED
    hand = make_item(chair, here)
    assert client.post(path.format(hand)).status_code == 409
