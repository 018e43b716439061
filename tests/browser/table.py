"""A table with a week of work behind it: what the browser tests of meetings, and their pictures, start from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from uuid import UUID

import pytest
import time_machine

from portal.audit import jumps
from portal.core import clock
from portal.core.policy import Role
from portal.meetings.states import MeetingStatus
from tests.factories import Member, make_agency, make_consent, make_member, make_person, make_referral
from tests.meeting_factories import (
    PATHS,
    make_issue,
    make_item,
    make_meeting,
    make_outcome,
    make_series,
    name_member,
    walk,
)

serial = count(1)
NAMES = (
    ("見本", "花子", "みほん", "はなこ"),
    ("例示", "太郎", "れいじ", "たろう"),
    ("架空", "さくら", "かくう", "さくら"),
    ("想定", "一郎", "そうてい", "いちろう"),
    ("仮名", "みどり", "かな", "みどり"),
    ("試作", "健", "しさく", "けん"),
    ("設定", "葉子", "せってい", "ようこ"),
    ("模擬", "次郎", "もぎ", "じろう"),
    ("作例", "直美", "さくれい", "なおみ"),
    ("空想", "正", "くうそう", "ただし"),
)


@dataclass(frozen=True)
class Table:
    """Three agencies at one table; the coordinator and the partner have ten open referrals between them."""

    coordinator: Member
    partner: Member
    third: Member
    series: UUID
    meeting: UUID
    people: list[UUID]


def make_table() -> Table:
    """Agencies of their own, however many tables one database has."""
    mark = next(serial)
    convener = make_agency(name=f"見本自立相談支援機関{mark}")
    coordinator = make_member(convener, role=Role.COORDINATOR, name="相談 一郎")
    make_member(convener, name="窓口 花子")
    partner = make_member(make_agency(name=f"見本就労準備支援事業{mark}"), name="準備 三郎")
    third = make_member(make_agency(name=f"見本若者相談センター{mark}"), name="若葉 四郎")
    series = make_series(coordinator, [partner, third], name="週次打合せ", place="市役所 2階 会議室")
    people = [referred(coordinator, partner, name, n) for n, name in enumerate(NAMES)]
    make_consent(coordinator, people[0], [third])
    meeting = make_meeting(
        coordinator,
        [partner, third],
        name="週次打合せ",
        place="市役所 2階 会議室",
        series_id=series,
        slot=clock.today() + timedelta(days=1),
        starts_at=clock.now() + timedelta(days=1),
    )
    return Table(coordinator, partner, third, series, meeting, people)


def referred(sender: Member, recipient: Member, name: tuple[str, str, str, str], n: int) -> UUID:
    """One of the ten, sent four days ago; three of them have waited for an answer for two weeks."""
    words = dict(zip(("family", "given", "family_kana", "given_kana"), name, strict=True))
    then = clock.now() - timedelta(days=14 if n < 3 else 4)
    with pytest.MonkeyPatch.context() as patch, time_machine.travel(then, tick=True):
        patch.setattr(jumps, "MARGIN", timedelta(days=36_500))  # the table was made before, in the present
        person = make_person(sender, **words)
        make_referral(sender, recipient, person_id=person)
    return person


def hold_one(table: Table) -> UUID:
    """Last week's meeting, its minutes still to be approved, with a promise, a decision and a local issue."""
    week_ago = clock.now() - timedelta(days=7)
    meeting = make_meeting(
        table.coordinator,
        [table.partner, table.third],
        name="週次打合せ",
        series_id=table.series,
        slot=clock.today() - timedelta(days=7),
        starts_at=week_ago,
    )
    item = make_item(table.coordinator, meeting, title="冬の居場所について")
    walk(table.coordinator, meeting, "minuted")
    make_outcome(table.partner, item, kind="action", text="空いている部屋を調べて知らせる")
    make_outcome(table.coordinator, item, kind="decision", text="年内に一度、試しに開く")
    make_issue(table.coordinator)
    return meeting


def meet(coordinator: Member, partner: Member) -> None:
    """A meeting at every point of its life, and a support council whose duty nobody has acknowledged yet."""
    person = make_person(coordinator)
    make_consent(coordinator, person, [partner])
    for status in PATHS:
        meeting = make_meeting(coordinator, [partner])
        item = make_item(coordinator, meeting, person_id=person)
        make_item(partner, meeting, title="相手の機関の議題")
        make_item(coordinator, meeting, title="もう一つの議題", postponed_why="時間が足りないため")
        name_member(coordinator, meeting, coordinator)
        walk(coordinator, meeting, status)
        if status not in {MeetingStatus.DRAFT, MeetingStatus.ANNOUNCED, MeetingStatus.CANCELLED}:
            make_outcome(coordinator, item, kind="action")
            make_outcome(coordinator, item, kind="decision")
    make_issue(coordinator)
    council = make_meeting(coordinator, [partner], kind="statutory")
    name_member(coordinator, council, coordinator)
