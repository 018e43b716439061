"""A suggested wording of an area's results, with the figures in place: to be taken over by hand, and changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from flask_babel import gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.activities.kinds import ActivityKind
from portal.activities.models import Activity, ActivityAgency
from portal.core import clock
from portal.core.labels import N_
from portal.evaluations import counting
from portal.evaluations.catalogue import (
    FEW,
    FIRST,
    LAST,
    PROGRAMME,
    Area,
    Count,
    Key,
    Measure,
    Period,
    Spec,
    of_kind,
    of_measure,
    shown,
)
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import MeetingKind
from portal.web.formats import month_word, t


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An activity that was planned and not held."""

    kind: ActivityKind
    on: date
    why: str


def left_out(session: Session, programme_id: UUID, period: Period, area: str) -> Sequence[LeftOut]:
    statement = (
        select(Activity.kind, Activity.held_on, Activity.not_held_why)
        .join(ActivityAgency, ActivityAgency.activity_id == Activity.id)
        .where(
            ActivityAgency.agency_id == PROGRAMME,
            ActivityAgency.held_on.between(FIRST, LAST),
            Activity.area == area,
            Activity.not_held_why != "",
            Activity.struck_at.is_(None),
        )
        .order_by(Activity.held_on, Activity.id)
    )
    return [LeftOut(*row) for row in session.execute(statement, period.values(programme_id))]


def weekly_since(session: Session, programme_id: UUID, period: Period) -> date | None:
    """The day of the year's first weekly meeting."""
    statement = select(func.min(Meeting.starts_at)).where(
        *counting.held(), Meeting.kind == MeetingKind.WEEKLY
    )
    first = session.scalar(statement, period.values(programme_id))
    return clock.japan_date(first) if first else None


# A suggested wording of an area's results, with the figures in place: to be taken over and edited.

# One sentence for what is done of each kind; other kinds are called gatherings.
OUTREACH = {
    ActivityKind.SCHOOL_VISIT: (
        N_("学校を%(held)s回訪問し、事業の対象と支援の内容を説明した。"),
        N_("学校を%(held)s回訪問し、事業の対象と支援の内容を延べ%(n)s人に説明した。"),
    ),
    ActivityKind.BRIEFING: (
        N_("説明会・研修を%(held)s回開いた。"),
        N_("説明会・研修を%(held)s回開き、延べ%(n)s人が参加した。"),
    ),
    ActivityKind.LEAFLET: (
        N_("チラシを%(held)s回配布した。"),
        N_("チラシの配布を%(held)s回行い、%(n)s部を届けた。"),
    ),
    ActivityKind.CITY_VISIT: (
        N_("他市の取組を%(held)s回視察した。"),
        N_("他市の取組を%(held)s回視察し、%(n)s人から話を聞いた。"),
    ),
    ActivityKind.COMPANY_VISIT: (
        N_("企業を%(held)s回訪問した。"),
        N_("企業を%(held)s回訪問し、%(n)s人に事業を説明した。"),
    ),
}
# Sentences with the number, and without it for a small number of people.
MEASURES = {
    Measure.DOOR_OPENED: (
        N_("訪問を続けるなかで、ドア越しに話していた%(n)s人と、対面で話せるようになった。"),
        N_("訪問を続けるなかで、ドア越しに話していた人と、対面で話せるようになった。"),
    ),
    Measure.PLACE_TO_BELONG: (
        N_("%(n)s人が居場所の利用につながった。"),
        N_("居場所の利用につながった人がいた。"),
    ),
    Measure.CAME_BY_LEAFLET: (
        N_("チラシをきっかけに、%(n)s人が相談に来た。"),
        N_("チラシをきっかけに相談に来た人がいた。"),
    ),
    Measure.EMPLOYED: (N_("%(n)s人が就職した。"), N_("就職した人がいた。")),
    Measure.PART_TIME_JOB: (
        N_("%(n)s人がアルバイト・パート就労につながった。"),
        N_("アルバイト・パート就労につながった人がいた。"),
    ),
    Measure.WITH_HELLO_WORK: (
        N_("このうち%(n)s人は、ハローワークと連携して支援した。"),
        N_("ハローワークと連携した支援もあった。"),
    ),
    Measure.PARTNERS_ADDED: (N_("協力先を新たに%(n)s件開拓した。"), ""),
    Measure.AGREEMENTS_SIGNED: (N_("協力先と%(n)s件の協定を結んだ。"), ""),
    Measure.JOINT_INTERVIEWS: (N_("初回の面談に%(n)s件同席した。"), N_("初回の面談に同席した。")),
    Measure.COUNCILS: (N_("支援調整会議に%(n)s回出席した。"), ""),
    Measure.CASE_STUDIES: (N_("事例検討会に%(n)s回出席した。"), ""),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that the wording uses. `least` is set where small numbers of people become 少数."""

    area: Area
    counts: Mapping[Key, int]
    left_out: Sequence[LeftOut] = field(default_factory=tuple)
    weekly_since: date | None = None
    begins: date | None = None
    least: int = 0

    def see(self, value: int, spec: Spec) -> int:
        return shown(value, spec, inside=not self.least, least=self.least)

    def of(self, kind: ActivityKind, count: Count) -> int:
        key = of_kind(self.area.code, kind, count)
        return self.see(self.counts.get(key, 0), key.spec)

    def measure(self, measure: Measure) -> int:
        key = of_measure(self.area.code, measure)
        return self.see(self.counts.get(key, 0), key.spec)


def wording(facts: Facts) -> str:
    """The suggestion, one line for each thing done; empty where nothing has been recorded."""
    kinds = {key.kind for key in facts.counts if key.area == facts.area.code and key.kind}
    in_order = (*facts.area.kinds, *(kind for kind in ActivityKind if kind not in facts.area.kinds))
    found = ["".join(of_activity(facts, kind)) for kind in in_order if kind in kinds] + of_measures(facts)
    return "\n".join(gettext("・%(sentence)s", sentence=one) for one in found if one)


def of_activity(facts: Facts, kind: ActivityKind) -> list[str]:
    held = facts.of(kind, Count.HELD)
    sentences = []
    if held and kind in OUTREACH:
        reached = facts.of(kind, Count.AUDIENCE)
        sentences.append(gettext(OUTREACH[kind][bool(reached)], held=held, n=reached))
    elif held and kind is ActivityKind.HOME_VISIT:
        people = facts.of(kind, Count.PEOPLE)
        told = N_("家庭訪問を%(held)s回行い、%(n)s人を訪ねた。")
        words = gettext("家庭訪問を%(held)s回行った。", held=held)
        sentences.append(words if people in {0, FEW} else gettext(told, held=held, n=people))
    elif held:
        sentences.append(gathering(facts, kind, held))
        online = facts.of(kind, Count.ONLINE)
        if online:
            sentences.append(
                gettext("うち%(n)s回はオンラインで行った。", n=online)
                if online < held
                else gettext("すべてオンラインで行った。")
            )
    return [*sentences, *not_held(facts, kind)]


def gathering(facts: Facts, kind: ActivityKind, held: int) -> str:
    visits, people = facts.of(kind, Count.VISITS), facts.of(kind, Count.PEOPLE)
    values = {"kind": t(kind.word), "held": held, "visits": visits, "people": people}
    if visits == FEW:
        return str(gettext("%(kind)sを%(held)s回開催し、少数の参加があった。", **values))
    if not visits:
        return str(gettext("%(kind)sを%(held)s回開催した。", **values))
    if people in {0, FEW}:
        return str(gettext("%(kind)sを%(held)s回開催し、延べ%(visits)s人の参加があった。", **values))
    return str(
        gettext("%(kind)sを%(held)s回開催し、延べ%(visits)s人（実%(people)s人）の参加があった。", **values)
    )


def not_held(facts: Facts, kind: ActivityKind) -> list[str]:
    """4月・5月は、緊急事態宣言のため開催しなかった。"""
    months: dict[str, list[str]] = {}
    for one in facts.left_out:
        if one.kind is kind:
            month = month_word(one.on)
            of_reason = months.setdefault(one.why.strip().removesuffix("。"), [])
            if month not in of_reason:
                of_reason.append(month)
    return [because(why, gettext("・").join(when)) for why, when in months.items()]


def because(why: str, months: str) -> str:
    """The sentence that says why nothing was held, with 〜ため once even if it was typed."""
    if why.endswith(N_("ため")):
        return str(gettext("%(months)sは、%(why)s開催しなかった。", months=months, why=why))
    return str(gettext("%(months)sは、%(why)sのため開催しなかった。", months=months, why=why))


def of_measures(facts: Facts) -> list[str]:
    found = []
    for measure in facts.area.measures:
        value = facts.measure(measure)
        if not value:
            continue
        if measure in MEASURES:
            told, untold = MEASURES[measure]
            found.append(gettext(untold) if value == FEW else gettext(told, n=value))
        elif measure is Measure.JOINED_AFTER_JOINT:
            found.append(after_joint(facts, value))
        elif measure is Measure.JOINED and value != facts.measure(Measure.JOINED_AFTER_JOINT):
            whole = N_("つなぎ全体では、%(n)s件が事業の利用につながった。")
            untold = N_("つなぎ全体でも、事業の利用につながったものがあった。")
            found.append(gettext(untold) if value == FEW else gettext(whole, n=value))
        elif measure is Measure.WEEKLY_MEETINGS:
            found.append(weekly(facts, value))
    return found


def after_joint(facts: Facts, value: int) -> str:
    carried = facts.measure(Measure.JOINED_CARRIED_OVER)
    if value == FEW:
        return str(gettext("同席した面談から、事業の利用につながったものがあった。"))
    if carried == FEW:
        return str(gettext("同席した面談のうち%(n)s件が、事業の利用につながった（継続を含む）。", n=value))
    if carried:
        return str(
            gettext(
                "同席した面談のうち%(n)s件が、事業の利用につながった（継続%(carried)s件を含む）。",
                n=value,
                carried=carried,
            )
        )
    return str(gettext("同席した面談のうち%(n)s件が、事業の利用につながった。", n=value))


def weekly(facts: Facts, value: int) -> str:
    since = facts.weekly_since
    if since and facts.begins and (since.year, since.month) != (facts.begins.year, facts.begins.month):
        return str(
            gettext("%(month)sから週に1回の打合せを始め、%(n)s回行った。", month=month_word(since), n=value)
        )
    return str(gettext("週に1回の打合せを%(n)s回行った。", n=value))
