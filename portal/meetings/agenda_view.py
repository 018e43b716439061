"""MeetingView and ItemView: the only shapes in which meetings and their agendas reach a page or a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from portal.disclosures.briefs import Brief
from portal.disclosures.models import Basis
from portal.meetings.states import (
    BASIS_OF,
    COMING,
    HELD,
    OPENED,
    ItemKind,
    MeetingKind,
    MeetingStatus,
    Source,
)
from portal.people.categories import Category
from portal.policy import Actor, Permission, can
from portal.referrals.states import ReferralKind, ReferralStatus


@dataclass(frozen=True, slots=True)
class MeetingView:
    """A meeting as a member of the table sees it. `members` are the agencies by id; the convener is among them."""

    id: UUID
    series_id: UUID | None
    slot: date | None
    convener_id: UUID
    convener_name: str
    kind: MeetingKind
    name: str
    starts_at: datetime
    minutes: int
    place: str
    link: str
    presenter_agency_id: UUID
    status: MeetingStatus
    announced_at: datetime | None
    begun_at: datetime | None
    closed_at: datetime | None
    approved_at: datetime | None
    cancelled_why: str
    version: int
    is_named: bool  # the reader stands on the roster
    is_sworn: bool
    members: Mapping[UUID, str]

    @property
    def basis(self) -> Basis:
        return BASIS_OF[self.kind]

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.minutes)

    @property
    def is_coming(self) -> bool:
        return self.status in COMING

    @property
    def is_open(self) -> bool:
        """Its packet may be opened."""
        return self.status in OPENED

    @property
    def is_held(self) -> bool:
        return self.status in HELD

    @property
    def needs_oath(self) -> bool:
        """Of a 支援会議, nothing is shown before the reader has acknowledged his duty of secrecy."""
        return self.kind is MeetingKind.STATUTORY and not self.is_sworn

    def is_arranged_by(self, actor: Actor) -> bool:
        return can(actor, Permission.MEETING_ARRANGE, self)


@dataclass(frozen=True, slots=True)
class ReferralGlance:
    """The referral of an item, for its two sides."""

    id: UUID
    number: str
    kind: ReferralKind
    status: ReferralStatus
    from_name: str
    to_name: str


@dataclass(frozen=True, slots=True)
class ItemView:
    """An agenda item in one reader's eyes.

    `is_hidden`: a closed item (非公開の議題), shown to who arranges the agenda with its presenter and minutes and
    nothing else; everything below `version` is then empty. `is_readable`: its words and minutes may be read.
    `brief` is the person where he may be named. `number` counts what this reader sees.
    """

    id: UUID
    number: int
    is_hidden: bool
    presenter_agency_id: UUID
    presenter_name: str
    minutes: int
    position: int
    version: int
    kind: ItemKind | None = None
    source: Source | None = None
    reason_on: date | None = None
    reason_count: int = 0
    is_readable: bool = False
    is_own: bool = False
    brought_by_id: UUID | None = None
    brought_by_name: str = ""
    shared: bool = False
    categories: Sequence[Category] = ()
    title: str = ""
    text: str = ""
    has_person: bool = False
    brief: Brief | None = None
    referral: ReferralGlance | None = None
    issue_id: UUID | None = None
    issue_text: str = ""
    outcome_id: UUID | None = None
    promised: str = ""
    removed_why: str = ""
    postponed_why: str = ""
    stands: bool = True
    minutes_text: str = ""

    @property
    def label(self) -> str:
        """Name or pseudonym; empty where nobody is meant or the name may not be seen."""
        return self.brief.label if self.brief else ""

    @property
    def person_id(self) -> UUID | None:
        return self.brief.id if self.brief else None
