"""The areas of the yearly table as the program comes with them, every figure there is, and the year it is counted in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Date, Uuid, bindparam

from portal.activities.kinds import OUTREACH, ActivityKind
from portal.core import clock
from portal.core.db import UTCDateTime
from portal.core.labels import N_, Labelled


class Count(Labelled):
    """What is counted of the activities of one kind in one area."""

    HELD = "held", N_("開催")
    NOT_HELD = "not_held", N_("開催しなかった回")
    ONLINE = "online", N_("うちオンライン")
    VISITS = "visits", N_("延べ人数")
    PEOPLE = "people", N_("実人数")
    AUDIENCE = "audience", N_("参加・配布の数")


class Measure(Labelled):
    """A figure out of cases, referrals, partners or meetings; activities are counted by `Count`."""

    DOOR_OPENED = "door_opened", N_("ドア越しから対面になった人")
    PLACE_TO_BELONG = "place_to_belong", N_("居場所につながった人")
    CAME_BY_LEAFLET = "came_by_leaflet", N_("チラシをきっかけに来た人")
    EMPLOYED = "employed", N_("就職した人")
    PART_TIME_JOB = "part_time_job", N_("アルバイト・パート就労につながった人")
    WITH_HELLO_WORK = "with_hello_work", N_("就職・就労のうちハローワークと連携した人")
    PARTNERS_ADDED = "partners_added", N_("協力先の追加")
    AGREEMENTS_SIGNED = "agreements_signed", N_("協定の締結")
    JOINT_INTERVIEWS = "joint_interviews", N_("初回面談への同席")
    JOINED_AFTER_JOINT = "joined_after_joint", N_("同席から利用につながった件数")
    JOINED_CARRIED_OVER = "joined_carried_over", N_("同席から利用のうち継続")
    JOINED = "joined", N_("利用につながったつなぎ（全体）")
    WEEKLY_MEETINGS = "weekly_meetings", N_("週次打合せ")
    COUNCILS = "councils", N_("支援調整会議への出席")
    CASE_STUDIES = "case_studies", N_("事例検討会への出席")


@dataclass(frozen=True, slots=True)
class Spec:
    """`unit` is the counter word; small numbers of people are shown to nobody outside the programme."""

    unit: str
    definition: str
    of_people: bool = False


PERSONS, TIMES, MATTERS = N_("人"), N_("回"), N_("件")

COUNTS = {
    Count.HELD: Spec(TIMES, N_("その年度に開催した活動の数。取り消した記録は数えません。")),
    Count.NOT_HELD: Spec(TIMES, N_("予定していて開催しなかった活動の数。理由が記録にあります。")),
    Count.ONLINE: Spec(TIMES, N_("開催した活動のうち、オンラインで行ったもの（対面との併用を含む）。")),
    Count.VISITS: Spec(PERSONS, N_("参加の数。同じ人が3回来れば3と数え、匿名の人も1人ずつ数えます。"), True),
    Count.PEOPLE: Spec(
        PERSONS,
        N_(
            "来た人の数。同じ人は何回来ても1と数えます。匿名の人は「初めて」の記録だけを数え、"
            "あとで氏名が分かった人は、その人として数えます。1回に来た人数を下回ることはありません。"
        ),
        True,
    ),
    Count.AUDIENCE: Spec(
        PERSONS, N_("説明や研修に参加した人、チラシを受け取った人の数。相談者ではない人を含みます。")
    ),
}
MEASURES = {
    Measure.DOOR_OPENED: Spec(
        PERSONS,
        N_(
            "家庭訪問でドア越しに話していた人のうち、そのあと（別の日）はじめて対面で話せた日が、その年度にある人の数。"
        ),
        True,
    ),
    Measure.PLACE_TO_BELONG: Spec(
        PERSONS, N_("ケースの終結またはつなぎの完了で、結果が「居場所の利用」になった人の数。"), True
    ),
    Measure.CAME_BY_LEAFLET: Spec(
        PERSONS,
        N_(
            "その年度に始まったこの事業のケースのうち、きっかけがチラシ（民生委員からのものを含む）の人の数。"
            "つないだ機関のケースに、きっかけとしてチラシが記録されている人を含みます。"
        ),
        True,
    ),
    Measure.EMPLOYED: Spec(
        PERSONS,
        N_(
            "ケースの節目・終結、またはつなぎの完了で、結果が「就職」になった人の数。同じ人は1と数えます。"
            "前の年度に記録した就職は、ケースやつなぎがその後に終わっても、もう一度は数えません。"
        ),
        True,
    ),
    Measure.PART_TIME_JOB: Spec(
        PERSONS,
        N_(
            "ケースの節目・終結、またはつなぎの完了で、結果が「アルバイト・パート就労」になった人の数。同じ人は1と数えます。"
        ),
        True,
    ),
    Measure.WITH_HELLO_WORK: Spec(
        PERSONS,
        N_(
            "就職・就労した人のうち、ハローワークとのつなぎ、または節目の「いっしょに支援した機関」がある人の数。"
        ),
        True,
    ),
    Measure.PARTNERS_ADDED: Spec(MATTERS, N_("その年度に登録した協力先の数。")),
    Measure.AGREEMENTS_SIGNED: Spec(MATTERS, N_("その年度に結んだ協定の数。")),
    Measure.JOINT_INTERVIEWS: Spec(
        MATTERS, N_("同席の依頼のうち、その年度に同席したもの（初回の日付）の数。"), True
    ),
    Measure.JOINED_AFTER_JOINT: Spec(
        MATTERS,
        N_("同席の依頼のうち、その年度に完了して「事業の利用開始」になったものの数。継続を含みます。"),
        True,
    ),
    Measure.JOINED_CARRIED_OVER: Spec(
        MATTERS,
        N_("同席から利用につながったもののうち、その人のケースが前の年度から続いているものの数。"),
        True,
    ),
    Measure.JOINED: Spec(
        MATTERS, N_("種類を問わず、その年度に完了して「事業の利用開始」になったつなぎの数。"), True
    ),
    Measure.WEEKLY_MEETINGS: Spec(TIMES, N_("この事業が加わる週次打合せのうち、開いたものの数。")),
    Measure.COUNCILS: Spec(TIMES, N_("この事業が加わる支援調整会議のうち、開いたものの数。")),
    Measure.CASE_STUDIES: Spec(TIMES, N_("この事業が加わる事例検討会のうち、開いたものの数。")),
}


@dataclass(frozen=True, slots=True)
class Area:
    """An area (項目) of the yearly table: which activities and which figures count for it."""

    code: str
    name: str
    kinds: tuple[ActivityKind, ...]
    measures: tuple[Measure, ...]
    retired_from: int | None = None


K, M = ActivityKind, Measure
AREAS = (
    Area(
        "place",
        N_("地域での居場所・役割"),
        (K.CAFE, K.HOME_VISIT, K.OTHER),
        (M.DOOR_OPENED, M.PLACE_TO_BELONG),
    ),
    Area("outreach", N_("周知・啓発"), (K.SCHOOL_VISIT, K.BRIEFING, K.LEAFLET), (M.CAME_BY_LEAFLET,)),
    Area(
        "employment",
        N_("就労支援"),
        (
            *(K.SALON, K.GROUP_SESSION, K.INTERVIEW_PRACTICE, K.SEMINAR, K.COMPANY_VISIT),
            *(K.WORKPLACE_TOUR, K.PLACEMENT, K.VOLUNTEERING),
        ),
        (M.EMPLOYED, M.PART_TIME_JOB, M.WITH_HELLO_WORK, M.PARTNERS_ADDED, M.AGREEMENTS_SIGNED),
    ),
    Area(
        "consultation",
        N_("相談支援体制の機能強化"),
        (K.CITY_VISIT,),
        (
            *(M.JOINT_INTERVIEWS, M.JOINED_AFTER_JOINT, M.JOINED_CARRIED_OVER, M.JOINED),
            *(M.WEEKLY_MEETINGS, M.COUNCILS, M.CASE_STUDIES),
        ),
    ),
)


def counts_of(kind: ActivityKind) -> tuple[Count, ...]:
    """The counts that make sense for a kind of activity."""
    if kind in OUTREACH:
        return (Count.HELD, Count.AUDIENCE)
    if kind is ActivityKind.HOME_VISIT:
        return (Count.HELD, Count.PEOPLE)
    return (Count.HELD, Count.NOT_HELD, Count.ONLINE, Count.VISITS, Count.PEOPLE)


# Figures: one number of the yearly table, by area and code, and how it is shown to whom.


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The key of a figure: the area's code, and `<kind>.<count>` for activities or a measure's code."""

    area: str
    code: str

    @property
    def kind(self) -> ActivityKind | None:
        return parts_of(self.code)[0]

    @property
    def what(self) -> Count | Measure:
        return parts_of(self.code)[1]

    @property
    def spec(self) -> Spec:
        what = self.what
        return COUNTS[what] if isinstance(what, Count) else MEASURES[what]


@cache
def parts_of(code: str) -> tuple[ActivityKind | None, Count | Measure]:
    """The kind of activity in a figure's code, if any, and what is counted; pages ask hundreds of times.

    Raises:
        ValueError: no figure has this code.
    """
    kind, dot, count = code.partition(".")
    return (ActivityKind(kind), Count(count)) if dot else (None, Measure(code))


def of_kind(area: str, kind: ActivityKind, count: Count) -> Key:
    return Key(area, f"{kind.value}.{count.value}")


def of_measure(area: str, measure: Measure) -> Key:
    return Key(area, measure.value)


# What a reader outside the programme sees in place of a small number of people.
FEW = -1


def shown(value: int, spec: Spec, *, inside: bool, least: int) -> int:
    """The number, or `FEW` where it counts people, is not zero and lies below `least`."""
    return FEW if spec.of_people and not inside and 0 < value < least else value


# A fiscal year up to a day, and the places in statements where its bounds and the programme are put in.

PROGRAMME = cast(UUID, bindparam("programme", type_=Uuid()))
FIRST, LAST = (cast(date, bindparam(name, type_=Date())) for name in ("first_day", "last_day"))
# The same as moments; the second is no longer part of it.
BEGINS, ENDS = (cast(datetime, bindparam(name, type_=UTCDateTime())) for name in ("begins", "ends"))


@dataclass(frozen=True, slots=True)
class Period:
    """A fiscal year as of a day: before its first day nothing has happened in it."""

    year: int
    as_of: date

    @classmethod
    def whole(cls, year: int) -> Period:
        return cls(year, clock.fiscal_year_bounds(year)[1])

    @property
    def first(self) -> date:
        return clock.fiscal_year_bounds(self.year)[0]

    @property
    def last(self) -> date:
        return min(clock.fiscal_year_bounds(self.year)[1], self.as_of)

    def values(self, programme_id: UUID) -> dict[str, Any]:
        """The parameters of statements that use the names above."""
        return {
            "programme": programme_id,
            "first_day": self.first,
            "last_day": self.last,
            "begins": clock.start_of_day(self.first),
            "ends": clock.end_of_day(self.last),
        }
