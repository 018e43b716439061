"""Every setting there is: its code, its words, its unit, what it is at first, and within what it may be set."""

from __future__ import annotations

from dataclasses import dataclass

from portal.words import N_


@dataclass(frozen=True, slots=True)
class Spec:
    """`unit` and `label` are msgids; all values are whole numbers of that unit."""

    key: str
    group: str
    label: str
    unit: str
    default: int
    least: int
    most: int
    source: str = ""


WATCH = N_("通常と異なる閲覧")
EMERGENCY = N_("緊急閲覧")
RETENTION = N_("保存期間")

SPECS = (
    Spec("watch.people_per_day", WATCH, N_("1日に、担当以外の相談者を閲覧した人数"), N_("人"), 15, 1, 1000),
    Spec("watch.night_from", WATCH, N_("夜間の始まり"), N_("時"), 22, 18, 23),
    Spec("watch.night_until", WATCH, N_("夜間の終わり"), N_("時"), 6, 3, 9),
    Spec("emergency.review_days", EMERGENCY, N_("確認の期限（業務日）"), N_("日"), 3, 1, 30),
    Spec("emergency.alone_per_day", EMERGENCY, N_("1日に1人で使える回数"), N_("回"), 5, 0, 50),
    Spec("retention.case_years", RETENTION, N_("ケースの記録（終結から）"), N_("年"), 5, 1, 30),
    Spec("retention.referral_years", RETENTION, N_("つなぎの記録（終了から）"), N_("年"), 5, 1, 30),
    Spec("retention.provision_years", RETENTION, N_("第三者提供の記録（提供から）"), N_("年"), 3, 3, 30),
    Spec("retention.consent_years", RETENTION, N_("同意書（失効から）"), N_("年"), 5, 1, 30),
    Spec("retention.meeting_years", RETENTION, N_("会議の議事録（承認から）"), N_("年"), 5, 1, 30),
    Spec(
        "retention.log_years",
        RETENTION,
        N_("監査記録（消去しません。点検の対象とする年数）"),
        N_("年"),
        10,
        1,
        50,
    ),
)
BY_KEY = {spec.key: spec for spec in SPECS}
