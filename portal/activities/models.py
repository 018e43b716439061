"""Activities, who came to them, their series; partners and their agreements."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.activities.kinds import ActivityKind, Mode
from portal.audit.models import Audited
from portal.core.db import Base, Identified, Versioned


class ActivitySeries(Identified, Versioned, Audited, Base):
    """An activity that comes back every month, such as a café: what a new record of it begins with."""

    __tablename__ = "activity_series"
    __table_args__ = (Index(None, "agency_id"),)

    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    kind: Mapped[ActivityKind]
    area: Mapped[str]  # a code of the evaluation's areas
    title: Mapped[str]
    place: Mapped[str] = mapped_column(default="")
    mode: Mapped[Mode] = mapped_column(default=Mode.IN_PERSON)
    starts_on: Mapped[date]
    ended_on: Mapped[date | None]


class ActivitySeriesAgency(Base):
    """An agency that holds the series; the organiser is one of them."""

    __tablename__ = "activity_series_agency"

    series_id: Mapped[UUID] = mapped_column(ForeignKey("activity_series.id"), primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"), primary_key=True, index=True)


class Activity(Identified, Versioned, Audited, Base):
    """One afternoon, visit or briefing (活動), held or not. A correction applies from the beginning.

    `not_held_why` is filled when it was planned and not held. `audience_number` counts those who were reached and
    are nobody's clients. Struck out, it counts nowhere.
    """

    __tablename__ = "activity"
    __table_args__ = (
        Index(None, "agency_id", "held_on", "id"),
        Index(None, "series_id", "held_on"),
        Index(None, "partner_id", "held_on"),
        CheckConstraint("audience_number IS NULL OR audience_number >= 0", name="audience"),
    )

    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))  # the organiser, who recorded it
    recorded_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    series_id: Mapped[UUID | None] = mapped_column(ForeignKey("activity_series.id"))
    partner_id: Mapped[UUID | None] = mapped_column(ForeignKey("partner.id"))
    kind: Mapped[ActivityKind]
    area: Mapped[str]  # a code of the evaluation's areas
    title: Mapped[str]
    held_on: Mapped[date]
    place: Mapped[str] = mapped_column(default="")
    mode: Mapped[Mode] = mapped_column(default=Mode.IN_PERSON)
    not_held_why: Mapped[str] = mapped_column(default="")
    audience: Mapped[str] = mapped_column(default="")
    audience_number: Mapped[int | None]
    text: Mapped[str] = mapped_column(default="")
    outcome: Mapped[str] = mapped_column(default="")  # what came of it, in words
    struck_at: Mapped[datetime | None]
    struck_why: Mapped[str] = mapped_column(default="")

    @property
    def was_held(self) -> bool:
        return not self.not_held_why


class ActivityAgency(Base):
    """An agency that held the activity; the organiser is one of them.

    `held_on` repeats the activity's day, so that one agency's year is one range of an index.
    """

    __tablename__ = "activity_agency"
    __table_args__ = (Index(None, "agency_id", "held_on", "activity_id"),)

    activity_id: Mapped[UUID] = mapped_column(ForeignKey("activity.id"), primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"), primary_key=True)
    held_on: Mapped[date]


class ActivityAttendance(Identified, Audited, Base):
    """One head at one activity: a person whom the recording agency may name, or somebody anonymous.

    `is_first` is what was said of an anonymous head: here for the first time, or again. `person_id` may come
    later, once the person is known by name (`linked_at`): the head then counts as that person on that day.
    """

    __tablename__ = "activity_attendance"
    __table_args__ = (
        Index(None, "activity_id", "person_id"),
        Index(None, "person_id", "activity_id"),
        Index(
            "uq_activity_attendance_once",
            "activity_id",
            "person_id",
            unique=True,
            sqlite_where=text("struck_at IS NULL"),
            postgresql_where=text("struck_at IS NULL"),
        ),
        CheckConstraint("person_id IS NOT NULL OR linked_at IS NULL", name="linked_to_somebody"),
    )

    activity_id: Mapped[UUID] = mapped_column(ForeignKey("activity.id"))
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))  # that recorded it
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    is_first: Mapped[bool] = mapped_column(default=False)
    note: Mapped[str] = mapped_column(default="")  # about this person, on this day
    linked_at: Mapped[datetime | None]
    struck_at: Mapped[datetime | None]


class Partner(Identified, Versioned, Audited, Base):
    """A company or place that takes people in (協力企業・協力先), kept by the agency that found it."""

    __tablename__ = "partner"
    __table_args__ = (Index(None, "agency_id", "added_on"), Index(None, "name", "id"))

    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    name: Mapped[str]
    about: Mapped[str] = mapped_column(default="")  # what it does, and what to mind
    offers: Mapped[list[str]] = mapped_column(JSON, default=list)  # codes of kinds.Offer
    contact_name: Mapped[str] = mapped_column(default="")
    telephone: Mapped[str] = mapped_column(default="")
    email: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")
    added_on: Mapped[date]
    ended_on: Mapped[date | None]  # since when it takes nobody any more


class Agreement(Identified, Audited, Base):
    """An agreement (協定) with a partner; a renewal is a new one. Struck out when it was entered by mistake."""

    __tablename__ = "agreement"
    __table_args__ = (
        Index(None, "partner_id", "signed_on"),
        Index(None, "agency_id", "signed_on"),
        CheckConstraint("valid_until IS NULL OR valid_until >= signed_on", name="order"),
    )

    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partner.id"))
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))  # that signed it
    signed_on: Mapped[date]
    valid_until: Mapped[date | None]
    struck_at: Mapped[datetime | None]
