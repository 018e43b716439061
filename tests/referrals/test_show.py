"""One referral's page: the receipt, messages, who looks after it, and what the page costs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from portal.audit.models import AuditEntry
from portal.cases.codes import Domain
from portal.core.db import db
from portal.core.policy import Role
from portal.people import services as people
from portal.people.categories import Category
from portal.referrals import conversation
from portal.referrals.models import Referral, ReferralEvent, TimelineEvent
from portal.referrals.states import ReferralStatus
from tests.browsers import Browser
from tests.factories import Member, make_consent, make_member, make_person, make_referral

Browsers = Callable[..., Browser]
Counting = Callable[[], AbstractContextManager[list[str]]]
S = ReferralStatus
TOLD = ["basic", "health", "finances"]


@pytest.fixture
def sides(app: object) -> tuple[Member, Member]:
    return make_member(), make_member()


def referral(key: UUID) -> Referral:
    db.end()
    found = db.read.scalars(select(Referral).where(Referral.id == key)).one()
    db.end()
    return found


def happened(key: UUID) -> list[TimelineEvent]:
    db.end()
    statement = select(ReferralEvent.what).where(ReferralEvent.referral_id == key).order_by(ReferralEvent.id)
    found = list(db.read.scalars(statement))
    db.end()
    return found


def test_the_first_look_of_the_recipient_is_the_receipt(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    key = make_referral(ours, theirs)
    us, them = browser(ours), browser(theirs)
    us.get(f"/referrals/{key}")
    assert referral(key).received_at is None
    for _time in range(3):
        assert "受け取りました（初めて開きました）" in them.get(f"/referrals/{key}").text
    browser(make_member(theirs.agency_id)).get(f"/referrals/{key}")
    assert happened(key).count(TimelineEvent.RECEIVED) == 1
    assert referral(key).version == 2  # a look makes nobody's form stale


def test_opening_the_sheet_or_a_form_first_is_a_receipt_too(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    them = browser(theirs)
    for path in ("/sheet", "/sheet.pdf", "/reject"):
        key = make_referral(ours, theirs)
        assert them.get(f"/referrals/{key}{path}").status_code == 200
        assert referral(key).received_at
        assert happened(key).count(TimelineEvent.RECEIVED) == 1


def test_messages_go_both_ways_and_nowhere_else(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    key = make_referral(ours, theirs)
    us, them = browser(ours), browser(theirs)
    sent = us.post(f"/referrals/{key}/messages", data={"text": "明日の\n午前は いかがですか"})
    assert sent.location == f"/referrals/{key}#timeline"
    assert "明日の\n午前は いかがですか" in them.get(f"/referrals/{key}").text
    them.post(f"/referrals/{key}/messages", data={"text": "大丈夫です"})
    assert "大丈夫です" in us.get(f"/referrals/{key}").text
    empty = us.post(f"/referrals/{key}/messages", data={"text": " 　\n"})
    assert "連絡の内容を入力してください。" in empty.text
    long = us.post(f"/referrals/{key}/messages", data={"text": "長" * 4001})
    assert "1文字多いです" in long.text
    assert "長" * 4001 in long.text
    assert happened(key).count(TimelineEvent.MESSAGE) == 2


def test_a_draft_and_an_error_take_no_messages(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    us = browser(ours)
    for status in (S.DRAFT, S.ENTERED_IN_ERROR):
        key = make_referral(ours, theirs, status=status)
        assert 'id="message"' not in us.get(f"/referrals/{key}").text
        refused = us.post(f"/referrals/{key}/messages", data={"text": "届きますか"})
        assert refused.status_code == 409
        assert "届きますか" in refused.text


def test_the_recipient_says_who_looks_after_it(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    colleague = make_member(theirs.agency_id, name="見本 次郎")
    admin = make_member(theirs.agency_id, Role.AGENCY_ADMIN, name="管理 三郎")
    key = make_referral(ours, theirs)
    us, them = browser(ours), browser(theirs)
    page = them.get(f"/referrals/{key}").text
    assert "見本 次郎" in page
    assert admin.actor.name not in page
    form = {"worker": str(colleague.staff_id), "version": referral(key).version}
    assert them.post(f"/referrals/{key}/worker", data=form).status_code == 302
    assert "担当：見本 次郎" in us.get(f"/referrals/{key}").text
    stale = them.post(f"/referrals/{key}/worker", data={"worker": "", "version": form["version"]})
    assert stale.status_code == 409
    assert referral(key).worker_id == colleague.staff_id
    foreign = {"worker": str(ours.staff_id), "version": referral(key).version}
    assert "一覧から選んでください。" in them.post(f"/referrals/{key}/worker", data=foreign).text
    assert 'name="worker"' not in us.get(f"/referrals/{key}").text


def test_a_person_not_to_be_contacted_is_marked_on_both_sides(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    person = make_person(ours, contact_prohibited=True, contact_prohibited_reason="父に知られたくない")
    make_consent(ours, person, [theirs])
    key = make_referral(ours, theirs, person_id=person, consent_id=None)
    for member in sides:
        for path in ("", "/sheet", "/cancel"):
            page = browser(member).get(f"/referrals/{key}{path}").text
            assert "連絡禁止" in page
            assert "父に知られたくない" in page
    assert "連絡禁止" in browser(theirs).get(f"/referrals/{key}/accept").text


def busy(ours: Member, theirs: Member, messages: int) -> UUID:
    person = make_person(ours)
    for category in (Category.HEALTH, Category.FINANCES):
        people.update_information(ours.actor, person, category, text=f"{category.word}の記載")
    consent = make_consent(ours, person, [theirs], TOLD)
    key = make_referral(
        ours,
        theirs,
        person_id=person,
        consent_id=consent,
        categories=TOLD,
        status=S.IN_PROGRESS,
        goals=((Domain.DAILY, "朝に起きる"), (Domain.SOCIAL, "外に出る")),
    )
    for number in range(messages):
        side = ours if number % 2 else theirs
        conversation.send_message(side.actor, key, f"連絡 {number}")
    return key


def test_the_page_costs_the_same_however_much_happened(
    sides: tuple[Member, Member], browser: Browsers, count_queries: Counting
) -> None:
    ours, theirs = sides
    for member in sides:
        one = browser(member)
        costs = []
        for messages in (0, 20):
            key = busy(ours, theirs, messages)
            one.get(f"/referrals/{key}")
            with count_queries() as asked:
                page = one.get(f"/referrals/{key}")
            assert page.text.count('<p class="timeline-words">') >= messages
            costs.append(len(asked))
        assert costs[0] == costs[1] <= 13, costs


def test_every_status_costs_at_most_thirteen_questions(
    sides: tuple[Member, Member], browser: Browsers, count_queries: Counting
) -> None:
    ours, theirs = sides
    pages = {member: browser(member) for member in sides}
    for status in S:
        key = make_referral(ours, theirs, status=status)
        for member, one in pages.items():
            if status is S.DRAFT and member is theirs:
                continue
            one.get(f"/referrals/{key}")
            with count_queries() as asked:
                assert one.get(f"/referrals/{key}").status_code == 200
            assert len(asked) <= 13, status  # one asks for the banner of an emergency access


def test_a_reading_is_logged_with_its_categories_and_no_names(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    key = busy(ours, theirs, 0)
    browser(theirs).get(f"/referrals/{key}")
    db.end()
    statement = select(AuditEntry).where(AuditEntry.event == "referral:read", AuditEntry.object_id == key)
    entry = db.read.scalars(statement.order_by(AuditEntry.seq.desc())).first()
    db.end()
    assert entry
    assert entry.staff_id == theirs.staff_id
    body = entry.body.decode()
    assert '"categories":["basic","finances","health"]' in body
    assert '"ground":"consent"' in body
    assert "見本" not in body


def test_what_a_stranger_tries_is_logged_as_refused(app: object, browser: Browsers) -> None:
    stranger = make_member()
    key = uuid4()
    browser(stranger).get(f"/referrals/{key}")
    db.end()
    statement = select(AuditEntry).where(AuditEntry.object_id == key)
    entry = db.read.scalars(statement).one()
    db.end()
    assert '"outcome":"deny"' in entry.body.decode()


NEXT = {
    S.REJECTED: (("part_of=", "kind=meeting", "kind=local_issue"), ()),
    S.FAILED: (("part_of=", "kind=meeting", "kind=local_issue"), ("kind=meeting", "kind=local_issue")),
    S.CANCELLED: (("part_of=", "kind=meeting", "kind=local_issue"), ("kind=meeting",)),
    S.ON_HOLD: (("/cancel",), ("支援を再開する", "/start", "/complete", "/fail")),
    S.REQUESTED: (("/cancel",), ("/accept", "/reject")),
    S.ACCEPTED: (("/cancel",), ("/start", "/complete", "/hold", "/fail")),
    S.IN_PROGRESS: (("/cancel",), ("/complete", "/hold", "/fail")),
    S.COMPLETED: (("/correct",), ("/amend",)),
    S.DRAFT: (("/send", "/edit", "/correct"), None),
}


def test_every_state_offers_what_can_be_done_next(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    pages = [browser(member) for member in sides]
    for status, expected in NEXT.items():
        key = make_referral(ours, theirs, status=status)
        for one, links in zip(pages, expected, strict=True):
            if links is None:
                continue
            page = one.get(f"/referrals/{key}").text
            card = page[page.index("次にすること") : page.index("</section>", page.index("次にすること"))]
            assert [link for link in links if link not in card] == [], status
            for target in {part.split('"')[0] for part in card.split('href="')[1:]}:
                if target.startswith("/"):
                    assert one.get(target.replace("&amp;", "&")).status_code == 200, target


def test_each_side_reads_on_its_own_ground(sides: tuple[Member, Member], browser: Browsers) -> None:
    """Whoever keeps the record reads as such, whatever was agreed about telling others."""
    ours, theirs = sides
    key = make_referral(ours, theirs)
    for member, ground in ((ours, "home"), (theirs, "consent")):
        browser(member).get(f"/referrals/{key}")
        db.end()
        newest = select(AuditEntry.ground).where(
            AuditEntry.event == "referral:read", AuditEntry.staff_id == member.staff_id
        )
        assert db.read.scalars(newest.order_by(AuditEntry.seq.desc())).first() == ground
