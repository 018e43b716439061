"""Referrals between the agencies of the town: drafted, sent, answered, talked about, taken back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import (
    multiple,
    rule,
)
from sqlalchemy import select

from portal.cases.codes import Outcome
from portal.core.db import db
from portal.disclosures.models import Basis
from portal.people.categories import Category
from portal.referrals import conversation, drafts
from portal.referrals.drafts import Proposal
from portal.referrals.models import Referral
from portal.referrals.services import Answer
from portal.referrals.states import ReferralAction, ReferralKind, Refusal
from portal.transfers import services as transfers
from tests.wall import oracle
from tests.wall.machine import Town, by, people_, referrals_, some_categories

# Section 5 of the design: from where, to where, whose step, and whether the basis must be alive.
STEPS = {
    "send": ({"draft"}, "requested", "sender", True),
    "accept": ({"requested"}, "accepted", "recipient", True),
    "reject": ({"requested"}, "rejected", "recipient", False),
    "start": ({"accepted", "on_hold"}, "in_progress", "recipient", True),
    "hold": ({"accepted", "in_progress"}, "on_hold", "recipient", True),
    "complete": ({"accepted", "in_progress", "on_hold"}, "completed", "recipient", False),
    "amend": ({"completed"}, "completed", "recipient", False),
    "fail": ({"accepted", "in_progress", "on_hold"}, "failed", "recipient", False),
    "cancel": ({"requested", "accepted", "in_progress", "on_hold"}, "cancelled", "either", False),
    "correct": (
        {"draft", "requested", "accepted", "in_progress", "on_hold"}
        | {"completed", "failed", "rejected", "cancelled"},
        "entered_in_error",
        "sender",
        False,
    ),
}
TAKES_BACK = {"reject", "cancel", "correct"}


class Referring(Town):
    """Adds what is done with referrals; `may_…` says when it must be refused."""

    @rule(
        target=referrals_,
        by=by,
        to=st.integers(1, 3),
        person=people_,
        kind=st.sampled_from(["referral", "transfer", "advice"]),
        anonymous=st.booleans(),
        told=some_categories,
    )
    def draft(self, by: int | None, to: int, person: UUID, kind: str, anonymous: bool, told: set[str]) -> Any:
        sender = self.one_of(by, self.model.homes[person])
        return self.write(sender, (sender + to) % 4, person, kind, anonymous, told)

    def write(
        self, sender: int, recipient: int, person: UUID, kind: str, anonymous: bool, told: set[str]
    ) -> Any:
        anonymous = anonymous and kind == "advice"
        to = self.ids[recipient]
        assert to
        proposal = Proposal(
            person_id=person,
            to_agency_id=to,
            kind=ReferralKind(kind),
            need="相談したいことがあります",
            basis=Basis.ANONYMOUS if anonymous else Basis.CONSENT,
            categories=frozenset() if anonymous else frozenset(map(Category, told)),
        )
        may = self.model.knows_of(self.ids[sender], person, self.now + timedelta(seconds=1))
        referral = self.tried(may, lambda: drafts.draft(self.members[sender].actor, proposal))
        if not may:
            return multiple()
        mine = self.ids[sender]
        assert mine
        self.model.referrals[referral] = oracle.Referral(person, mine, to, proposal.basis.value, False)
        self.status[referral] = "draft"
        self.draft_of[referral] = (kind, frozenset(c.value for c in proposal.categories))
        return referral

    def may_send(self, referral: UUID, now: datetime) -> bool:
        one = self.model.referrals[referral]
        kind, told = self.draft_of[referral]
        if one.basis == "anonymous":
            return True
        if not all(self.model.sees(one.sender, one.person, category, now) for category in told):
            return False
        if kind == "transfer" and (
            self.model.homes[one.person] != one.sender or not self.filed[one.person] <= told
        ):
            return False
        return any(
            consent.person == one.person and consent.covers(one.recipient, now) and told <= consent.categories
            for consent in self.model.consents.values()
        )

    def may_step(self, who: int, referral: UUID, action: str) -> bool:
        one, now = self.model.referrals[referral], self.now + timedelta(seconds=1)
        sources, _target, side, needs_basis = STEPS[action]
        sides = {one.sender} if side != "recipient" else set()
        if side != "sender" and one.is_sent:
            sides.add(one.recipient)
        if self.ids[who] not in sides or self.status[referral] not in sources:
            return False
        if action == "send":
            return self.may_send(referral, now)
        if action == "accept" and self.draft_of[referral][0] == "transfer":
            # What the sender no longer keeps is not the sender's to hand over.
            return self.model.homes[one.person] == one.sender and self.is_live(referral, now)
        return not needs_basis or self.is_live(referral, now)

    def is_live(self, referral: UUID, now: datetime) -> bool:
        return self.model.reads_words(self.model.referrals[referral].recipient, referral, now)

    @rule(by=by, referral=referrals_, choice=st.integers(0, 9), any_step=st.booleans())
    def step(self, by: int | None, referral: UUID, choice: int, any_step: bool) -> None:
        """Any step by anyone, or one that starts from where the referral stands."""
        one = self.model.referrals[referral]
        fitting = [each for each, step in STEPS.items() if self.status[referral] in step[0]]
        steps = list(STEPS) if any_step or not fitting else fitting
        action = steps[choice % len(steps)]
        side = one.sender if STEPS[action][2] == "sender" else one.recipient
        self.take(self.one_of(by, side), referral, action)

    def take(self, who: int, referral: UUID, action: str) -> None:
        may = self.may_step(who, referral, action)
        today = (self.now + timedelta(seconds=1)).astimezone(oracle.JAPAN).date()
        answer = Answer(
            text="理由です",
            refusal=Refusal.OTHER,
            first_contact_on=today,
            outcome=Outcome.OTHER,
        )
        actor = self.members[who].actor
        self.tried(may, lambda: transfers.perform(actor, ReferralAction(action), referral, answer))
        if not may:
            return
        one = self.model.referrals[referral]
        self.status[referral] = STEPS[action][1]
        if action == "send":
            one.is_sent = True
            chosen = db.read().scalar(select(Referral.consent_id).where(Referral.id == referral))
            one.consent = chosen
            told = set(self.draft_of[referral][1])
            self.tell(one.person, who, one.recipient, one.basis, told, chosen, referral)
        if action == "accept" and self.draft_of[referral][0] == "transfer":
            self.hand_over(referral)
        one.refused_at = None
        if self.status[referral] == "rejected":
            one.refused_at = db.read().scalar(select(Referral.answered_at).where(Referral.id == referral))
        if action in TAKES_BACK:
            for line in self.model.lines.get(one.person, []):
                line.was_ended = line.was_ended or line.source == referral

    def hand_over(self, transfer: UUID) -> None:
        """With the record goes what the former record holder had asked; what cannot go on ends."""
        moved, now = self.model.referrals[transfer], self.now + timedelta(seconds=1)
        self.model.homes[moved.person] = moved.recipient
        for each, one in self.model.referrals.items():
            if each == transfer or (one.person, one.sender) != (moved.person, moved.sender):
                continue
            if self.status[each] == "draft":
                self.status[each] = "entered_in_error"
            elif self.status[each] in STEPS["cancel"][0] and one.basis != "anonymous":
                is_transfer = self.draft_of[each][0] == "transfer"
                if one.recipient != moved.recipient and not is_transfer and self.is_live(each, now):
                    one.sender = moved.recipient
                    continue
                self.status[each] = "cancelled"
                for line in self.model.lines.get(one.person, []):
                    line.was_ended = line.was_ended or line.source == each
        for each, item in self.model.items.items():
            if (item.person, item.bringer, item.stands) == (moved.person, moved.sender, True):
                self.hand_over_item(each, item, moved.recipient)

    def hand_over_item(self, item_id: UUID, item: oracle.Item, recipient: UUID) -> None:
        """An item to come goes along where the recipient sits at the table, sworn where that is asked."""
        meeting = self.model.meetings[item.meeting]
        if meeting.status not in {"draft", "announced"} or meeting.kind == "case_study":
            return
        member = self.members[self.ids.index(recipient)]
        sworn = meeting.kind != "statutory" or member.staff_id in meeting.agreed
        if recipient in meeting.table and sworn:
            item.bringer, item.sharer = recipient, member.staff_id if item.is_shared else None
            return
        item.stands = False
        for line in self.model.lines.get(item.person or UUID(int=0), []):
            line.was_ended = line.was_ended or line.source == item_id

    @rule(by=by, referral=referrals_)
    def message(self, by: int | None, referral: UUID) -> None:
        one = self.model.referrals[referral]
        who = self.one_of(by, one.sender)
        mine = self.model.has_referral(self.ids[who], referral)
        now = self.now + timedelta(seconds=1)
        open_ = one.is_sent and self.status[referral] != "entered_in_error"
        refused_at = one.refused_at
        goes_on = refused_at is not None and now <= refused_at + timedelta(days=30)
        goes_on = goes_on and self.model.goes_on(referral, now)
        may = mine and open_ and (self.is_live(referral, now) or goes_on)
        actor = self.members[who].actor
        self.tried(may, lambda: conversation.send_message(actor, referral, "よろしくお願いします"))

    @rule(
        target=referrals_,
        by=by,
        ways=st.permutations((1, 2, 3)),
        person=people_,
        kind=st.sampled_from(["referral", "transfer"]),
        told=some_categories,
        answer=st.sampled_from(["", "accept", "accept", "accept", "reject"]),
    )
    def refer_on_a_new_consent(
        self, by: int | None, ways: tuple[int, ...], person: UUID, kind: str, told: set[str], answer: str
    ) -> Any:
        """What happens most in an office, and by chance alone would hardly happen here."""
        who = self.one_of(by, self.model.homes[person])
        recipient, other = ((who + way) % 4 for way in ways[:2])
        everything = {"basic", "health", "finances"}
        self.record(
            *(who, person, {recipient, other}, everything, 3, None),
            self.may_consent(who, person, {recipient, other}),
        )
        referral = self.write(who, recipient, person, kind, False, told)
        if isinstance(referral, UUID):
            self.take(who, referral, "send")
            if answer:
                self.take(recipient, referral, answer)
            return referral
        return multiple()

    @rule(hours=st.sampled_from([1, 24, 72]))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
