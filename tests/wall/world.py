"""The canaries' world: four agencies and a person for each thing that can become of what was told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from portal.agencies.models import AgencyKind
from portal.cases import services as cases
from portal.cases.codes import Domain, Method, Outcome
from portal.consents.models import ConsentMethod
from portal.consents.services import ConsentTerms
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis
from portal.people import services as people
from portal.people.categories import ASKED, FILED, Category, Relation
from portal.people.services import Basics
from portal.referrals import conversation
from portal.referrals.models import FollowUpKind
from portal.referrals.states import ReferralAction
from tests.factories import (
    Member,
    id_of,
    make_agency,
    make_case,
    make_consent,
    make_member,
    make_note,
    make_referral,
    make_service,
    step,
)
from tests.wall import (
    world_activities,
    world_emergency,
    world_exclusions,
    world_inspections,
    world_meetings,
)
from tests.wall.canaries import Aviary

EVERYTHING = frozenset(Category)


class World:
    """Built by the services, a month ago and since, in the order of time; `people` and `referrals` are known by what became of them."""

    def __init__(self) -> None:
        self.canaries = Aviary()
        self.people: dict[str, UUID] = {}
        self.referrals: dict[str, UUID] = {}
        self.consents: dict[str, UUID] = {}
        self.meetings: dict[str, UUID] = {}
        self.activities: list[UUID] = []
        now = clock.now()
        with clock.frozen(now - timedelta(days=30)):
            self.found_agencies()
            self.begin(now)
        world_inspections.happen(self)
        with clock.frozen(now - timedelta(days=2)):
            self.go_on()
            world_meetings.convene(self)
            world_activities.happen(self)
        world_emergency.happen(self)
        world_exclusions.happen(self)

    def found_agencies(self) -> None:
        kinds = {1: AgencyKind.EMPLOYMENT_PREPARATION}
        self.a, self.b, self.c, self.d = (
            make_member(make_agency(kind=kinds.get(n, AgencyKind.OTHER))) for n in range(4)
        )
        self.chair = make_member(self.a.agency_id, Role.COORDINATOR)
        self.members: dict[str, Member] = {
            "a": self.a,
            "b": self.b,
            "c": self.c,
            "d": self.d,
            "a's coordinator": self.chair,
            "b's coordinator": make_member(self.b.agency_id, Role.COORDINATOR),
            "a's admin": make_member(self.a.agency_id, Role.AGENCY_ADMIN),
            "b's worker who administers": make_member(self.b.agency_id, administers=True),
            "auditor": make_member(None, Role.AUDITOR),
            "system_admin": make_member(None, Role.SYSTEM_ADMIN),
        }

    # What each field holds is a word of its own.

    def named(self, **more: Any) -> Basics:
        word, kana = self.canaries.word, self.canaries.kana
        return Basics(
            **{
                "family": word(),
                "given": word(),
                "family_kana": kana(),
                "given_kana": kana(),
                "birth": self.canaries.birth(),
                "sex": word(),
                "address": word(),
                "household": word(),
                "telephone": self.canaries.telephone(),
                **more,
            }
        )

    def person(self, name: str, home: Member | None = None, **more: Any) -> UUID:
        home = home or self.a
        unnamed = {
            "pseudonym": self.canaries.word(),
            "sex": self.canaries.word(),
            "household": self.canaries.word(),
        }
        basics = Basics(**unnamed) if more.pop("unnamed", False) else self.named(**more)
        person_id = self.people[name] = people.register(home.actor, basics)
        for category in FILED:
            fields = {asked.code: self.canaries.word() for asked in ASKED[category]}
            people.update_information(
                home.actor, person_id, category, text=self.canaries.word(), fields=fields
            )
        return person_id

    def consent(
        self, name: str, *recipients: Member, told: Any = EVERYTHING, by: Member | None = None, **terms: Any
    ) -> UUID:
        word = self.canaries.word
        how = {"purpose": word(), "witness": word(), "form_version": word(), "kept_at": word()}
        given = {"given_by_name": word(), "given_by_relation": word(), "method": ConsentMethod.ORAL}
        consent_id = make_consent(by or self.a, self.people[name], recipients, told, **how | given | terms)
        self.consents[name] = consent_id
        return consent_id

    def refer(
        self, name: str, status: str = "requested", *, sender: Member | None = None, to: Member | None = None,
        told: Any = EVERYTHING, kind: str = "joint_interview", label: str = "",
    ) -> UUID:  # fmt: skip
        word = self.canaries.word
        referral_id = make_referral(
            sender or self.a,
            to or self.b,
            status=status,
            kind=kind,
            person_id=self.people[name],
            categories=told,
            consent_id=self.consents[name],
            need=word(),
            goals=((Domain.DAILY, word()), (Domain.EMPLOYMENT, word())),
            appointment_at=clock.now() + timedelta(days=40),
            appointment_place=word(),
        )
        self.referrals[label or name] = referral_id
        return referral_id

    def talk(self, referral_id: UUID, one: Member, other: Member) -> None:
        conversation.opened(other.actor, referral_id)
        for member in (one, other):
            conversation.send_message(member.actor, referral_id, self.canaries.word())
            conversation.follow_up(member.actor, referral_id, FollowUpKind.MEETING, self.canaries.word())
            conversation.follow_up(member.actor, referral_id, FollowUpKind.LOCAL_ISSUE, self.canaries.word())

    def work(self, member: Member, name: str, *, close: bool = False) -> UUID:
        """Notes, a goal, and perhaps the closing, in the case the member's agency has or opens."""
        case_id = self.case_of(member, name) or make_case(member, self.people[name])
        for category in (Category.LIFE_HISTORY, Category.HEALTH):
            make_note(member, case_id, text=self.canaries.word(), category=category, method=Method.VISIT)
        cases.set_goal(member.actor, case_id, Domain.SOCIAL, self.canaries.word())
        if close:
            cases.close_case(member.actor, case_id, outcome=Outcome.IMPROVED, text=self.canaries.word())
        return case_id

    def case_of(self, member: Member, name: str) -> UUID | None:
        found = cases.open_case_of(db.read(), id_of(member), self.people[name])
        db.end()
        return found.id if found else None

    def answer(self, **more: Any) -> dict[str, Any]:
        return {"text": self.canaries.word(), **more}

    def begin(self, now: datetime) -> None:
        """What was told, all of it alive."""
        a, b, c, d = self.a, self.b, self.c, self.d
        make_service(b)
        self.person("live", contact_prohibited=True, contact_prohibited_reason=self.canaries.word())
        self.consent("live", b, c)
        live = self.refer("live", "accepted")
        self.talk(live, a, b)
        self.work(a, "live")
        self.work(b, "live")
        step(b, live, ReferralAction.HOLD, **self.answer())
        self.ask_anonymously("live", c, "live, asked about")
        self.refer("live", "draft", to=c, label="draft")

        self.person("protected", protected_address=True)
        self.consent("protected", b, told={"basic", "finances"})
        self.refer("protected", told={"basic", "finances"})

        for name in ("withdrawn", "partly", "expired", "renewed", "refused", "taken back", "mistaken"):
            self.person(name)
            until = clock.japan_date(now) - timedelta(days=1) if name == "expired" else None
            self.consent(name, b, c, until=until)
            self.talk(self.refer(name), a, b)
        for name in ("withdrawn", "partly"):
            self.refer(name, to=c, label=f"{name}, to c")
        step(b, self.referrals["withdrawn"], ReferralAction.ACCEPT)
        self.work(b, "withdrawn", close=True)

        self.person("handed over")
        self.work(a, "handed over")
        self.consent("handed over", b, c)
        self.refer("handed over", to=c, label="before the hand-over", told={"basic", "health"})
        self.refer("handed over", kind="transfer")

        self.person("parent")
        self.consent("parent", b)
        self.refer("parent")
        self.person("child", unnamed=True)
        people.tie_family(a.actor, self.people["parent"], self.people["child"], Relation.CHILD)
        self.talk(self.ask_anonymously("child", b, "child"), a, b)
        self.person("to be named", unnamed=True)
        self.talk(self.ask_anonymously("to be named", b, "to be named"), a, b)

        self.person("passed on")
        self.consent("passed on", b, c)
        self.refer("passed on", "accepted", told={"basic", "benefits"})
        self.refer("passed on", sender=b, to=c, told={"basic"}, label="passed on by b")
        self.consent("passed on", c, told={"basic"}, by=b)

        self.person("not ours", d)
        self.work(d, "not ours")

    def ask_anonymously(self, name: str, to: Member, label: str) -> UUID:
        word = self.canaries.word
        referral_id = make_referral(
            self.a,
            to,
            kind="advice",
            basis=Basis.ANONYMOUS,
            person_id=self.people[name],
            need=word(),
            goals=((Domain.SOCIAL, word()),),
            anonymous_age_band="30-34",
        )
        self.referrals[label] = referral_id
        return referral_id

    def go_on(self) -> None:
        """What became of it."""
        a, b = self.a, self.b
        disclosures.withdraw_consent(a.actor, self.consents["withdrawn"], reason=self.canaries.word())
        conversation.confirm_stop(b.actor, self.referrals["withdrawn"], note=self.canaries.word())
        disclosures.withdraw_consent(
            a.actor, self.consents["partly"], recipients=[id_of(b)], reason=self.canaries.word()
        )
        self.renew("renewed", b, told={"basic", "health"})
        for name, member, action in (
            ("refused", b, ReferralAction.REJECT),
            ("taken back", a, ReferralAction.CANCEL),
            ("mistaken", a, ReferralAction.CORRECT),
        ):
            step(member, self.referrals[name], action, **self.answer())
        step(b, self.referrals["handed over"], ReferralAction.ACCEPT)
        self.work(b, "handed over")
        people.identify(a.actor, self.people["to be named"], self.named(), agreed="面談で本人が同意した")

    def renew(self, name: str, *recipients: Member, told: Any) -> None:
        word = self.canaries.word
        today = clock.today()
        terms = ConsentTerms(
            recipients=frozenset(id_of(one) for one in recipients),
            categories=frozenset(map(Category, told)),
            valid_from=today,
            valid_until=today + timedelta(days=90),
            method=ConsentMethod.WRITTEN,
            purpose=word(),
        )
        self.consents[name] = disclosures.record_consent(
            self.a.actor, self.people[name], terms, replaces=self.consents[name]
        )
