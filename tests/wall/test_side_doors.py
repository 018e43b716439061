"""Ways around the wall that somebody could try: guessing, asking twice, joining two things they may see."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import NoResultFound

from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Invalid, PortalError
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis
from portal.disclosures.people import BasicView, Withheld
from portal.people import services as people
from portal.people.categories import Category
from portal.people.models import Person
from portal.referrals import conversation, drafts, reading
from portal.referrals.drafts import Proposal
from portal.referrals.models import FollowUpKind
from portal.referrals.queries import Filter
from portal.referrals.states import ReferralAction, ReferralKind
from tests.factories import (
    Member,
    id_of,
    make_case,
    make_consent,
    make_member,
    make_note,
    make_person,
    make_referral,
    step,
)

pytestmark = pytest.mark.both_databases

NAME = {"family": "黒柳", "given": "徹平", "family_kana": "くろやなぎ", "given_kana": "てっぺい"}


def anonymous(sender: Member, recipient: Member, person_id: object = None, **more: object) -> object:
    known = person_id or make_person(sender, **NAME)
    return make_referral(sender, recipient, kind="advice", basis=Basis.ANONYMOUS, person_id=known, **more)  # type: ignore[arg-type]


def test_a_record_handed_over_once_cannot_be_handed_over_again_by_the_former_home(app: Flask) -> None:
    a, b, c = make_member(), make_member(), make_member()
    person_id = make_person(a)
    consent_id = make_consent(a, person_id, [b, c])
    two = [make_referral(a, to, kind="transfer", person_id=person_id, consent_id=consent_id) for to in (b, c)]
    step(b, two[0], ReferralAction.ACCEPT)
    with pytest.raises(Conflict):
        step(c, two[1], ReferralAction.ACCEPT)
    home = db.read().scalars(select(Person.home_agency_id).where(Person.id == person_id)).one()
    assert home == b.agency_id


def test_the_agency_asked_anonymously_cannot_guess_the_name(app: Flask) -> None:
    """A local issue must name nobody; but checking it against a name withheld would give that name away."""
    a, b = make_member(), make_member()
    referral_id = anonymous(a, b)
    for guess in ("黒柳さんの件", "山田さんの件"):
        conversation.follow_up(b.actor, referral_id, FollowUpKind.LOCAL_ISSUE, guess)  # type: ignore[arg-type]
    with pytest.raises(Invalid):
        conversation.follow_up(a.actor, referral_id, FollowUpKind.LOCAL_ISSUE, "黒柳さんの件")  # type: ignore[arg-type]


def test_the_agency_asked_anonymously_cannot_confirm_whom_it_knows_already(app: Flask) -> None:
    a, b = make_member(), make_member()
    person_id = make_person(a, **NAME)
    make_referral(a, b, person_id=person_id)
    referral_id = anonymous(a, b, person_id)
    conversation.follow_up(b.actor, referral_id, FollowUpKind.LOCAL_ISSUE, "黒柳さんの件")  # type: ignore[arg-type]
    view, _news = reading.show(b.actor, referral_id)  # type: ignore[arg-type]
    assert view.person is None
    assert view.person_id is None
    rows = reading.page(b.actor, Filter(person_id=person_id))
    assert referral_id not in {row.id for row in rows}
    assert referral_id not in {row.id for row in reading.page(b.actor, Filter(q="黒柳"))}
    assert referral_id in {row.id for row in reading.page(a.actor, Filter(person_id=person_id))}


@pytest.mark.parametrize("hidden", ["basic", "address"])
def test_nobody_finds_out_by_guessing_in_an_anonymous_question(app: Flask, hidden: str) -> None:
    a, b, c = make_member(), make_member(), make_member()
    person_id = make_person(
        a, **NAME, protected_address=True, telephone="090-0000-1234", address="見本市かくれ町"
    )
    consent_id = make_consent(a, person_id, [b])
    make_referral(a, b, person_id=person_id, consent_id=consent_id)
    if hidden == "basic":
        disclosures.withdraw_consent(a.actor, consent_id)
        people.update_basics(a.actor, person_id, people.Basics(**NAME | {"family": "新垣"}))  # type: ignore[arg-type]
    guess = "新垣さんのこと" if hidden == "basic" else "電話は 090-0000-1234、家は見本市かくれ町"
    proposal = Proposal(
        person_id=person_id,
        to_agency_id=id_of(c),
        kind=ReferralKind.ADVICE,
        need=guess,
        basis=Basis.ANONYMOUS,
    )
    assert drafts.draft(b.actor, proposal)


def test_a_place_in_an_anonymous_question_names_nobody_either(app: Flask) -> None:
    a, b = make_member(), make_member()
    for words in ({"need": "黒柳さんのこと"}, {"appointment_place": "黒柳さんの家"}):
        with pytest.raises(Invalid):
            anonymous(a, b, **words, appointment_at=clock.now() + timedelta(days=1), status="draft")


def test_an_anonymous_question_taken_back_cannot_be_read_any_more(app: Flask) -> None:
    a, b = make_member(), make_member()
    referral_id = anonymous(a, b, anonymous_age_band="30s", need="外に出られない方のこと")
    before, _ = reading.show(b.actor, referral_id)  # type: ignore[arg-type]
    assert (before.need, before.anonymous_age_band) == ("外に出られない方のこと", "30s")
    step(a, referral_id, ReferralAction.CANCEL)  # type: ignore[arg-type]
    after, _ = reading.show(b.actor, referral_id)  # type: ignore[arg-type]
    assert after.need is Withheld.ENDED
    assert after.anonymous_age_band == ""
    assert "見本の理由" not in repr(after)


def test_a_pseudonymous_person_who_is_named_stays_unknown_to_the_agency_asked(app: Flask) -> None:
    a, b = make_member(), make_member()
    person_id = make_person(a, pseudonym="Aさん")
    referral_id = anonymous(a, b, person_id)
    people.identify(a.actor, person_id, people.Basics(**NAME), agreed="面談で")
    view, _ = reading.show(b.actor, referral_id)  # type: ignore[arg-type]
    assert view.person is None
    assert "黒柳" not in repr(view)
    assert not list(reading.page(b.actor, Filter(q="黒柳")))
    assert not list(reading.page(b.actor, Filter(q="くろやなぎ")))


def test_the_former_home_sees_only_its_own_work(app: Flask) -> None:
    a, b = make_member(), make_member()
    person_id = make_person(a, **NAME)
    case_id = make_case(a, person_id)
    make_note(a, case_id, text="前の機関の経過")
    transfer = make_referral(a, b, kind="transfer", person_id=person_id, status="accepted")
    with pytest.raises(NoResultFound):
        disclosures.show(a.actor, person_id)
    assert disclosures.show(b.actor, person_id).is_home
    view, _ = reading.show(a.actor, transfer)
    assert view.person is None
    assert "黒柳" not in repr(view)
    assert not list(reading.page(a.actor, Filter(q="黒柳")))


def test_a_name_withheld_finds_nothing(app: Flask) -> None:
    a, b = make_member(), make_member()
    person_id = make_person(a, **NAME)
    consent_id = make_consent(a, person_id, [b])
    referral_id = make_referral(a, b, person_id=person_id, consent_id=consent_id)
    found = {row.id for row in reading.page(b.actor, Filter(q="黒柳"))}
    assert found == {referral_id}
    disclosures.withdraw_consent(a.actor, consent_id)
    db.end()
    assert not reading.page(b.actor, Filter(q="黒柳"))
    assert {row.id for row in reading.page(b.actor, Filter())} == {referral_id}
    assert {row.family for row in reading.page(b.actor, Filter())} == {None}


def test_a_protected_address_is_not_told_on(app: Flask) -> None:
    a, b = make_member(), make_member()
    person_id = make_person(
        a, **NAME, protected_address=True, telephone="090-0000-1234", address="見本市かくれ町"
    )
    make_referral(a, b, person_id=person_id)
    seen = disclosures.show(b.actor, person_id)
    assert isinstance(seen.basic, BasicView)
    assert seen.basic.address is seen.basic.telephone is Withheld.PROTECTED
    assert "かくれ町" not in repr(seen)
    assert "090-0000-1234" not in repr(seen)


def test_what_one_was_not_told_cannot_be_passed_on(app: Flask) -> None:
    a, b, c = make_member(), make_member(), make_member()
    person_id = make_person(a, **NAME)
    people.update_information(a.actor, person_id, Category.HEALTH, text="見本の病歴")
    consent_id = make_consent(a, person_id, [b, c], ["basic", "health"])
    make_referral(a, b, person_id=person_id, consent_id=consent_id, categories=["basic"])
    with pytest.raises(PortalError):
        make_referral(b, c, person_id=person_id, consent_id=consent_id, categories=["basic", "health"])
    with pytest.raises(NoResultFound):
        disclosures.show(c.actor, person_id)


def test_a_consent_that_a_recipient_may_not_see_is_not_found_by_its_id(app: Flask) -> None:
    a, b = make_member(), make_member()
    person_id = make_person(a)
    consent_id = make_consent(a, person_id, [b], until=clock.today() + timedelta(days=1))
    make_referral(a, b, person_id=person_id, consent_id=consent_id)
    with pytest.raises(NoResultFound):
        disclosures.withdraw_consent(b.actor, consent_id)
