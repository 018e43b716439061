"""The life of one referral in a seeded world: the rows of its steps, and of the case that comes of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from portal.audit.events import AuditEvent
from portal.cases.codes import Method, Outcome, Score
from portal.disclosures.models import Basis, Channel
from portal.referrals.models import TimelineEvent
from portal.referrals.services import ACKNOWLEDGE_DAYS, RESPOND_DAYS
from portal.referrals.states import ENDED, FLOW, OPEN, ReferralAction, ReferralKind, ReferralStatus, Refusal
from portal.seed.bulk import Row, Who, dashed
from portal.seed.clients import FILED_CODES, Client, World, Yes
from portal.seed.network import CLOSINGS, GOALS, MESSAGES, NEEDS, NOTES, REASONS, Place

JOBS = {Outcome.EMPLOYED.value, Outcome.PART_TIME_JOB.value}
METHODS = tuple(method.value for method in Method)
OUTCOMES = tuple(outcome.value for outcome in Outcome)
SCORES = tuple(score.value for score in Score)


def open_case(
    world: World, client: Client, place: Place, who: Who, at: datetime, source: str | None = None
) -> None:
    bulk, random = world.bulk, world.random
    if place.id in client.cases:
        return
    key = bulk.ids.new(at)
    client.cases[place.id] = bulk.add(
        "support_case",
        id=key,
        created_at=at,
        agency_id=place.id,
        person_id=client.id,
        number=place.number("case", at),
        opened_on=at.date(),
        opened_by_id=who.staff,
        worker_id=who.staff,
        source_id=source,
    )
    bulk.record(at, AuditEvent.CASE_OPENED, "support_case", key, who, person=client.id, source=dashed(source))
    if random.random() < 0.1:
        set_goal(world, client, key, who, at)


def set_goal(world: World, client: Client, case_id: str, who: Who, at: datetime) -> None:
    bulk, random = world.bulk, world.random
    key, (domain, words) = bulk.ids.new(at), random.choice(GOALS)
    score = random.choice((None, *SCORES))
    goal: dict[str, Any] = {"domain": domain, "text": words, "review_on": None}
    scored_at = at if score else None
    bulk.add("case_goal", id=key, created_at=at, case_id=case_id, score=score, scored_at=scored_at, **goal)
    bulk.record(at, AuditEvent.CASE_UPDATED, "case_goal", key, who, person=client.id, **goal)


def note(world: World, client: Client, place: Place, who: Who, at: datetime) -> None:
    bulk, random = world.bulk, world.random
    key = bulk.ids.new(at)
    category = random.choice(FILED_CODES)
    contact: dict[str, Any] = {"method": random.choice(METHODS), "text": random.choice(NOTES)}
    bulk.add(
        "progress_note",
        id=key,
        created_at=at,
        case_id=client.cases[place.id]["id"],
        author_id=who.staff,
        held_on=at.date(),
        minutes=random.choice((20, 30, 45, 60)),
        category=category,
        **contact,
    )
    bulk.record(
        at,
        AuditEvent.NOTE_WRITTEN,
        "progress_note",
        key,
        who,
        person=client.id,
        categories=(category,),
        **contact,
    )


def note_job(world: World, client: Client, case_id: str, who: Who, at: datetime, what: str) -> None:
    """A job as a milestone of its own; the case ends with it too."""
    bulk, key = world.bulk, world.bulk.ids.new(at)
    step: dict[str, Any] = {"happened_on": at.date(), "for_employment": False, "text": ""}
    bulk.add(
        "case_milestone", id=key, created_at=at, case_id=case_id, noted_by_id=who.staff, what=what, **step
    )
    noted = {"milestone": what, "helper": None, **step}
    bulk.record(at, AuditEvent.MILESTONE_NOTED, "case_milestone", key, who, person=client.id, **noted)


def close_case(
    world: World, client: Client, place: Place, who: Who, at: datetime, *, transfer: bool = False
) -> None:
    case = client.cases.pop(place.id)
    outcome = Outcome.OTHER_SERVICE.value if transfer else world.random.choice(OUTCOMES)
    if outcome in JOBS and world.random.random() < 0.5:
        note_job(world, client, case["id"], who, at, outcome)
    words = "" if transfer else world.random.choice(CLOSINGS)
    case |= {"closed_on": at.date(), "outcome": outcome, "closing_text": words, "version": 2}
    said = {"transfer": True} if transfer else {"text": words}
    world.bulk.record(
        at,
        AuditEvent.CASE_CLOSED,
        "support_case",
        case["id"],
        who,
        person=client.id,
        outcome=outcome,
        **said,
    )


# A referral of a seeded world as rows: drafted, disclosed, numbered, and an event for all that happens to it.

A, H = ReferralAction, TimelineEvent
OPEN_CODES = {status.value for status in OPEN}


class Telling:
    """A referral that its steps write. `line` is its disclosure; `dies` is when its basis ends."""

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
        self.latest: tuple[TimelineEvent, Who, datetime] | None = None
        self.former, self.at = former, at
        self.id = self.bulk.ids.new(at)
        self.row = self.draft(at)

    @property
    def is_open(self) -> bool:
        return self.row["status"] in OPEN_CODES

    def log(self, what: AuditEvent, kind: str, key: str, who: Who, **more: Any) -> None:
        more = {"ground": self.basis} | more
        self.bulk.record(self.at, what, kind, key, who, person=self.client.id, **more)

    def happens(self, what: TimelineEvent, who: Who, *, code: str = "", text: str = "") -> Row:
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
        """Write what every step of the flow writes."""
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
        """End the disclosure of a refused or cancelled referral."""
        if not self.line["ended_at"]:
            self.line["ended_at"] = self.at
            self.log(AuditEvent.DISCLOSURE_ENDED, "disclosure", self.line["id"], who)

    def catch_up(self, at: datetime) -> None:
        """Carry the disclosure on if the consent was renewed by then."""
        again = self.yes and self.yes.renewed
        if again and self.yes and self.at <= again.given <= at and not self.line["ended_at"]:
            self.at, self.yes = again.given, again
            self.line = self.tell(again, Channel.RENEWAL)


# The life of one referral in a seeded world, step after step until it ends or today is reached.

Step = tuple[str, float, float]
RECEIVE, ACCEPT, START = ("receive", 0, 2), ("accept", 0, 4), ("start", 1, 10)
# Each step with the days that pass before it, at least and at most.
PLANS: dict[str, tuple[Step, ...]] = {
    "completed": (RECEIVE, ACCEPT, START, ("complete", 25, 200)),
    "assigned": (RECEIVE, ACCEPT, ("assign", 0, 1), START, ("complete", 25, 200)),
    "told": (RECEIVE, ACCEPT, START, ("message", 1, 9), ("reply", 0, 3), ("complete", 25, 200)),
    "held": (RECEIVE, ACCEPT, START, ("hold", 10, 60), ("start", 10, 60), ("complete", 20, 120)),
    "failed": (RECEIVE, ACCEPT, START, ("fail", 30, 150)),
    "rejected": (RECEIVE, ("reject", 0, 5)),
    "cancelled": (RECEIVE, ACCEPT, ("cancel", 2, 40)),
    "slow": (RECEIVE, ("accept", 9, 30), START, ("complete", 25, 200)),
    "wrong": (("correct", 0, 1),),
    "advised": (RECEIVE, ACCEPT, ("complete", 3, 20)),
    "unopened": (),
    "waiting": (RECEIVE,),
    "accepted": (RECEIVE, ACCEPT),
    "working": (RECEIVE, ACCEPT, START),
    "on_hold": (RECEIVE, ACCEPT, START, ("hold", 5, 20)),
}
USUAL = (
    ("completed", 42),
    ("assigned", 9),
    ("told", 9),
    ("held", 8),
    ("failed", 6),
    ("rejected", 12),
    ("cancelled", 5),
)
RARE = (("slow", 6), ("wrong", 2))
PLAN_NAMES, PLAN_WEIGHTS = zip(*USUAL, *RARE, strict=True)
# A step that continues the work needs a live basis.
NEEDS_BASIS = {action.value for action, step in FLOW.steps.items() if step.needs_basis} | {"message", "reply"}
REFUSALS = tuple(refusal.value for refusal in Refusal)
CONFIRMED = 0.97
# Readings outnumber acts many times over; few are written, so that the log stays as large as the work.
READ = 0.2
NEWS_DAYS = 10


class Path(Telling):
    """The steps that the two agencies take, each at `at`."""

    def walk(self, steps: tuple[Step, ...]) -> None:
        """Send it, then take the steps that come before today and that the basis lets through."""
        self.send()
        for name, low, high in steps:
            at = self.world.later(self.at, low, high)
            if at > self.world.now or (name in NEEDS_BASIS and self.dies and at >= self.dies):
                return
            self.catch_up(at)
            self.at = at
            getattr(self, name)()

    def settle(self) -> None:
        """Write what follows when the basis has died, and the news that the other side has not seen yet."""
        world, random = self.world, self.world.random
        self.catch_up(world.now)
        if self.dies and self.dies <= world.now and not self.line["ended_at"]:
            at = world.later(max(self.at, self.dies), 0, 15)
            if at <= world.now and random.random() < CONFIRMED:
                self.at = at
                self.confirm_stop()
                self.give_up()
        if self.latest:
            what, who, at = self.latest
            unseen = not self.row["received_at"] and what is H.SEND
            if unseen or (at > world.now - timedelta(days=NEWS_DAYS) and random.random() < 0.6):
                other = self.to.id if who.agency == self.place.id else self.place.id
                self.bulk.add("referral_news", referral_id=self.id, agency_id=other, what=what.value, at=at)

    def give_up(self) -> None:
        """End a referral on a dead basis, as nearly always somebody does."""
        at = self.world.later(self.at, 0, 6)
        if self.is_open and at <= self.world.now and self.world.random.random() < CONFIRMED:
            self.at = at
            answered = self.row["status"] != ReferralStatus.REQUESTED.value
            getattr(
                self, self.world.random.choice(("cancel", "complete", "fail") if answered else ("cancel",))
            )()

    def receive(self) -> None:
        self.row["received_at"] = self.at
        if self.world.random.random() < READ:
            self.log(AuditEvent.REFERRAL_READ, "referral", self.id, self.worker, categories=self.categories)
        self.happens(H.RECEIVED, self.worker)
        self.log(AuditEvent.REFERRAL_RECEIVED, "referral", self.id, self.worker)

    def accept(self) -> None:
        self.row["answered_at"] = self.at
        if self.kind is ReferralKind.TRANSFER:
            self.move_home()
        if self.kind is not ReferralKind.ADVICE:
            open_case(self.world, self.client, self.to, self.worker, self.at, self.id)
        self.perform(A.ACCEPT, self.worker, text=self.world.random.choice(("", MESSAGES[0])))

    def move_home(self) -> None:
        client, before = self.client, self.client.row
        after = {"home_agency_id": self.to.id, "number": self.to.number("person", self.at)}
        changes = {
            "home_agency_id": (dashed(before["home_agency_id"]), dashed(self.to.id)),
            "number": (before["number"], after["number"]),
        }
        client.row |= after | {"version": 2}
        client.home = self.to
        self.log(AuditEvent.PERSON_MOVED, "person", client.id, self.worker, ground="consent", changes=changes)
        if self.place.id in client.cases:
            close_case(self.world, client, self.place, self.worker, self.at, transfer=True)

    def reject(self) -> None:
        random = self.world.random
        self.row["answered_at"] = self.at
        self.row["refusal"] = random.choice(REFUSALS)
        self.end_line(self.worker)
        self.perform(A.REJECT, self.worker, code=self.row["refusal"], text=random.choice(REASONS))

    def assign(self) -> None:
        changes = {"worker_id": (dashed(self.row["worker_id"]), dashed(self.worker.staff))}
        self.row |= {"worker_id": self.worker.staff, "version": self.row["version"] + 1}
        self.happens(H.ASSIGNED, self.worker)
        self.log(AuditEvent.REFERRAL_ASSIGNED, "referral", self.id, self.worker, ground=None, changes=changes)

    def start(self) -> None:
        self.row["first_contact_on"] = self.at.date()
        self.perform(A.START, self.worker)
        if self.to.id in self.client.cases and self.world.random.random() < 0.15:
            note(self.world, self.client, self.to, self.worker, self.at)

    def hold(self) -> None:
        self.perform(A.HOLD, self.worker, text=REASONS[1])

    def message(self, who: Who | None = None) -> None:
        text = self.world.random.choice(MESSAGES)
        self.happens(H.MESSAGE, who or self.worker, text=text)
        self.log(AuditEvent.MESSAGE_SENT, "referral", self.id, who or self.worker, text=text)

    def reply(self) -> None:
        self.message(self.who)

    def complete(self) -> None:
        random = self.world.random
        advised = self.kind is ReferralKind.ADVICE
        self.row["outcome"] = Outcome.ADVICE_GIVEN.value if advised else random.choice(OUTCOMES)
        for goal in self.goals:
            goal["score"] = random.choice(SCORES)
            self.log(
                AuditEvent.REFERRAL_COMPLETED,
                "referral_goal",
                goal["id"],
                self.worker,
                ground=None,
                score=goal["score"],
            )
        self.perform(A.COMPLETE, self.worker, code=self.row["outcome"])
        if self.to.id in self.client.cases and random.random() < 0.7:
            close_case(self.world, self.client, self.to, self.worker, self.at)

    def fail(self) -> None:
        self.perform(A.FAIL, self.worker, text=REASONS[3])

    def cancel(self) -> None:
        self.end_line(self.who)
        self.perform(A.CANCEL, self.who, text=REASONS[1])

    def correct(self) -> None:
        self.end_line(self.who)
        self.perform(A.CORRECT, self.who, text="別の人の依頼を送ってしまいました。")

    def confirm_stop(self) -> None:
        key = self.bulk.ids.new(self.at)
        self.bulk.add(
            "stop_confirmation",
            id=key,
            created_at=self.at,
            disclosure_id=self.line["id"],
            agency_id=self.to.id,
            confirmed_by_id=self.worker.staff,
        )
        self.log(
            AuditEvent.STOP_CONFIRMED,
            "stop_confirmation",
            key,
            self.worker,
            line=dashed(self.line["id"]),
            note="",
        )
        self.happens(H.STOP_CONFIRMED, self.worker)
        self.log(AuditEvent.STOP_CONFIRMED, "referral", self.id, self.worker)
