"""Four agencies doing anything in any order, with their own account of what must come of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from sqlalchemy import select
from sqlalchemy.exc import NoResultFound

from portal import clock
from portal.cases.codes import Outcome
from portal.consents.models import ConsentMethod
from portal.consents.services import ConsentTerms
from portal.db import db
from portal.disclosures import services as disclosures
from portal.disclosures import wall
from portal.disclosures.models import Basis
from portal.disclosures.person_view import BasicView, Withheld
from portal.disclosures.queries import lives_for
from portal.errors import PortalError
from portal.people import services as people
from portal.people.categories import Category
from portal.people.models import Person
from portal.people.services import Basics
from portal.referrals import conversation, drafts, queries, reading, services
from portal.referrals.drafts import Proposal
from portal.referrals.models import Referral
from portal.referrals.services import Answer
from portal.referrals.states import ReferralAction, ReferralKind, Refusal
from tests.factories import Member, make_member
from tests.wall import oracle

# Section 5 of the design: from where, to where, whose step, and whether the basis must be alive.
STEPS = {
    "send": ({"draft"}, "requested", "sender", True),
    "accept": ({"requested"}, "accepted", "recipient", True),
    "reject": ({"requested"}, "rejected", "recipient", False),
    "start": ({"accepted", "on_hold"}, "in_progress", "recipient", True),
    "hold": ({"accepted", "in_progress"}, "on_hold", "recipient", True),
    "complete": ({"accepted", "in_progress", "on_hold"}, "completed", "recipient", False),
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
START = datetime(2026, 4, 1, 0, 0, tzinfo=UTC)
NAMED = Basics(family="見本", given="花子", family_kana="みほん", given_kana="はなこ")
KEPT = {
    "disclosure": "id, person_id, from_agency_id, to_agency_id, basis, consent_id, source_id, starts_at, ends_at,"
    " ended_at",
    "consent": "id, person_id, agency_id, purpose, valid_from, valid_until, replaces_id",
    "withdrawal": "id, consent_id, recipient_id, withdrawn_at, reason",
    "referral_event": "id, referral_id, agency_id, what, text",
}
# Built once, as the pages do: the reader and the moment are bound each time.
PEOPLE = select(
    Person.id,
    wall.present(wall.READER, wall.NOW).label("knows"),
    *(wall.sees(wall.READER, Category(c), wall.NOW).label(c) for c in oracle.CATEGORIES),
)
REFERRALS = select(Referral.id, lives_for(Referral.id, Referral.to_agency_id, wall.NOW).label("live")).where(
    queries.visible_to(wall.READER)
)
who = st.integers(0, 3)
# Mostly whoever it is up to, else anyone: chance alone would spend nearly all its steps on refusals.
by = st.sampled_from([None, None, None, None, 0, 1, 2, 3])
to_some = st.sets(who, min_size=1)
some_categories = st.sets(st.sampled_from(["health", "finances"])).map(lambda found: {"basic", *found})


class Agencies(RuleBasedStateMachine):
    """`model` is this machine's own account; the tables and the portal must agree with it after every step."""

    fresh: ClassVar[Callable[[], str]]

    people_ = Bundle("people")
    consents_ = Bundle("consents")
    referrals_ = Bundle("referrals")

    def __init__(self) -> None:
        super().__init__()
        self.table = ExitStack()
        self.rows = self.table.enter_context(oracle.reading(type(self).fresh()))
        self.now = START
        self.model = oracle.Oracle()
        self.named: set[UUID] = set()
        self.filed: dict[UUID, set[str]] = {}
        self.status: dict[UUID, str] = {}
        self.draft_of: dict[UUID, tuple[str, frozenset[str]]] = {}
        self.ledger: dict[str, dict[Any, Any]] = {}
        self.entries = 0

    @initialize(target=people_)
    def begin(self) -> Any:
        with clock.frozen(self.now):
            self.members: list[Member] = [make_member() for _ in range(4)]
        self.ids = [member.agency_id for member in self.members]
        return multiple(self.register(0, True, False), self.register(1, True, True))

    def one_of(self, by: int | None, rightful: UUID | None) -> int:
        return self.ids.index(rightful) if by is None else by

    # How an act is tried: it succeeds exactly when the model says it may.

    def tried(self, expected: bool, act: Callable[[], Any]) -> Any:
        self.now += timedelta(seconds=1)
        before = self.count("audit_entry")
        with clock.frozen(self.now):
            if expected:
                done = act()
                assert self.count("audit_entry") > before, "done without an entry"
                return done
            with pytest.raises((PortalError, NoResultFound)):
                act()
        assert self.count("audit_entry") == before
        return None

    def teardown(self) -> None:
        self.table.close()

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - our own word

    # People

    @precondition(lambda self: len(self.model.homes) < 4)
    @rule(target=people_, who=who, named=st.sampled_from([True, False]), protected=st.booleans())
    def register(self, who: int, named: bool, protected: bool) -> UUID:
        basics = {"protected_address": protected, "address": "見本市1-1", "telephone": "090-0000-0000"}
        name = {} if not named else {n: getattr(NAMED, n) for n in NAMED.__slots__ if getattr(NAMED, n)}
        whole = Basics(**basics | (name or {"pseudonym": "Aさん"}))  # type: ignore[arg-type]
        person: UUID = self.tried(True, lambda: people.register(self.members[who].actor, whole))
        home = self.ids[who]
        assert home
        self.model.homes[person] = home
        self.filed[person] = set()
        if named:
            self.named.add(person)
        if protected:
            self.model.protected.add(person)
        return person

    @rule(by=by, person=people_, category=st.sampled_from(["health", "finances"]))
    def tell_information(self, by: int | None, person: UUID, category: str) -> None:
        who = self.one_of(by, self.model.homes[person])
        may = self.model.homes[person] == self.ids[who]
        text = f"記録 {self.now.isoformat()}"
        act = people.update_information
        self.tried(may, lambda: act(self.members[who].actor, person, Category(category), text=text))
        if may:
            self.filed[person].add(category)

    @rule(by=by, person=people_)
    def identify(self, by: int | None, person: UUID) -> None:
        who = self.one_of(by, self.model.homes[person])
        may = self.model.homes[person] == self.ids[who] and person not in self.named
        act = people.identify
        self.tried(may, lambda: act(self.members[who].actor, person, NAMED, agreed="面談で同意した"))
        if may:
            self.named.add(person)
            self.model.protected.discard(person)

    # Consents

    def may_consent(self, who: int, person: UUID, recipients: set[int]) -> bool:
        sees = self.model.sees(self.ids[who], person, "basic", self.now + timedelta(seconds=1))
        return sees and person in self.named and bool(recipients) and who not in recipients

    def record(
        self, who: int, person: UUID, to: set[int], told: set[str], days: int, old: UUID | None, may: bool
    ) -> Any:
        today = oracle.day((self.now + timedelta(seconds=1)).astimezone(oracle.JAPAN).date())
        recipients = {self.ids[one] for one in to}
        terms = ConsentTerms(
            recipients=frozenset(one for one in recipients if one),
            categories=frozenset(map(Category, told)),
            valid_from=today,
            valid_until=today + timedelta(days=days),
            method=ConsentMethod.WRITTEN,
            purpose="支援の調整",
        )
        act = disclosures.record_consent
        consent = self.tried(may, lambda: act(self.members[who].actor, person, terms, replaces=old))
        if not may:
            return multiple()
        lines = [line for line in self.model.lines.get(person, []) if old and line.consent == old]
        lines = [line for line in lines if self.model.is_alive(line, self.now)]
        self.model.consents[consent] = oracle.Consent(
            person, set(terms.recipients), set(told), today, terms.valid_until, self.ids[who]
        )
        if old:
            self.model.consents[old].is_replaced = True
        for line in lines:
            if line.told in terms.recipients and line.categories & told:
                self.tell(
                    line.person, who, line.told, "consent", line.categories & told, consent, line.source
                )
        return consent

    def tell(
        self,
        person: UUID,
        who: int,
        to: UUID,
        basis: str,
        told: set[str],
        consent: UUID | None,
        source: UUID | None,
    ) -> None:
        teller = self.ids[who]
        assert teller
        ends = None
        if consent:
            last = self.model.consents[consent].last_day + timedelta(days=1)
            ends = datetime.combine(last, datetime.min.time(), oracle.JAPAN)
        line = oracle.Line(uuid4(), person, teller, to, basis, set(told), self.now, ends, consent, source)
        self.model.lines.setdefault(person, []).append(line)

    @rule(
        target=consents_,
        by=by,
        person=people_,
        to=to_some,
        told=some_categories,
        days=st.integers(0, 5),
    )
    def consent(self, by: int | None, person: UUID, to: set[int], told: set[str], days: int) -> Any:
        who = self.one_of(by, self.model.homes[person])
        to = to - {who} if by is None else to
        return self.record(who, person, to, told, days, None, self.may_consent(who, person, to))

    @rule(
        target=consents_,
        by=by,
        old=consents_,
        to=to_some,
        told=some_categories,
        days=st.integers(0, 5),
    )
    def renew(self, by: int | None, old: UUID, to: set[int], told: set[str], days: int) -> Any:
        consent = self.model.consents[old]
        who = self.one_of(by, consent.recorded_by)
        to = to - {who} if by is None else to
        mine = self.ids[who] in {consent.recorded_by, self.model.homes[consent.person]}
        may = mine and not consent.is_replaced and self.may_consent(who, consent.person, to)
        return self.record(who, consent.person, to, told, days, old, may)

    @rule(by=by, consent=consents_, to=st.sets(who))
    def withdraw(self, by: int | None, consent: UUID, to: set[int]) -> None:
        one = self.model.consents[consent]
        who = self.one_of(by, self.model.homes[one.person])
        to = {each for each in to if by is not None or self.ids[each] in one.recipients}
        named = {found for each in to if (found := self.ids[each])}
        mine = self.ids[who] in {one.recorded_by, self.model.homes[one.person]}
        done = oracle.EVERYONE in one.withdrawn or (bool(named) and named <= one.withdrawn)
        # Of a consent that was renewed it is the newer one that tells, and that is to be withdrawn.
        may = mine and named <= one.recipients and not done and not one.is_replaced
        act = disclosures.withdraw_consent
        self.tried(may, lambda: act(self.members[who].actor, consent, recipients=named))
        if may:
            # The last of the recipients taken out is the whole consent taken back.
            whole = not named or one.recipients <= one.withdrawn | named
            one.withdrawn |= {oracle.EVERYONE} if whole else named

    # Referrals

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

    @rule(by=by, referral=referrals_, choice=st.integers(0, 8), any_step=st.booleans())
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
        self.tried(may, lambda: services.perform(actor, ReferralAction(action), referral, answer))
        if not may:
            return
        one = self.model.referrals[referral]
        self.status[referral] = STEPS[action][1]
        if action == "send":
            one.is_sent = True
            chosen = db.read().scalar(select(Referral.consent_id).where(Referral.id == referral))
            told = set(self.draft_of[referral][1])
            self.tell(one.person, who, one.recipient, one.basis, told, chosen, referral)
        if action == "accept" and self.draft_of[referral][0] == "transfer":
            self.model.homes[one.person] = one.recipient
        if action in TAKES_BACK:
            for line in self.model.lines.get(one.person, []):
                line.was_ended = line.was_ended or line.source == referral

    @rule(by=by, referral=referrals_)
    def message(self, by: int | None, referral: UUID) -> None:
        one = self.model.referrals[referral]
        who = self.one_of(by, one.sender)
        mine = self.model.has_referral(self.ids[who], referral)
        now = self.now + timedelta(seconds=1)
        open_ = one.is_sent and self.status[referral] != "entered_in_error"
        may = mine and open_ and self.is_live(referral, now)
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

    # What is shown

    @rule(who=who, person=people_)
    def look_at_person(self, who: int, person: UUID) -> None:
        me, now = self.ids[who], self.now + timedelta(seconds=1)
        may = self.model.knows_of(me, person, now)
        view = self.tried(may, lambda: disclosures.show(self.members[who].actor, person))
        if not may:
            return
        shown = {category.value for category in view.visible_categories}
        assert shown == {c for c in oracle.CATEGORIES if self.model.sees(me, person, c, now)}
        if isinstance(view.basic, BasicView):
            open_ = self.model.sees_address(me, person, now)
            assert (view.basic.address is not Withheld.PROTECTED) == open_
            assert (view.basic.telephone is not Withheld.PROTECTED) == open_

    @rule(who=who, referral=referrals_)
    def look_at_referral(self, who: int, referral: UUID) -> None:
        me, now = self.ids[who], self.now + timedelta(seconds=1)
        may = self.model.has_referral(me, referral)
        found = self.tried(may, lambda: reading.show(self.members[who].actor, referral))
        if not may:
            return
        view, _news = found
        readable = self.model.reads_words(me, referral, now)
        assert (view.need is not Withheld.ENDED) == readable
        theirs = [line for line in view.timeline if not line.mine and line.text]
        assert all((line.text is not Withheld.ENDED) == readable for line in theirs)
        assert (view.person is not None) == self.model.knows_whom(me, referral, now)

    # What holds after every step

    @invariant()
    def the_wall_stands(self) -> None:
        if not hasattr(self, "ids"):
            return
        tables = oracle.learn(self.rows)
        db.end()
        for member, me in zip(self.members, self.ids, strict=True):
            self.people_are_as_they_should(member, me, tables)
            self.referrals_are_as_they_should(member, me, tables)
        db.end()

    def people_are_as_they_should(self, member: Member, me: UUID | None, tables: oracle.Oracle) -> None:
        rows = {row.id: row for row in db.read().execute(PEOPLE, wall.bound(member.actor, self.now))}
        assert rows.keys() == self.model.homes.keys()
        for person, category in product(rows, oracle.CATEGORIES):
            said = self.model.sees(me, person, category, self.now)
            assert bool(getattr(rows[person], category)) == said
            assert tables.sees(me, person, category, self.now) == said
        for person, row in rows.items():
            said = self.model.knows_of(me, person, self.now)
            assert bool(row.knows) == said == tables.knows_of(me, person, self.now)

    def referrals_are_as_they_should(self, member: Member, me: UUID | None, tables: oracle.Oracle) -> None:
        mine = db.read().execute(REFERRALS, wall.bound(member.actor, self.now))
        rows = {row.id: row.live for row in mine}
        for referral in self.model.referrals:
            assert (referral in rows) == self.model.has_referral(me, referral)
            assert (referral in rows) == tables.has_referral(me, referral)
            if referral in rows:
                assert bool(rows[referral]) == self.is_live(referral, self.now)
            now = self.now
            assert self.model.reads_words(me, referral, now) == tables.reads_words(me, referral, now)

    @invariant()
    def nothing_is_forgotten(self) -> None:
        """Lines of the ledger, consents and withdrawals stay as they were written; a line may only end."""
        for table, columns in KEPT.items():
            found = {row[0]: row for row in self.rows(f"SELECT {columns} FROM {table}")}  # noqa: S608
            for row_id, before in self.ledger.get(table, {}).items():
                now = found[row_id]
                if table == "disclosure" and before[-1] is None:
                    before, now = before[:-1], now[:-1]
                assert now == before
            self.ledger[table] = found
        entries, last, head = self.rows(
            "SELECT count(*), coalesce(max(seq), 0), (SELECT seq FROM audit_head) FROM audit_entry"
        )[0]
        assert entries == last == head >= self.entries
        self.entries = entries
