"""Agencies, what kind each is, the days they are open, and what they offer."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.core.db import Base, Identified, Versioned
from portal.core.labels import N_, Labelled


class AgencyKind(Labelled):
    """The kind of an agency, which sets wording and defaults only: every kind may send and receive."""

    SELF_RELIANCE = "self_reliance", N_("自立相談支援")
    EMPLOYMENT_PREPARATION = "employment_preparation", N_("就労準備支援")
    YOUTH_CENTRE = "youth_centre", N_("若者相談")
    DISABILITY_EMPLOYMENT = "disability_employment", N_("障害者就業・生活支援")
    PARENTS_GROUP = "parents_group", N_("親の会")
    COMMUNITY_ACTIVITY = "community_activity", N_("地域活動支援")
    DEVELOPMENTAL_DISABILITY = "developmental_disability", N_("発達障害者支援")
    HELLO_WORK = "hello_work", N_("職業紹介")
    GENERAL_DESK = "general_desk", N_("総合相談")
    WELFARE_COMMISSIONERS = "welfare_commissioners", N_("民生委員・児童委員")
    SCHOOL = "school", N_("学校")
    EMPLOYER = "employer", N_("協力企業")
    OTHER = "other", N_("その他")


# What a kind adds by default: whose years are evaluated, and who places people in jobs (ハローワーク).
EVALUATED_KINDS = frozenset({AgencyKind.EMPLOYMENT_PREPARATION})
PLACING_KINDS = frozenset({AgencyKind.HELLO_WORK})


class Room(Labelled):
    """Whether a service can take somebody now."""

    OPEN = "open", N_("受入できます")
    WAITING = "waiting", N_("順番待ち")
    FULL = "full", N_("空きなし")


# Agencies, their services, their own closures, and their counters of numbers.


class Agency(Identified, Versioned, Audited, Base):
    """An organisation in the network (機関)."""

    __tablename__ = "agency"
    __table_args__ = (UniqueConstraint("name"), UniqueConstraint("short_name"))

    name: Mapped[str]
    short_name: Mapped[str]  # two or three characters, part of every number this agency gives out
    kind: Mapped[AgencyKind]
    about: Mapped[str] = mapped_column(default="")
    telephone: Mapped[str] = mapped_column(default="")
    fax: Mapped[str] = mapped_column(default="")
    email: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")
    hours: Mapped[str] = mapped_column(default="")
    weekly_closed: Mapped[str] = mapped_column(default="")  # digits, Monday 0 to Sunday 6, as "56"
    holidays_closed: Mapped[bool] = mapped_column(default=True)
    yearend_closed: Mapped[bool] = mapped_column(default=True)
    is_active: Mapped[bool] = mapped_column(default=True)

    @property
    def closed_weekdays(self) -> frozenset[int]:
        """Weekdays on which it is always closed, Monday 0."""
        return frozenset(int(digit) for digit in self.weekly_closed)


class Service(Identified, Versioned, Audited, Base):
    """What an agency offers (支援メニュー), for whom, and whether it has room."""

    __tablename__ = "service"
    __table_args__ = (Index(None, "agency_id"),)

    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    name: Mapped[str]
    for_whom: Mapped[str] = mapped_column(default="")
    room: Mapped[Room] = mapped_column(default=Room.OPEN)
    room_as_of: Mapped[date]
    is_active: Mapped[bool] = mapped_column(default=True)


class Closure(Identified, Audited, Base):
    """Days on which an agency is closed besides its rules, both ends included."""

    __tablename__ = "closure"
    __table_args__ = (
        Index(None, "agency_id", "ends_on"),
        CheckConstraint("starts_on <= ends_on", name="order"),
    )

    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    reason: Mapped[str] = mapped_column(default="")


class Counter(Base):
    """The last number that an agency gave out, by series ("person", "referral") and fiscal year."""

    __tablename__ = "counter"

    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"), primary_key=True)
    series: Mapped[str] = mapped_column(primary_key=True)
    fiscal_year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int]
