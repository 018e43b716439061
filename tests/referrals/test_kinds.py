"""Each kind with its own steps, and what is still said after an answer: corrections, words, a place asked for again."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import select

from portal.cases import services as cases
from portal.cases.codes import Outcome
from portal.core.db import db
from portal.core.errors import Conflict, NoBasis
from portal.disclosures import services as disclosures
from portal.referrals import conversation, services
from portal.referrals.models import Referral, ReferralEvent, ReferralNews, TimelineEvent
from portal.referrals.states import ReferralAction, ReferralKind, ReferralStatus, Refusal
from tests.browsers import Browser
from tests.factories import Member, make_consent, make_member, make_person, make_referral, step
from tests.meeting_factories import make_item, make_meeting

Browsers = Callable[..., Browser]
At = Callable[[str], None]
A, K, S = ReferralAction, ReferralKind, ReferralStatus


@pytest.fixture
def sides(app: object, at: At) -> tuple[Member, Member]:
    at("2026-04-01T10:00")
    return make_member(), make_member()


def referral(key: UUID) -> Referral:
    db.end()
    return db.read.scalars(select(Referral).where(Referral.id == key)).one()


def has_case(member: Member, key: UUID) -> bool:
    person_id = referral(key).person_id
    assert member.agency_id
    found = cases.open_case_of(db.read(), member.agency_id, person_id) is not None
    db.end()
    return found


@pytest.mark.parametrize("kind", [K.JOINT_INTERVIEW, K.ADVICE])
def test_who_sits_in_or_advises_opens_a_case_only_when_wanted(
    sides: tuple[Member, Member], browser: Browsers, kind: ReferralKind
) -> None:
    ours, theirs = sides
    them = browser(theirs)
    for wants, typed in ((False, {}), (True, {"opens_case": "y"})):
        key = make_referral(ours, theirs, kind=kind)
        form = them.get(f"/referrals/{key}/accept").text
        assert 'name="opens_case"' in form
        assert 'name="meeting_at"' not in form, "a joint interview has its day already"
        answer = them.post(f"/referrals/{key}/accept", data={"version": referral(key).version, **typed})
        assert answer.status_code == 302
        assert has_case(theirs, key) is wants
        page = them.get(f"/referrals/{key}").text
        assert "支援を始める" not in page
        assert {K.JOINT_INTERVIEW: "同席を記録する", K.ADVICE: "助言を始める"}[kind] in page


def test_an_anonymous_request_offers_no_case(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    key = make_referral(ours, theirs, kind="advice", basis="anonymous")
    assert 'name="opens_case"' not in browser(theirs).get(f"/referrals/{key}/accept").text
    step(theirs, key, A.ACCEPT, opens_case=True)
    assert not has_case(theirs, key)


def test_advice_needs_no_first_contact_and_a_first_contact_is_asked_for_once(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    them = browser(theirs)
    advice = make_referral(ours, theirs, kind="advice", status=S.ACCEPTED)
    held = make_referral(ours, theirs, status=S.ON_HOLD)
    before = referral(held).first_contact_on
    for key in (advice, held):
        assert 'name="first_contact_on"' not in them.get(f"/referrals/{key}/start").text
        started = them.post(f"/referrals/{key}/start", data={"version": referral(key).version})
        assert started.status_code == 302
        assert referral(key).status is S.IN_PROGRESS
    assert referral(held).first_contact_on == before
    never = make_referral(ours, theirs, status=S.ACCEPTED)
    step(theirs, never, A.HOLD)
    assert 'name="first_contact_on"' in them.get(f"/referrals/{never}/start").text


def test_accepting_takes_a_message_and_the_first_meeting_in_one_step(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    key = make_referral(ours, theirs)
    us, them = browser(ours), browser(theirs)
    typed = {
        "text": "書類をそろえてお待ちします。",
        "meeting_place": "相談室1",
        "version": referral(key).version,
    }
    past = them.post(f"/referrals/{key}/accept", data={**typed, "meeting_at": ["令和8年3月31日", "10:00"]})
    assert "これからの日時" in past.text
    assert "書類をそろえてお待ちします。" in past.text
    no_day = them.post(f"/referrals/{key}/accept", data={**typed, "meeting_at": ["", ""]})
    assert "日時も入力してください" in no_day.text
    taken = them.post(f"/referrals/{key}/accept", data={**typed, "meeting_at": ["令和8年4月3日", "14:30"]})
    assert taken.status_code == 302
    for one in (us, them):
        page = one.get(f"/referrals/{key}").text
        assert "書類をそろえてお待ちします。" in page
        assert "令和8年4月3日" in page
        assert "初回の面談" in one.get("/").text, "it stands on Today of both"
        file = one.get(f"/referrals/{key}.ics")
        assert file.mimetype == "text/calendar"
        assert "DTSTART;TZID=Asia/Tokyo:20260403T143000" in file.text
        assert "相談室1" in file.text
        assert "見本 花子" not in file.text
    assert browser(make_member()).get(f"/referrals/{key}.ics").status_code == 404
    step(ours, key, A.CANCEL)
    assert them.get(f"/referrals/{key}.ics").status_code == 404, "what it disclosed has ended"


def test_a_joint_interview_goes_to_the_calendar(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    key = make_referral(ours, theirs, kind="joint_interview", status=S.ACCEPTED)
    assert f"/referrals/{key}.ics" in browser(theirs).get(f"/referrals/{key}").text
    assert "SUMMARY:同席" in browser(theirs).get(f"/referrals/{key}.ics").text
    draft = make_referral(ours, theirs, kind="joint_interview", status=S.DRAFT)
    assert browser(ours).get(f"/referrals/{draft}.ics").status_code == 404


def test_an_outcome_can_be_put_right_for_fourteen_days_and_the_sender_is_told(
    sides: tuple[Member, Member], browser: Browsers, at: At
) -> None:
    ours, theirs = sides
    key = make_referral(ours, theirs, status=S.IN_PROGRESS)
    us, them = browser(ours), browser(theirs)
    done = {"outcome": "employed", "text": "週3日の勤務です。", "version": referral(key).version}
    assert them.post(f"/referrals/{key}/complete", data=done).status_code == 302
    assert "週3日の勤務です。" in us.get(f"/referrals/{key}").text
    ended_at = referral(key).ended_at
    assert f"/referrals/{key}/amend" not in us.get(f"/referrals/{key}").text, "it is the recipient's to say"
    at("2026-04-15T09:00")
    them = browser(theirs)
    assert f"/referrals/{key}/amend" in them.get(f"/referrals/{key}").text
    mended = {"outcome": "part_time_job", "version": referral(key).version}
    no_reason = them.post(f"/referrals/{key}/amend", data=mended)
    assert "理由を入力してください。" in no_reason.text
    assert them.post(f"/referrals/{key}/amend", data={**mended, "text": "選びまちがい"}).status_code == 302
    stands = referral(key)
    assert (stands.status, stands.outcome, stands.ended_at) == (S.COMPLETED, Outcome.PART_TIME_JOB, ended_at)
    news = select(ReferralNews.what).where(ReferralNews.referral_id == key)
    with db.transaction() as session:
        assert (
            session.scalars(news.where(ReferralNews.agency_id == ours.agency_id)).one() is TimelineEvent.AMEND
        )
    assert "選びまちがい" in browser(ours).get(f"/referrals/{key}").text
    at("2026-04-15T10:01")
    them = browser(theirs)
    assert f"/referrals/{key}/amend" not in them.get(f"/referrals/{key}").text
    assert them.get(f"/referrals/{key}/amend").status_code == 409
    with pytest.raises(Conflict):
        step(theirs, key, A.AMEND, outcome=Outcome.OTHER)


def refused(ours: Member, theirs: Member, **more: object) -> tuple[UUID, UUID]:
    """A person and their referral that was refused for want of a place."""
    person = make_person(ours)
    consent = make_consent(ours, person, [theirs])
    key = make_referral(
        ours, theirs, person_id=person, consent_id=consent, status=S.REJECTED, need="家の前で話したい", **more
    )
    return consent, key


def test_after_a_refusal_both_sides_write_for_thirty_days_and_name_nobody(
    sides: tuple[Member, Member], browser: Browsers, at: At
) -> None:
    ours, theirs = sides
    _consent, key = refused(ours, theirs)
    at("2026-04-20T10:00")
    us, them = browser(ours), browser(theirs)
    assert "令和8年5月1日まで" in them.get(f"/referrals/{key}").text
    for one, words in ((them, "来月末に空く見込みです"), (us, "よろしくお願いします")):
        assert one.post(f"/referrals/{key}/messages", data={"text": words}).status_code == 302
    for one in (us, them):
        page = one.get(f"/referrals/{key}").text
        assert "来月末に空く見込みです" in page
        assert "よろしくお願いします" in page
    assert "家の前で話したい" not in them.get(f"/referrals/{key}").text, "what was disclosed has ended"
    assert (
        "見本"
        not in them.get(f"/referrals/{key}").text.split("<main")[1].split("経過")[0].split("見本機関")[0]
    )
    named = us.post(f"/referrals/{key}/messages", data={"text": "見本 花子さんの件"})
    assert "取り除いてください" in named.text
    at("2026-05-01T10:01")
    with pytest.raises(NoBasis):
        conversation.send_message(theirs.actor, key, "空きました")
    assert 'id="message"' not in browser(ours).get(f"/referrals/{key}").text


def test_a_withdrawal_ends_the_words_after_a_refusal(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    consent, key = refused(ours, theirs)
    conversation.send_message(ours.actor, key, "空きを待ちたいそうです")
    assert "空きを待ちたいそうです" in browser(theirs).get(f"/referrals/{key}").text
    disclosures.withdraw_consent(ours.actor, consent)
    assert "空きを待ちたいそうです" not in browser(theirs).get(f"/referrals/{key}").text
    for member in sides:
        with pytest.raises(NoBasis):
            conversation.send_message(member.actor, key, "まだ続けますか")


def test_a_place_is_asked_for_again_with_one_click(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    _consent, key = refused(ours, theirs)
    us = browser(ours)
    assert f"/referrals/{key}/again" in us.get(f"/referrals/{key}").text
    form_key = {"idempotency_key": "ab" * 16}
    once = us.post(f"/referrals/{key}/again", data=form_key)
    twice = us.post(f"/referrals/{key}/again", data=form_key)
    assert once.location == twice.location
    assert once.location.endswith("/send")
    new = referral(UUID(once.location.split("/")[2]))
    assert (new.part_of_id, new.to_agency_id, new.need) == (key, theirs.agency_id, "家の前で話したい")
    assert new.status is S.DRAFT
    assert browser(theirs).post(f"/referrals/{key}/again").status_code == 409
    other = make_referral(ours, theirs)
    services.perform(
        theirs.actor, A.REJECT, other, services.Answer(text="対象外です", refusal=Refusal.NOT_ELIGIBLE)
    )
    assert f"/referrals/{other}/again" not in us.get(f"/referrals/{other}").text
    assert us.post(f"/referrals/{other}/again").status_code == 409


def test_who_never_opened_it_has_nothing_to_report(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    person = make_person(ours)
    consent = make_consent(ours, person, [theirs])
    key = make_referral(ours, theirs, person_id=person, consent_id=consent)
    us, them = browser(ours), browser(theirs)
    assert "利用停止の報告は要りません" in us.get(f"/consents/{consent}/withdraw").text
    disclosures.withdraw_consent(ours.actor, consent)
    page = them.get(f"/referrals/{key}").text
    assert "停止</span>" in page
    assert "利用停止を報告する" not in page
    assert "相手の機関は開いていません" in us.get(f"/people/{person}/disclosures").text
    happened = select(ReferralEvent.what).where(ReferralEvent.referral_id == key)
    assert TimelineEvent.RECEIVED not in db.read.scalars(happened).all(), "there was nothing left to receive"
    db.end()
    step(theirs, key, A.REJECT)
    with pytest.raises(Conflict):
        conversation.confirm_stop(theirs.actor, key)
    assert str(key) not in them.get("/referrals/?stopped=1").text


def test_the_page_of_a_withdrawal_names_the_coming_meetings(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    person = make_person(ours)
    consent = make_consent(ours, person, [theirs])
    meeting = make_meeting(ours, [theirs], name="四月の調整会議")
    make_item(ours, meeting, person_id=person)
    page = browser(ours).get(f"/consents/{consent}/withdraw").text
    assert "四月の調整会議" in page
    assert f"/meetings/{meeting}" in page
    nobody = make_consent(ours, make_person(ours), [theirs])
    assert "四月の調整会議" not in browser(ours).get(f"/consents/{nobody}/withdraw").text
