"""The life of one referral in a seeded world, step after step until it ends or today is reached."""

from __future__ import annotations

from datetime import timedelta

from portal.audit.events import AuditEvent
from portal.cases.codes import Outcome
from portal.referrals.states import FLOW, ReferralKind, ReferralStatus, Refusal
from portal.seed.bulk import Who, dashed
from portal.seed.casework import OUTCOMES, SCORES, close_case, note, open_case
from portal.seed.invented import MESSAGES, REASONS
from portal.seed.tellings import A, H, Telling

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
# A step that only one who goes on with the work takes: it needs a live basis.
NEEDS_BASIS = {action.value for action, step in FLOW.steps.items() if step.needs_basis} | {"message", "reply"}
REFUSALS = tuple(refusal.value for refusal in Refusal)
CONFIRMED = 0.97
# Readings outnumber acts many times over; so few are written that the log stays the size of the work.
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
        """What follows when the basis has died, and what the other side has not seen yet."""
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
        """Open on a dead basis: nearly always somebody ends it."""
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
