"""The wall a second time, from the words of the design alone: what the oracle knows, and how it judges."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from uuid import UUID

CATEGORIES = ("basic", "health", "work_education", "finances", "benefits", "life_history")
JAPAN = timezone(timedelta(hours=9))
# Told to one member of staff, and over for them too when it ends.
ONE_MEMBER_S = ("council", "emergency")
EVERYONE = None  # in `Consent.withdrawn`: the consent was taken back as a whole


@dataclass
class Consent:
    person: UUID
    recipients: set[UUID]
    categories: set[str]
    first_day: date
    last_day: date
    recorded_by: UUID | None = None
    withdrawn: set[UUID | None] = field(default_factory=set)
    is_replaced: bool = False

    def covers(self, agency: UUID, now: datetime) -> bool:
        today = now.astimezone(JAPAN).date()
        if agency not in self.recipients or self.is_replaced:
            return False
        if EVERYONE in self.withdrawn or agency in self.withdrawn:
            return False
        return self.first_day <= today <= self.last_day


@dataclass
class Line:
    """A line of the ledger."""

    id: UUID
    person: UUID
    teller: UUID
    told: UUID
    basis: str
    categories: set[str]
    begins: datetime
    ends: datetime | None
    consent: UUID | None = None
    source: UUID | None = None
    was_ended: bool = False
    member: UUID | None = None  # of a council: the sworn member alone; of an emergency: who opened it


@dataclass
class Referral:
    person: UUID
    sender: UUID
    recipient: UUID
    basis: str
    is_sent: bool
    consent: UUID | None = None
    refused_at: datetime | None = None


@dataclass
class Meeting:
    kind: str
    convener: UUID
    table: set[UUID]  # the agencies that are invited
    status: str = "draft"
    agreed: set[UUID] = field(default_factory=set)  # members of staff on the roster, secrecy acknowledged


@dataclass
class Item:
    """A matter on a meeting's agenda."""

    meeting: UUID
    bringer: UUID
    person: UUID | None = None
    referral: UUID | None = None
    is_shared: bool = False
    stands: bool = True
    categories: set[str] = field(default_factory=set)
    sharer: UUID | None = None  # the member of staff who shared it


@dataclass
class Oracle:
    """What every agency's caseworkers may know, worked out from what was consented, told and taken back."""

    homes: dict[UUID, UUID] = field(default_factory=dict)
    protected: set[UUID] = field(default_factory=set)
    consents: dict[UUID, Consent] = field(default_factory=dict)
    lines: dict[UUID, list[Line]] = field(default_factory=dict)  # by person
    referrals: dict[UUID, Referral] = field(default_factory=dict)
    meetings: dict[UUID, Meeting] = field(default_factory=dict)
    items: dict[UUID, Item] = field(default_factory=dict)
    excluded: set[tuple[UUID, UUID]] = field(default_factory=set)  # member of staff and person

    def is_out(self, staff: UUID | None, person: UUID | None) -> bool:
        """A conflict of interest: it beats every rule below."""
        return (staff, person) in self.excluded

    def is_alive(self, line: Line, now: datetime) -> bool:
        if line.was_ended or now < line.begins or (line.ends is not None and now >= line.ends):
            return False
        if line.basis != "consent":
            return True
        consent = self.consents.get(line.consent) if line.consent else None
        return consent is not None and consent.covers(line.told, now)

    def tells(self, line: Line, category: str, now: datetime) -> bool:
        if line.basis == "anonymous" or category not in line.categories or not self.is_alive(line, now):
            return False
        return line.basis != "consent" or category in self.consents[line.consent].categories  # type: ignore[index]

    def is_for(self, line: Line, agency: UUID, staff: UUID | None) -> bool:
        """What a council or an emergency tells is for that member alone; all else for their whole agency."""
        is_own = line.basis not in ONE_MEMBER_S or line.member == staff is not None
        return line.told == agency and is_own

    def sees(
        self, agency: UUID | None, person: UUID, category: str, now: datetime, staff: UUID | None = None
    ) -> bool:
        if agency is None or self.is_out(staff, person):
            return False
        mine = (line for line in self.lines.get(person, ()) if self.is_for(line, agency, staff))
        return self.homes[person] == agency or any(self.tells(line, category, now) for line in mine)

    def agency_sees(self, item: Item, category: str, now: datetime) -> bool:
        """What the agency that brought it may still tell, though the member who shared it was shut out since."""
        person: UUID = item.person  # type: ignore[assignment]
        mine = (line for line in self.lines.get(person, ()) if self.is_for(line, item.bringer, item.sharer))
        return self.homes[person] == item.bringer or any(self.tells(line, category, now) for line in mine)

    def knows_of(self, agency: UUID | None, person: UUID, now: datetime, staff: UUID | None = None) -> bool:
        """The person's page opens, perhaps with everything withheld. Council and emergency leave nothing."""
        if agency is None or self.is_out(staff, person):
            return False
        return self.homes[person] == agency or any(
            line.basis != "anonymous" and line.begins <= now and not line.was_ended
            for line in self.lines.get(person, ())
            if self.is_for(line, agency, staff)
            and (line.basis not in ONE_MEMBER_S or self.is_alive(line, now))
        )

    def sees_address(
        self, agency: UUID | None, person: UUID, now: datetime, staff: UUID | None = None
    ) -> bool:
        if person in self.protected and self.homes[person] != agency:
            return False
        return self.sees(agency, person, "basic", now, staff)

    def has_referral(self, agency: UUID | None, referral: UUID) -> bool:
        one = self.referrals[referral]
        return agency is not None and (one.sender == agency or (one.recipient == agency and one.is_sent))

    def reads_words(self, agency: UUID | None, referral: UUID, now: datetime) -> bool:
        """The need, the goals, and what the other side wrote."""
        if not self.has_referral(agency, referral):
            return False
        if self.referrals[referral].sender == agency:
            return True
        return any(
            line.source == referral and line.told == agency and self.is_alive(line, now)
            for line in self.lines.get(self.referrals[referral].person, ())
        )

    def goes_on(self, referral: UUID, now: datetime) -> bool:
        """It was refused, and the person still agrees that the two agencies speak."""
        one = self.referrals[referral]
        agreed = one.basis != "consent" or (
            one.consent is not None and self.consents[one.consent].covers(one.recipient, now)
        )
        return one.refused_at is not None and agreed

    def reads_line(self, agency: UUID | None, referral: UUID, written_at: datetime, now: datetime) -> bool:
        """What the other side wrote: while the words are open and, after a refusal, what came later."""
        if self.reads_words(agency, referral, now):
            return True
        refused_at = self.referrals[referral].refused_at
        is_later = refused_at is not None and written_at > refused_at
        return self.has_referral(agency, referral) and is_later and self.goes_on(referral, now)

    def knows_whom(
        self, agency: UUID | None, referral: UUID, now: datetime, staff: UUID | None = None
    ) -> bool:
        """Whom the referral is about."""
        one = self.referrals[referral]
        if not self.has_referral(agency, referral):
            return False
        known = self.knows_of(agency, one.person, now, staff)
        return known and (one.basis != "anonymous" or one.sender == agency)

    # Meetings

    def sits_at(self, agency: UUID | None, meeting: UUID) -> bool:
        """Knows that it takes place, when, where and with whom."""
        return agency is not None and agency in self.meetings[meeting].table

    def enters(self, agency: UUID | None, staff: UUID | None, meeting: UUID) -> bool:
        """Of a statutory council (支援会議) only the named and sworn are shown anything."""
        one = self.meetings[meeting]
        return self.sits_at(agency, meeting) and (one.kind != "statutory" or staff in one.agreed)

    def was_told_by(self, agency: UUID | None, staff: UUID | None, item: UUID, now: datetime) -> bool:
        one = self.items[item]
        return agency is not None and any(
            line.source == item and self.is_for(line, agency, staff) and self.tells(line, "basic", now)
            for line in self.lines.get(one.person, ())  # type: ignore[arg-type]
        )

    def is_open_to(self, agency: UUID | None, staff: UUID | None, item: UUID, now: datetime) -> bool:
        """By a basis other than a referral: nobody is recognisable, or the reader has a right to it."""
        one = self.items[item]
        if one.person is None or self.meetings[one.meeting].kind == "case_study" or one.bringer == agency:
            return True
        if one.is_shared and self.homes[one.person] == agency:
            return True
        return self.was_told_by(agency, staff, item, now)

    def has_item(self, agency: UUID | None, staff: UUID | None, item: UUID, now: datetime) -> bool:
        """The reader knows that it is on the agenda."""
        one = self.items[item]
        if not self.enters(agency, staff, one.meeting) or self.is_out(staff, one.person):
            return False
        asked = one.referral is not None and self.has_referral(agency, one.referral)
        return asked or self.is_open_to(agency, staff, item, now)

    def reads_item(self, agency: UUID | None, staff: UUID | None, item: UUID, now: datetime) -> bool:
        """Its words, its minutes and what was promised."""
        one = self.items[item]
        if not self.enters(agency, staff, one.meeting) or self.is_out(staff, one.person):
            return False
        asked = one.referral is not None and self.reads_words(agency, one.referral, now)
        return asked or self.is_open_to(agency, staff, item, now)

    def names_item(self, agency: UUID | None, staff: UUID | None, item: UUID, now: datetime) -> bool:
        """The person's name stands beside it."""
        one = self.items[item]
        if one.person is None or not self.has_item(agency, staff, item, now):
            return False
        if self.meetings[one.meeting].kind == "case_study" and one.bringer != agency:
            return False
        if one.referral is not None:
            asked = self.referrals[one.referral]
            if asked.basis == "anonymous" and asked.sender != agency:
                return False
        return self.sees(agency, one.person, "basic", now, staff)

    def opens_packet(self, agency: UUID | None, staff: UUID | None, meeting: UUID) -> bool:
        told = {"announced", "in_session", "minuted", "approved"}
        return self.meetings[meeting].status in told and self.enters(agency, staff, meeting)

    def is_due(self, agency: UUID | None, staff: UUID | None, item: UUID, now: datetime) -> set[str]:
        """The categories that opening the packet tells this reader of the item's person, who knows not already."""
        one = self.items[item]
        if one.person is None or not one.is_shared or not one.stands or one.bringer == agency:
            return set()
        if agency is None or self.homes[one.person] == agency or not self.enters(agency, staff, one.meeting):
            return set()
        if self.is_out(staff, one.person):
            return set()
        kind = self.meetings[one.meeting].kind
        if kind == "case_study":
            return set()  # of nobody in particular
        known = {c for c in one.categories if self.agency_sees(one, c, now)}
        if kind == "statutory":
            if self.meetings[one.meeting].status == "approved":
                return set()  # it is over: from the packet to the closing of the minutes, and no longer
            return known if "basic" in known else set()
        found = [
            known & consent.categories
            for consent in self.consents.values()
            if consent.person == one.person and consent.covers(agency, now)
        ]
        return max((each for each in found if "basic" in each), key=len, default=set())
