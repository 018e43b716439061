"""Series, meetings, who sits at the table, and the private calendar links."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, synonym

from portal.audit.models import Audited
from portal.core.clock import now
from portal.core.db import Base, Identified, Versioned
from portal.disclosures.models import Basis
from portal.meetings.states import BASIS_OF, COMING, ClosedDay, MeetingKind, MeetingStatus


class MeetingSeries(Identified, Versioned, Audited, Base):
    """Meetings that come back by a rule (RFC 5545 RRULE, without DTSTART), in the convener's calendar.

    `starts_on` is the first day the rule counts from; `begins` a time of day in Japan; `minutes` its length.
    """

    __tablename__ = "meeting_series"
    __table_args__ = (Index(None, "convener_id"), CheckConstraint("minutes > 0", name="length"))

    convener_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    kind: Mapped[MeetingKind]
    name: Mapped[str]
    rule: Mapped[str]
    starts_on: Mapped[date]
    begins: Mapped[time]
    minutes: Mapped[int]
    closed_day: Mapped[ClosedDay]
    place: Mapped[str] = mapped_column(default="")
    link: Mapped[str] = mapped_column(default="")
    presenter_agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    ended_on: Mapped[date | None]  # no date after this day


class SeriesMember(Base):
    """An agency that every coming meeting of the series invites; the convener is one of them."""

    __tablename__ = "meeting_series_member"

    series_id: Mapped[UUID] = mapped_column(ForeignKey("meeting_series.id"), primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"), primary_key=True, index=True)


class Meeting(Identified, Versioned, Audited, Base):
    """One meeting (会議). `slot` is the day the series' rule named, kept when the meeting is moved."""

    __tablename__ = "meeting"
    __table_args__ = (
        UniqueConstraint("series_id", "slot"),
        Index(None, "convener_id", "starts_at"),
        Index(None, "series_id", "starts_at"),
        CheckConstraint("minutes > 0", name="length"),
    )

    series_id: Mapped[UUID | None] = mapped_column(ForeignKey("meeting_series.id"))
    slot: Mapped[date | None]
    convener_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    kind: Mapped[MeetingKind]
    name: Mapped[str]
    starts_at: Mapped[datetime]
    minutes: Mapped[int]
    place: Mapped[str] = mapped_column(default="")
    link: Mapped[str] = mapped_column(default="")
    presenter_agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    status: Mapped[MeetingStatus] = mapped_column(default=MeetingStatus.DRAFT)
    announced_at: Mapped[datetime | None]
    begun_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    approved_at: Mapped[datetime | None]
    cancelled_why: Mapped[str] = mapped_column(default="")
    calendar_sequence: Mapped[int] = mapped_column(
        default=0
    )  # SEQUENCE of RFC 5545: counts what guests must know
    is_moved: Mapped[bool] = mapped_column(default=False)  # by hand: a change of its series leaves it alone

    @property
    def basis(self) -> Basis:
        return BASIS_OF[self.kind]

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.minutes)

    @property
    def is_coming(self) -> bool:
        return self.status in COMING


class MeetingMember(Base):
    """An agency at the table of one meeting; the convener is one of them."""

    __tablename__ = "meeting_member"

    meeting_id: Mapped[UUID] = mapped_column(ForeignKey("meeting.id"), primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"), primary_key=True, index=True)


class CalendarLink(Audited, Base):
    """A member of staff's private subscription: whoever has the address reads dates and places, and no person."""

    __tablename__ = "calendar_link"
    __table_args__ = (UniqueConstraint("token_hash"),)

    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    id: Mapped[UUID] = synonym("staff_id")  # by which the log names it
    token_hash: Mapped[str]
    renewed_at: Mapped[datetime] = mapped_column(default=now)
