"""Four agencies, their people and the consents: what each may do, and an account of what must come of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
)
from sqlalchemy.exc import NoResultFound

from portal.consents.models import ConsentMethod
from portal.consents.services import ConsentTerms
from portal.core import clock
from portal.core.errors import PortalError
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.people import services as people
from portal.people.categories import Category
from portal.people.services import Basics
from tests.factories import Member, make_member
from tests.wall import oracle

START = datetime(2026, 4, 1, 0, 0, tzinfo=UTC)
NAMED = Basics(family="見本", given="花子", family_kana="みほん", given_kana="はなこ")
who = st.integers(0, 3)
# Mostly whoever it is up to, else anyone: chance alone would spend nearly all its steps on refusals.
by = st.sampled_from([None, None, None, None, 0, 1, 2, 3])
to_some = st.sets(who, min_size=1)
some_categories = st.sets(st.sampled_from(["health", "finances"])).map(lambda found: {"basic", *found})
# What the steps made, for later steps.
people_ = Bundle("people")
consents_ = Bundle("consents")
referrals_ = Bundle("referrals")
meetings_ = Bundle("meetings")
items_ = Bundle("items")


class Known(oracle.Oracle):
    """Each agency has one caseworker here, who is meant when an agency is named."""

    def __init__(self) -> None:
        super().__init__()
        self.caseworker: dict[UUID, UUID] = {}

    def is_for(self, line: oracle.Line, agency: UUID, staff: UUID | None) -> bool:
        return super().is_for(line, agency, staff or self.caseworker.get(agency))


class Town(RuleBasedStateMachine):
    """`model` is this machine's own account; the tables and the portal must agree with it after every step."""

    fresh: ClassVar[Callable[[], str]]
    verify: ClassVar[Callable[[], None]]  # that the log of all that was done is sound

    def __init__(self) -> None:
        super().__init__()
        self.table = ExitStack()
        self.rows = self.table.enter_context(oracle.reading(type(self).fresh()))
        self.now = START
        self.model = Known()
        self.named: set[UUID] = set()
        self.filed: dict[UUID, set[str]] = {}
        self.status: dict[UUID, str] = {}
        self.draft_of: dict[UUID, tuple[str, frozenset[str]]] = {}
        self.ledger: dict[str, dict[Any, Any]] = {}
        self.entries = 0

    @initialize(target=people_)
    def begin(self) -> Any:
        with clock.frozen(self.now):
            self.members: list[Member] = [make_member(role=Role.COORDINATOR) for _ in range(4)]
        self.ids = [member.agency_id for member in self.members]
        self.model.caseworker = {one.agency_id: one.staff_id for one in self.members if one.agency_id}
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
        with clock.frozen(self.now):
            type(self).verify()

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
