"""What is kept for how long, and what can stand in the way of an erasure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from dateutil.relativedelta import relativedelta

from portal import clock
from portal.retention.models import ErasureGround
from portal.words import N_, Worded


class Kind(Worded):
    """The lists: people whose whole record is due, and what is over its period of each kind."""

    PEOPLE = "people", N_("相談者")
    CASES = "cases", N_("ケース")
    REFERRALS = "referrals", N_("つなぎ")
    CONSENTS = "consents", N_("同意")
    MEETINGS = "meetings", N_("議事録")
    PROVISIONS = "provisions", N_("提供の記録")


PERIOD_OF = {
    Kind.CASES: "retention.case_years",
    Kind.REFERRALS: "retention.referral_years",
    Kind.CONSENTS: "retention.consent_years",
    Kind.MEETINGS: "retention.meeting_years",
    Kind.PROVISIONS: "retention.provision_years",
}


class Reason(Worded):
    """Why a person's record may not be erased yet. The first ones are open work, the others periods."""

    CASE_OPEN = "case_open", N_("支援中のケースがあります")
    REFERRAL_OPEN = "referral_open", N_("終わっていないつなぎがあります")
    CONSENT_LIVES = "consent_lives", N_("有効な同意があります")
    ITEM_OPEN = "item_open", N_("議事録が承認されていない会議の議題があります")
    PROMISE_OPEN = "promise_open", N_("済んでいない宿題があります")
    FOLLOW_UP_OPEN = "follow_up_open", N_("済んでいない次の対応があります")
    EMERGENCY_OPEN = "emergency_open", N_("点検が終わっていない緊急閲覧があります")
    FINDING_OPEN = "finding_open", N_("完了していない監査の指摘があります")
    ELSEWHERE = "elsewhere", N_("ほかの機関で、支援または記録の保存が続いています")
    PROVISION = "provision", N_("第三者提供の記録の保存期間です")
    CASE = "case", N_("ケースの記録の保存期間です")
    REFERRAL = "referral", N_("つなぎの記録の保存期間です")
    CONSENT = "consent", N_("同意書の保存期間です")
    MEETING = "meeting", N_("会議の議事録の保存期間です")
    RECORD = "record", N_("登録してからの保存期間です")


# What the person's own wish, or a record that should never have been, shortens: the periods that the city sets for
# itself. The record of what was passed on is kept by law, and open work is finished first (docs/decisions/019).
OWN_PERIODS = frozenset({Reason.CASE, Reason.REFERRAL, Reason.CONSENT, Reason.MEETING, Reason.RECORD})
LIFTED: Mapping[ErasureGround, frozenset[Reason]] = {
    ErasureGround.PERIOD_OVER: frozenset(),
    ErasureGround.REQUESTED: OWN_PERIODS,
    ErasureGround.UNLAWFUL: OWN_PERIODS,
}


@dataclass(frozen=True, slots=True)
class Block:
    """`until` is the first day on which it stands in the way no more; none while nobody can say."""

    reason: Reason
    number: str = ""
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """The periods in years, and the days before which each is over, at one moment."""

    now: datetime
    years: Mapping[Kind, int]

    @classmethod
    def at(cls, now: datetime, settings: Mapping[str, int]) -> Cut:
        return cls(now, {kind: settings[key] for kind, key in PERIOD_OF.items()})

    @property
    def today(self) -> date:
        return clock.japan_date(self.now)

    def day(self, kind: Kind) -> date:
        """What ended on this day or before is over its period."""
        return self.today - relativedelta(years=self.years[kind])

    def moment(self, kind: Kind) -> datetime:
        """What ended before this moment is over its period."""
        return clock.end_of_day(self.day(kind))

    def due(self, kind: Kind, ended: date) -> date:
        """The first day on which what ended then is over its period."""
        return ended + relativedelta(years=self.years[kind])
