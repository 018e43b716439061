"""Every setting there is: its code, its words, its unit, what it is at first, and within what it may be set."""

from __future__ import annotations

from dataclasses import dataclass

from portal.core.labels import N_


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
FIGURES = N_("評価と統計")

CITY = N_(
    "市の文書管理の規程で定めます。相談機関の個人情報の取扱規程に合わせ、市の法務担当に確かめてください。"
)
COUNCIL = N_("市の文書管理の規程で定めます。支援会議は、名簿と守秘義務の確認も記録の一部です。")
CONSENT = N_("市の文書管理の規程で定めます。同意は、だれに何を伝えてよいかの根拠です。")
PROVISION = N_("個人情報保護法の、第三者に提供した記録の保存義務によります。短くはできません。")
SECOND = N_("緊急時の提供は、あとから二人目が点検する決まりによります。")
PRACTICE = N_("実務の目安です。職員の数と働き方に合わせて決めてください。")

SPECS = (
    Spec(
        "watch.people_per_day",
        WATCH,
        N_("1日に、担当以外の相談者を閲覧した人数"),
        N_("人"),
        15,
        1,
        1000,
        PRACTICE,
    ),
    Spec("watch.night_from", WATCH, N_("夜間の始まり"), N_("時"), 22, 18, 23, PRACTICE),
    Spec("watch.night_until", WATCH, N_("夜間の終わり"), N_("時"), 6, 3, 9, PRACTICE),
    Spec(
        "watch.refused_per_day",
        WATCH,
        N_("1日に、見られない記録を開こうとした回数"),
        N_("回"),
        10,
        1,
        1000,
        PRACTICE,
    ),
    Spec("emergency.review_days", EMERGENCY, N_("確認の期限（開所日）"), N_("日"), 3, 1, 30, SECOND),
    Spec("emergency.alone_per_day", EMERGENCY, N_("1日に1人で使える回数"), N_("回"), 5, 0, 50, PRACTICE),
    Spec(
        "figures.least_shown",
        FIGURES,
        N_("事業の外の人に示す、人数のいちばん小さい値（これより少ないと「少数」）"),
        N_("人"),
        3,
        1,
        20,
        PRACTICE,
    ),
    Spec("figures.goal_target", FIGURES, N_("目標の達成率のめやす"), N_("％"), 70, 1, 100, PRACTICE),
    Spec("retention.case_years", RETENTION, N_("ケースの記録（終結から）"), N_("年"), 5, 1, 30, CITY),
    Spec("retention.referral_years", RETENTION, N_("つなぎの記録（終了から）"), N_("年"), 5, 1, 30, CITY),
    Spec(
        "retention.provision_years",
        RETENTION,
        N_("第三者提供の記録（提供から）"),
        N_("年"),
        3,
        3,
        30,
        PROVISION,
    ),
    Spec("retention.consent_years", RETENTION, N_("同意書（失効から）"), N_("年"), 5, 1, 30, CONSENT),
    Spec("retention.meeting_years", RETENTION, N_("会議の議事録（承認から）"), N_("年"), 5, 1, 30, COUNCIL),
)
BY_KEY = {spec.key: spec for spec in SPECS}
