"""Referrals: what one agency asks of another, where it stands, and all that happened to it."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.cases.codes import Domain, Outcome, Score
from portal.core.clock import now
from portal.core.db import Base, Identified, Versioned
from portal.core.labels import N_, Labelled
from portal.disclosures.models import Basis
from portal.people.categories import Category
from portal.referrals.states import OPEN, ReferralAction, ReferralKind, ReferralStatus, Refusal, asked


class Referral(Identified, Versioned, Audited, Base):
    """One request (つなぎ), to an agency or one of its services, never to a person.

    `number` is given at sending, per sending agency and fiscal year. `listed_at` orders lists: when it was
    drafted, then when it was sent. Deadlines are days of the recipient's calendar.
    """

    __tablename__ = "referral"
    __table_args__ = (
        CheckConstraint("from_agency_id <> to_agency_id", name="agencies_differ"),
        CheckConstraint(
            "basis <> 'consent' OR consent_id IS NOT NULL OR sent_at IS NULL", name="consent_is_named"
        ),
        CheckConstraint("basis = 'consent' OR consent_id IS NULL", name="no_other_consent"),
        CheckConstraint("sent_at IS NOT NULL OR status IN ('draft', 'entered_in_error')", name="sent"),
        Index(None, "to_agency_id", "listed_at", "id"),
        Index(None, "from_agency_id", "listed_at", "id"),
        Index(None, "to_agency_id", "number", "id"),
        Index(None, "from_agency_id", "number", "id"),
        Index(None, "from_agency_id", "to_agency_id", "listed_at", "id"),
        Index(None, "to_agency_id", "status", "listed_at", "id"),
        Index(None, "from_agency_id", "status", "listed_at", "id"),
        # A year's results are counted by when they came about.
        Index(None, "to_agency_id", "ended_at"),
        Index(None, "from_agency_id", "ended_at"),
        Index(None, "to_agency_id", "first_contact_on"),
        Index(None, "person_id", "to_agency_id"),
        Index(None, "consent_id"),
        Index(None, "part_of_id"),
        Index(None, "sent_at"),
        Index(None, "outcome", "ended_at"),
    )

    number: Mapped[str] = mapped_column(default="")
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    from_agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    to_agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    service_id: Mapped[UUID | None] = mapped_column(ForeignKey("service.id"))
    created_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    worker_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))  # the recipient's
    # The sender's, once somebody took it over from the author.
    sender_worker_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    kind: Mapped[ReferralKind]
    status: Mapped[ReferralStatus] = mapped_column(default=ReferralStatus.DRAFT)
    basis: Mapped[Basis]
    consent_id: Mapped[UUID | None] = mapped_column(ForeignKey("consent.id"))
    need: Mapped[str]
    anonymous_age_band: Mapped[str] = mapped_column(default="")
    listed_at: Mapped[datetime] = mapped_column(default=now)
    sent_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]  # the recipient's first opening
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    acknowledge_by: Mapped[date | None]
    respond_by: Mapped[date | None]
    first_contact_on: Mapped[date | None]
    refusal: Mapped[Refusal | None]
    reason: Mapped[str] = mapped_column(default="")  # the text of the latest step that asked for one
    outcome: Mapped[Outcome | None]
    part_of_id: Mapped[UUID | None] = mapped_column(ForeignKey("referral.id"))
    appointment_at: Mapped[datetime | None]
    appointment_place: Mapped[str] = mapped_column(default="")

    @property
    def is_sent(self) -> bool:
        """Whether it was ever sent: drafts belong to their author's agency, also after being struck out."""
        return self.sent_at is not None

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    def asked(self, action: ReferralAction) -> tuple[frozenset[str], frozenset[str]]:
        """What the form of this step needs and takes."""
        return asked(
            action,
            self.kind,
            is_anonymous=self.basis is Basis.ANONYMOUS,
            was_contacted=self.first_contact_on is not None,
        )

    @property
    def was_opened(self) -> bool:
        """Whether the recipient looked, or took it: refusing alone needs no look."""
        taken = self.answered_at is not None and self.status is not ReferralStatus.REJECTED
        return self.received_at is not None or taken


class ReferralCategory(Base):
    """A category that this referral discloses."""

    __tablename__ = "referral_category"

    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referral.id"), primary_key=True)
    category: Mapped[Category] = mapped_column(primary_key=True)


class ReferralGoal(Identified, Audited, Base):
    __tablename__ = "referral_goal"
    __table_args__ = (Index(None, "referral_id"),)

    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referral.id"))
    domain: Mapped[Domain]
    text: Mapped[str]
    score: Mapped[Score | None]


class TimelineEvent(Labelled):
    """The kinds of timeline events besides the steps of the flow."""

    DRAFTED = "drafted", N_("下書きを作成しました")
    SEND = "send", N_("送付しました")
    RECEIVED = "received", N_("受け取りました（初めて開きました）")
    ACCEPT = "accept", N_("受け入れました")
    REJECT = "reject", N_("受入不可と回答しました")
    START = "start", N_("支援を始めました")
    HOLD = "hold", N_("保留にしました")
    COMPLETE = "complete", N_("完了にしました")
    AMEND = "amend", N_("結果を訂正しました")
    FAIL = "fail", N_("つながらず終了にしました")
    CANCEL = "cancel", N_("取り下げました")
    CORRECT = "correct", N_("誤登録として取り消しました")
    ASSIGNED = "assigned", N_("担当者を決めました")
    MESSAGE = "message", N_("連絡を送りました")
    REROUTED = "rerouted", N_("別の機関へつなぎ直しました")
    STOP_CONFIRMED = "stop_confirmed", N_("利用停止を報告しました")
    MOVED = "moved", N_("記録の移管により、送り手を引き継ぎました")
    # Never stored: these follow from the consent.
    CONSENT_WITHDRAWN = "consent_withdrawn", N_("本人が同意を撤回しました")
    CONSENT_EXPIRED = "consent_expired", N_("本人の同意の期限が過ぎました")


class ReferralEvent(Identified, Base):
    """One event of the timeline, appended together with its act. Messages are events too."""

    __tablename__ = "referral_event"
    __table_args__ = (Index(None, "referral_id", "id"),)

    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referral.id"))
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    what: Mapped[TimelineEvent]
    code: Mapped[str] = mapped_column(default="")  # refusal or outcome
    text: Mapped[str] = mapped_column(default="")
    sequel_id: Mapped[UUID | None] = mapped_column(ForeignKey("referral.id"))  # the referral it led to


class ReferralNews(Base):
    """The latest that happened on the other side: news to each member of this agency until they open the referral."""

    __tablename__ = "referral_news"
    __table_args__ = (Index(None, "agency_id", "at"),)

    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referral.id"), primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"), primary_key=True)
    what: Mapped[TimelineEvent]
    at: Mapped[datetime]


class ReferralReading(Base):
    """When a member of staff last opened a referral that was news to them."""

    __tablename__ = "referral_reading"

    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referral.id"), primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    at: Mapped[datetime]


class FollowUpKind(Labelled):
    MEETING = "meeting", N_("次の会議で話す")
    LOCAL_ISSUE = "local_issue", N_("地域課題として残す")


class FollowUp(Identified, Versioned, Audited, Base):
    """What an agency notes after a referral went badly. A local issue holds no person."""

    __tablename__ = "follow_up"
    __table_args__ = (Index(None, "agency_id", "done_at"), Index(None, "referral_id"))

    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referral.id"))
    kind: Mapped[FollowUpKind]
    code: Mapped[str] = mapped_column(default="")
    text: Mapped[str]
    noted_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    done_at: Mapped[datetime | None]
