"""A refusal leaves a trace: who was denied what, about whom, on which missing ground, and no text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.accounts.models import Invitation
from portal.audit import refusing
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Lack, NoBasis, PortalError
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.disclosures.models import Disclosure
from portal.exclusions.models import Exclusion
from portal.inspections import names
from portal.inspections.models import NameOpening
from portal.meetings.agenda.models import AgendaItem
from portal.people import services as people
from portal.people.categories import Category
from portal.referrals import services
from portal.referrals.models import Referral, ReferralEvent
from portal.referrals.states import ReferralAction, ReferralStatus
from tests.audit import denied
from tests.browsers import Browser
from tests.factories import Member, make_agency, make_consent, make_member, make_person, make_referral
from tests.meeting_factories import make_meeting
from tests.referrals.typed import proposal
from tests.words import words_of

Visit = Callable[..., Browser]
At = Callable[..., None]


@pytest.fixture
def sender(app: Flask) -> Member:
    return make_member(make_agency(name="送る機関", short_name="送"))


@pytest.fixture
def recipient(app: Flask) -> Member:
    return make_member(make_agency(name="受ける機関", short_name="受"))


@pytest.fixture(autouse=True)
def _verified(app: Flask, tmp_path: Path, at: At) -> Iterator[None]:
    """Whatever was refused, the log verifies afterwards; by the clock to which the test went on."""
    with denied.sound(app, tmp_path):
        yield


def referral(referral_id: UUID) -> Referral:
    db.end()
    return db.read().get_one(Referral, referral_id)


def how_many(table: type) -> int:
    db.end()
    return db.read().execute(select(func.count()).select_from(table)).scalar_one()


# Handing a person over without their consent.

Spoil = Callable[[Member, Member, UUID, UUID | None, At], None]


def never(*_given: Any) -> None:
    """The draft waits for a consent that was never given."""


def expire(_ours: Member, _theirs: Member, _person: UUID, _consent: UUID | None, at: At) -> None:
    at(clock.now() + timedelta(days=30))


def withdraw(ours: Member, _theirs: Member, _person: UUID, consent: UUID | None, _at: At) -> None:
    disclosures.withdraw_consent(ours.actor, consent, reason="本人の申し出")  # type: ignore[arg-type]


def take_out(ours: Member, theirs: Member, _person: UUID, consent: UUID | None, _at: At) -> None:
    disclosures.withdraw_consent(ours.actor, consent, recipients=[theirs.agency_id])  # type: ignore


def name_another(ours: Member, _theirs: Member, person: UUID, _consent: UUID | None, _at: At) -> None:
    make_consent(ours, person, [make_agency()])


STATES: list[tuple[str, bool, Spoil, Lack]] = [
    ("none", False, never, Lack.CONSENT),
    ("expired", True, expire, Lack.EXPIRED),
    ("withdrawn", True, withdraw, Lack.WITHDRAWN),
    ("withdrawn for one", True, take_out, Lack.WITHDRAWN),
    ("for another agency", False, name_another, Lack.RECIPIENT),
]


@pytest.mark.parametrize(("name", "given", "spoil", "lack"), STATES, ids=[state[0] for state in STATES])
@pytest.mark.parametrize("how", ["looked at", "sent"])
def test_a_hand_over_for_want_of_consent(
    browser: Visit, at: At, sender: Member, recipient: Member, name: str, given: bool, spoil: Spoil, lack: Lack, how: str
) -> None:  # fmt: skip
    person = make_person(sender)
    others = [recipient, make_agency()]
    consent = make_consent(sender, person, others, until=clock.today() + timedelta(days=7)) if given else None
    draft = make_referral(sender, recipient, status="draft", person_id=person, consent_id=consent)
    spoil(sender, recipient, person, consent, at)
    visit, before, told = browser(sender), denied.length(), how_many(Disclosure)
    page = f"/referrals/{draft}/send"
    answer = visit.get(page) if how == "looked at" else visit.post(page, data={"version": "1"})
    assert answer.status_code == (200 if how == "looked at" else 409)
    assert "このままでは送れません" in answer.text
    entry = denied.one_of(
        denied.since(before), by=sender, lack=lack, about=("referral", draft), person=person
    )
    assert entry["categories"] == ["basic"]
    assert entry["channel"] == ("get" if how == "looked at" else "post")
    assert referral(draft).status is ReferralStatus.DRAFT
    assert how_many(Disclosure) == told


def test_each_refusal_is_noted_and_a_hand_over_that_goes_through_is_none(
    browser: Visit, sender: Member, recipient: Member
) -> None:
    person = make_person(sender)
    draft = make_referral(sender, recipient, status="draft", person_id=person, consent_id=None)
    visit, before = browser(sender), denied.length()
    for _ in range(3):
        visit.post(f"/referrals/{draft}/send", data={"version": "1"})
    assert len(denied.since(before)) == 3
    make_consent(sender, person, [recipient])
    before = denied.length()
    assert visit.get(f"/referrals/{draft}/send").status_code == 200
    assert visit.post(f"/referrals/{draft}/send", data={"version": "1"}).status_code == 302
    assert denied.since(before) == []


def test_a_category_to_which_nobody_agreed_and_one_that_was_never_told(
    browser: Visit, sender: Member, recipient: Member
) -> None:
    person = make_person(sender)
    people.update_information(sender.actor, person, Category.HEALTH, text="見本の病名")
    make_consent(sender, person, [recipient], ["basic"])
    wide = make_referral(
        sender, recipient, status="draft", person_id=person, consent_id=None, categories=["basic", "health"]
    )
    before = denied.length()
    assert browser(sender).post(f"/referrals/{wide}/send", data={"version": "1"}).status_code == 409
    entry = denied.one_of(
        denied.since(before), by=sender, lack=Lack.CATEGORY, about=("referral", wide), person=person
    )
    assert entry["categories"] == ["health"]

    third = make_member()
    make_referral(sender, recipient, status="accepted", person_id=person, consent_id=None)
    make_consent(sender, person, [third, recipient], ["basic", "health"])
    onward = make_referral(
        recipient, third, status="draft", person_id=person, consent_id=None, categories=["basic", "health"]
    )
    before = denied.length()
    assert browser(recipient).post(f"/referrals/{onward}/send", data={"version": "1"}).status_code == 409
    entry = denied.one_of(
        denied.since(before), by=recipient, lack=Lack.UNTOLD, about=("referral", onward), person=person
    )
    assert entry["categories"] == ["health"]


def test_a_transfer_of_what_another_agency_keeps(browser: Visit, sender: Member, recipient: Member) -> None:
    person = make_person(sender)
    make_referral(sender, recipient, status="accepted", person_id=person)
    third = make_member()
    make_consent(sender, person, [third])
    onward = make_referral(
        recipient, third, status="draft", kind="transfer", person_id=person, consent_id=None
    )
    before = denied.length()
    assert browser(recipient).post(f"/referrals/{onward}/send", data={"version": "1"}).status_code == 409
    denied.one_of(
        denied.since(before), by=recipient, lack=Lack.NOT_KEPT, about=("referral", onward), person=person
    )


def test_steps_and_messages_after_the_basis_has_ended(
    browser: Visit, sender: Member, recipient: Member
) -> None:
    person = make_person(sender)
    consent = make_consent(sender, person, [recipient])
    sent = make_referral(sender, recipient, person_id=person, consent_id=consent)
    disclosures.withdraw_consent(sender.actor, consent)
    visit, before = browser(recipient), denied.length()
    answer = visit.post(f"/referrals/{sent}/accept", data={"version": "2"})
    assert answer.status_code == 409
    denied.one_of(
        denied.since(before), by=recipient, lack=Lack.WITHDRAWN, about=("referral", sent), person=person
    )
    before = denied.length()
    assert visit.get(f"/referrals/{sent}/accept").status_code == 409
    denied.one_of(
        denied.since(before), by=recipient, lack=Lack.ENDED, about=("referral", sent), person=person
    )
    before, lines = denied.length(), how_many(ReferralEvent)
    answer = visit.post(f"/referrals/{sent}/messages", data={"text": "見本の連絡文"})
    denied.one_of(
        denied.since(before), by=recipient, lack=Lack.WITHDRAWN, about=("referral", sent), person=person
    )
    assert how_many(ReferralEvent) == lines
    assert referral(sent).status is ReferralStatus.REQUESTED


def test_outside_a_request_the_error_knows_what_was_lacking_and_may_be_noted(
    sender: Member, recipient: Member
) -> None:
    """A script has no door: the act is refused as ever, and whoever runs it notes it by the same means."""
    person = make_person(sender)
    draft = make_referral(sender, recipient, status="draft", person_id=person, consent_id=None)
    before = denied.length()
    with pytest.raises(NoBasis) as caught:
        services.perform(sender.actor, ReferralAction.SEND, draft)
    assert denied.since(before) == []
    refusing.note(caught.value, actor=sender.actor, asked=(None, None), channel="command")
    entry = denied.one_of(
        denied.since(before), by=sender, lack=Lack.CONSENT, about=("referral", draft), person=person
    )
    assert entry["channel"] == "command"
    before = denied.length()
    refusing.note(PortalError("押し間違い"), actor=sender.actor, asked=("referral", draft))
    assert denied.length() == before


def test_an_anonymous_request_that_names_somebody(browser: Visit, sender: Member, recipient: Member) -> None:
    person = make_person(sender, family="灯台", given="守子", family_kana="とうだい", given_kana="もりこ")
    before = denied.length()
    typed = proposal(
        person, recipient, kind="advice", basis="anonymous", categories=[], need="灯台 守子さんのこと"
    )
    assert browser(sender).post("/referrals/new", data=typed).status_code == 400
    denied.one_of(denied.since(before), by=sender, lack=Lack.NAMED, person=person)
    assert how_many(Referral) == 0


def test_an_item_shared_without_consent_at_a_council(
    browser: Visit, sender: Member, recipient: Member
) -> None:
    chair = make_member(sender.agency_id, Role.COORDINATOR)
    person = make_person(sender)
    meeting = make_meeting(chair, [recipient], kind="coordination")
    before, items = denied.length(), how_many(AgendaItem)
    typed = {
        "kind": "plan_check",
        "title": "",
        "text": "見本の説明",
        "minutes": "10",
        "presenter": str(chair.agency_id),
        "shared": "y",
        "categories": ["basic"],
        "person": str(person),
    }
    answer = browser(chair).post(f"/meetings/{meeting}/items/new?person={person}", data=typed)
    assert "参加機関のどこにも、本人の同意がありません" in answer.text
    denied.one_of(denied.since(before), by=chair, lack=Lack.CONSENT, person=person)
    assert how_many(AgendaItem) == items


# An id in the query or the form rather than in the address.


def test_an_id_in_the_query_or_the_form(browser: Visit, sender: Member, recipient: Member) -> None:
    """What is hidden and what does not exist answer with the same bytes, and are noted as they were asked for."""
    chair = make_member(recipient.agency_id, Role.COORDINATOR)
    hidden, foreign = make_person(sender), make_referral(sender, make_member())
    meeting = make_meeting(chair, [])
    visit = browser(chair)
    typed = {name: value for name, value in proposal(hidden, sender).items() if name != "person"}
    for method, address, name, one, data in (
        ("GET", "/referrals/new?person={}", "referrals.new", hidden, None),
        ("GET", "/referrals/new?part_of={}", "referrals.new", foreign, None),
        ("POST", "/referrals/new", "referrals.new", hidden, typed),
        ("GET", f"/meetings/{meeting}/items/new?person={{}}", "meetings.item_new", hidden, None),
        ("GET", f"/meetings/{meeting}/items/new?referral={{}}", "meetings.item_new", foreign, None),
        ("GET", "/activities/new?series={}", "activities.new", uuid4(), None),
    ):
        answers = []
        for asked in (one, uuid4()):
            before = denied.length()
            sent = {**data, "person": str(asked)} if data else None
            answer = visit.open(address.format(asked), method=method, data=sent)
            assert answer.status_code == 404, address
            answers.append(answer.text.replace(str(asked), ""))
            denied.one_of(denied.since(before), by=chair, lack=Lack.HIDDEN, about=(name, asked))
        assert answers[0] == answers[1]
    before = denied.length()
    assert visit.get("/referrals/new?person=nonsense").status_code == 404
    assert visit.get("/no/such/page").status_code == 404
    assert denied.since(before) == []


def test_an_id_that_no_list_had_offered(browser: Visit, sender: Member, recipient: Member) -> None:
    person = make_person(sender)
    relative = make_person(recipient)
    visit = browser(sender)
    for address, data, name, hidden in (
        ("/referrals/new", proposal(person, recipient), "to", make_agency(is_active=False).id),
        (f"/people/{person}/family/new", {"q": "", "relation": "child"}, "relative", relative),
        (
            f"/exclusions/people/{person}/new",
            {"conflict": "relative", "reason": "見本"},
            "staff",
            recipient.staff_id,
        ),
    ):
        answers = []
        for asked in (hidden, uuid4()):
            before = denied.length()
            answer = visit.post(address, data={**data, name: str(asked)})
            assert answer.status_code in {200, 400, 404}, (address, answer.status_code)
            answers.append((answer.status_code, words_of(answer)))
            entry = denied.one_of(denied.since(before), by=sender, lack=Lack.NOT_OFFERED)
            assert entry["object"][1] == str(asked)
        assert answers[0] == answers[1]
    assert how_many(Referral) == how_many(Exclusion) == 0


def test_a_role_that_is_not_ones_to_give(browser: Visit, sender: Member) -> None:
    boss = make_member(sender.agency_id, Role.AGENCY_ADMIN)
    visit, before = browser(boss), denied.length()
    answer = visit.post(
        "/accounts/invite", data={"name": "新人", "email": "new@example.jp", "role": "auditor"}
    )
    assert answer.status_code == 200, answer.status_code
    denied.one_of(denied.since(before), by=boss, lack=Lack.PERMISSION)
    assert how_many(Invitation) == 0


def test_what_is_only_mistyped_is_no_refusal(browser: Visit, sender: Member, recipient: Member) -> None:
    person, visit = make_person(sender), browser(sender)
    before = denied.length()
    for more in (
        {"need": ""},
        {"to": ""},
        {"to": "nonsense"},
        {"kind": "gift"},
        {"categories": ["basic", "secret"]},
    ):
        assert visit.post("/referrals/new", data=proposal(person, recipient, **more)).status_code in {
            200,
            400,
        }
    assert denied.since(before) == []


def test_a_page_that_is_not_for_ones_role(browser: Visit, sender: Member) -> None:
    before = denied.length()
    assert browser(sender).get("/audit/").status_code == 403
    denied.one_of(denied.since(before), by=sender, lack=Lack.PERMISSION, about=("audit.index", None))


# Names that the auditor does not get to see.


def test_a_name_that_was_not_opened(browser: Visit, sender: Member) -> None:
    auditor = make_member(role=Role.AUDITOR)
    person = make_person(sender, family="灯台", given="守子")
    visit = browser(auditor)
    for typed in ({"reason": "", "is_needed": "y"}, {"reason": " 　\u200b"}):
        before = denied.length()
        assert visit.post(f"/audit/people/{person}/name", data=typed).status_code == 200
        denied.one_of(
            denied.since(before), by=auditor, lack=Lack.REASON, about=("person", person), person=person
        )
    before = denied.length()
    visit.post(f"/audit/people/{person}/name", data={"reason": "申立てのため"})  # the tick is missing: a slip
    assert denied.since(before) == []
    assert browser(sender).post(f"/audit/people/{person}/name", data={"reason": "見たい"}).status_code == 403
    denied.one_of(denied.since(before), by=sender, lack=Lack.PERMISSION, about=("audit.open_name", person))
    with pytest.raises(PortalError) as caught:
        names.open_name(auditor.actor, person, " ")
    assert caught.value.lack is Lack.REASON
    assert how_many(NameOpening) == 0


# What the auditor sees of it.


def test_the_auditor_reads_it_in_words(browser: Visit, sender: Member, recipient: Member) -> None:
    auditor = make_member(role=Role.AUDITOR)
    person = make_person(sender)
    consent = make_consent(sender, person, [recipient])
    draft = make_referral(sender, recipient, status="draft", person_id=person, consent_id=consent)
    disclosures.withdraw_consent(sender.actor, consent)
    browser(sender).post(f"/referrals/{draft}/send", data={"version": "1"})
    reader = browser(auditor)
    for page in (
        f"/audit/referrals/{draft}",
        f"/audit/people/{person}",
        "/audit/?event=access:refused",
        "/audit/?outcome=deny",
        "/audit/?ground=consent-withdrawn",
    ):
        words = words_of(reader.get(page))
        assert "閲覧または操作を拒否" in words, page
        assert "同意が撤回済み" in words, page
    assert "閲覧または操作を拒否 拒否" not in words_of(reader.get("/audit/?ground=no-consent"))


def test_honest_work_that_waits_for_a_consent_is_nothing_to_watch(
    browser: Visit, sender: Member, recipient: Member, at: Callable[..., None]
) -> None:
    # By day: at night every reading is listed.
    at(datetime.combine(clock.today() + timedelta(days=1), time(14), clock.JAPAN))
    auditor = make_member(role=Role.AUDITOR)
    person, strange = make_person(sender), make_person(recipient)
    draft = make_referral(sender, recipient, status="draft", person_id=person, consent_id=None)
    visit, reader = browser(sender), browser(auditor)
    for _ in range(15):
        visit.get(f"/referrals/{draft}/send")
    assert sender.actor.name not in words_of(reader.get("/audit/watch/"))
    for _ in range(15):
        visit.get(f"/referrals/new?person={strange}")
    listed = words_of(reader.get("/audit/watch/"))
    assert sender.actor.name in listed
    assert "見られない記録を何度も開こうとした" in listed
