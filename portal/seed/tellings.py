"""A referral of a seeded world as rows: drafted, told, numbered, and a line for everything that happens to it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from portal.audit.events import AuditEvent
from portal.disclosures.models import Basis, Channel
from portal.referrals.models import Happening
from portal.referrals.services import ACKNOWLEDGE_DAYS, RESPOND_DAYS
from portal.referrals.states import ENDED, FLOW, OPEN, ReferralAction, ReferralKind
from portal.seed.bulk import Row, Who, dashed
from portal.seed.clients import Client, World, Yes
from portal.seed.invented import GOALS, NEEDS
from portal.seed.network import Place

A, H = ReferralAction, Happening
OPEN_CODES = {status.value for status in OPEN}


class Telling:
    """A referral on its way: what every step of it writes. `line` is what it told; `dies` is when its basis ends."""

    def __init__(
        self,
        world: World,
        client: Client,
        sender: tuple[Place, Who],
        recipient: Place,
        yes: Yes | None,
        kind: ReferralKind,
        at: datetime,
        former: Telling | None = None,
    ) -> None:
        self.world, self.bulk, self.client, self.yes, self.kind = world, world.bulk, client, yes, kind
        (self.place, self.who), self.to = sender, recipient
        self.worker: Who = world.random.choice(recipient.staff)
        self.basis = (Basis.CONSENT if yes else Basis.ANONYMOUS).value
        self.categories = list(yes.categories) if yes else []
        self.dies = yes.last.dies_for(recipient) if yes else None
        self.goals: list[Row] = []
        self.line: Row = {}
        self.latest: tuple[Happening, Who, datetime] | None = None
        self.former, self.at = former, at
        self.id = self.bulk.ids.new(at)
        self.row = self.draft(at)

    @property
    def is_open(self) -> bool:
        return self.row["status"] in OPEN_CODES

    def log(self, what: AuditEvent, kind: str, key: str, who: Who, **more: Any) -> None:
        more = {"ground": self.basis} | more
        self.bulk.record(self.at, what, kind, key, who, person=self.client.id, **more)

    def happens(self, what: Happening, who: Who, *, code: str = "", text: str = "") -> Row:
        if what not in {H.DRAFTED, H.ASSIGNED, H.REROUTED}:
            self.latest = (what, who, self.at)
        return self.bulk.add(
            "referral_event",
            id=self.bulk.ids.new(self.at),
            created_at=self.at,
            referral_id=self.id,
            agency_id=who.agency,
            staff_id=who.staff,
            what=what.value,
            code=code,
            text=text,
        )

    def draft(self, at: datetime) -> Row:
        random, need = self.world.random, self.world.random.choice(NEEDS)
        row: Row = self.bulk.add(
            "referral",
            id=self.id,
            created_at=at,
            listed_at=at,
            person_id=self.client.id,
            from_agency_id=self.place.id,
            to_agency_id=self.to.id,
            service_id=random.choice((None, *self.to.services)),
            created_by_id=self.who.staff,
            kind=self.kind.value,
            basis=self.basis,
            consent_id=self.yes.id if self.yes else None,
            need=need,
            anonymous_age_band="" if self.yes else self.client.row["age_band"] or "30-34",
            part_of_id=self.former.id if self.former else None,
        )
        if self.kind is ReferralKind.JOINT_INTERVIEW:
            row |= {"appointment_at": at + timedelta(days=7), "appointment_place": "相談室1"}
        for category in self.categories:
            self.bulk.add("referral_category", referral_id=self.id, category=category)
        for domain, text in random.sample(GOALS, random.choice((0, 0, 1))):
            key = self.bulk.ids.new(at)
            goal = {"referral_id": self.id, "domain": domain, "text": text}
            self.goals.append(self.bulk.add("referral_goal", id=key, created_at=at, **goal))
            self.log(AuditEvent.REFERRAL_EDITED, "referral_goal", key, self.who, ground=None)
        key = f"{random.getrandbits(128):032x}"
        self.bulk.add("form_key", staff_id=self.who.staff, key=key, made_id=self.id, created_at=at)
        self.happens(H.DRAFTED, self.who)
        self.log(
            AuditEvent.REFERRAL_DRAFTED, "referral", self.id, self.who, categories=self.categories, need=need
        )
        return row

    def perform(self, action: ReferralAction, who: Who, *, code: str = "", text: str = "") -> None:
        """What every step of the flow writes."""
        step, before = FLOW[action], self.row["status"]
        self.row |= {"status": step.target.value, "version": self.row["version"] + 1}
        if text:
            self.row["reason"] = text
        if step.target in ENDED:
            self.row["ended_at"] = self.at
        self.happens(H(action.value), who, code=code, text=text)
        self.log(
            step.event,
            "referral",
            self.id,
            who,
            before=before,
            after=step.target,
            reason=text,
            refusal=code if action is A.REJECT else None,
            outcome=code if action is A.COMPLETE else None,
            worker=None,
        )

    def send(self) -> None:
        self.at += timedelta(minutes=self.world.random.randrange(1, 15))
        deadline, day = self.world.network.calendar.deadline, self.at.date()
        self.row |= {
            "number": self.place.number("referral", self.at),
            "sent_at": self.at,
            "listed_at": self.at,
            "acknowledge_by": deadline(self.to, day, ACKNOWLEDGE_DAYS),
            "respond_by": deadline(self.to, day, RESPOND_DAYS),
        }
        channel = Channel.TRANSFER if self.kind is ReferralKind.TRANSFER else Channel.REFERRAL
        self.line = self.tell(self.yes, channel)
        if self.former:
            at, self.former.at = self.former.at, self.at
            self.former.happens(H.REROUTED, self.who)["sequel_id"] = self.id
            self.former.at = at
        self.perform(A.SEND, self.who)

    def tell(self, yes: Yes | None, channel: Channel) -> Row:
        key = self.bulk.ids.new(self.at)
        line: Row = self.bulk.add(
            "disclosure",
            id=key,
            created_at=self.at,
            person_id=self.client.id,
            from_agency_id=self.place.id,
            to_agency_id=self.to.id,
            made_by_id=self.who.staff,
            basis=self.basis,
            consent_id=yes.id if yes else None,
            channel=channel.value,
            source_id=self.id,
            starts_at=self.at,
            ends_at=yes.ends if yes else None,
        )
        for category in self.categories:
            self.bulk.add("disclosure_category", disclosure_id=key, category=category)
        self.log(
            AuditEvent.DISCLOSURE_MADE,
            "disclosure",
            key,
            self.who,
            categories=self.categories,
            channel=channel.value,
            fact={
                "from": dashed(self.place.id),
                "to": dashed(self.to.id),
                "member": None,
                "consent": dashed(line["consent_id"]),
                "source": dashed(self.id),
            },
        )
        return line

    def end_line(self, who: Who) -> None:
        """Refused or taken back: what was told may not be read any longer."""
        if not self.line["ended_at"]:
            self.line["ended_at"] = self.at
            self.log(AuditEvent.DISCLOSURE_ENDED, "disclosure", self.line["id"], who)

    def catch_up(self, at: datetime) -> None:
        """By then the consent may have been given anew: what was told on it carries on in another line."""
        again = self.yes and self.yes.renewed
        if again and self.yes and self.at <= again.given <= at and not self.line["ended_at"]:
            self.at, self.yes = again.given, again
            self.line = self.tell(again, Channel.RENEWAL)
