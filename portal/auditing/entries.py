"""Entries of the log in words: by number, in a constant number of questions, whatever their age."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.cases.models import Case
from portal.core.errors import Lack
from portal.core.labels import N_, Labelled
from portal.core.policy import Role
from portal.disclosures.models import Basis, Channel
from portal.meetings.agenda.models import AgendaItem
from portal.people.categories import Category
from portal.people.models import Person
from portal.referrals.models import Referral

GROUNDS = {"home": N_("記録を持つ機関として"), "own_work": N_("自分の機関の業務")} | {
    b.value: b.word for b in Basis
}
# Of a refusal: what was lacking.
GROUNDS |= {lack.value: lack.word for lack in Lack}
CHANNELS = {
    "portal": N_("画面"),
    "get": N_("画面"),
    "head": N_("画面"),
    "post": N_("画面"),
    "invitation": N_("招待"),
    "export": N_("ファイル出力"),
    "command": N_("コマンド"),
    "scenario": N_("取り込み"),
} | {channel.value: channel.word for channel in Channel}
# By table for acts, by the first part of the page's name for refusals.
THINGS = {
    "agency": N_("機関"),
    "agencies": N_("機関"),
    "service": N_("支援メニュー"),
    "closure": N_("休業日"),
    "staff": N_("職員"),
    "accounts": N_("職員"),
    "handovers": N_("職員の引き継ぎ"),
    "membership": N_("職員の所属"),
    "invitation": N_("職員の招待"),
    "sign_in_session": N_("サインイン"),
    "person": N_("相談者"),
    "people": N_("相談者"),
    "information": N_("区分の情報"),
    "family_tie": N_("家族関係"),
    "consent": N_("同意"),
    "consents": N_("同意"),
    "withdrawal": N_("同意の撤回"),
    "disclosure": N_("情報提供"),
    "stop_confirmation": N_("利用停止の報告"),
    "support_case": N_("ケース"),
    "cases": N_("ケース"),
    "case_goal": N_("ケースの目標"),
    "progress_note": N_("経過記録"),
    "referral": N_("つなぎ"),
    "referrals": N_("つなぎ"),
    "referral_goal": N_("つなぎの目標"),
    "follow_up": N_("会議で話すこと・地域課題"),
    "today": N_("今日のページ"),
    "audit": N_("監査記録"),
    "audit_entry": N_("監査記録"),
    "audit_head": N_("監査記録の全体"),
    "meeting_series": N_("定例会議"),
    "meeting": N_("会議"),
    "meetings": N_("会議"),
    "attendance": N_("会議の名簿"),
    "agenda_item": N_("議題"),
    "meeting_outcome": N_("決定・対応事項"),
    "addendum": N_("議事録の追記"),
    "local_issue": N_("地域課題"),
    "case_milestone": N_("支援の節目"),
    "activities": N_("活動"),
    "activity": N_("活動"),
    "activity_series": N_("定例の活動"),
    "activity_attendance": N_("活動の参加者"),
    "partner": N_("協力先"),
    "agreement": N_("協定"),
    "statistics": N_("統計"),
    "evaluations": N_("年度の評価"),
    "evaluation_area": N_("評価の項目"),
    "evaluation_text": N_("年度の評価"),
    "evaluation_closing": N_("年度の評価"),
    "evaluation_addendum": N_("年度の評価"),
    "calendar_link": N_("カレンダーの購読"),
    "feeds": N_("カレンダーの購読"),
    "calendar": N_("カレンダーの購読"),
    "emergency": N_("緊急閲覧"),
    "emergency_access": N_("緊急閲覧"),
    "emergency_notice": N_("緊急閲覧の通知"),
    "exclusion": N_("利益相反による除外"),
    "exclusions": N_("利益相反による除外"),
    "name_opening": N_("氏名の表示"),
    "audit_sample": N_("監査の抽出点検"),
    "audit_sample_item": N_("監査の抽出点検"),
    "audit_finding": N_("監査の指摘"),
    "inspections": N_("監査の点検・指摘"),
    "audit_checkpoint": N_("記録の改ざん確認用の控え"),
    "checkpoints": N_("記録の改ざん確認用の控え"),
    "monthly": N_("月次報告"),
    "watch": N_("通常と異なる閲覧の一覧"),
    "anomalies": N_("通常と異なる閲覧の一覧"),  # as a page; older entries say `watch`
    "setting": N_("設定"),
    "settings": N_("設定"),
    "configuration": N_("設定"),  # as a page; older entries say `settings`
    "erasure": N_("記録の消去"),
    "retention": N_("保存期間と消去"),
    "web": N_("共通のページ"),
    "static": N_("共通のページ"),
}

# The events by what they are about, in the order of a choice: the first part of each one's code.
SUBJECTS = {
    N_("つなぎ"): "referral message followup stop",
    N_("相談者・同意・情報提供"): "person information family consent disclosure exclusion",
    N_("ケース・経過"): "case note milestone",
    N_("会議"): "series meeting roster secrecy item packet minutes outcome action issue calendar",
    N_("緊急閲覧"): "emergency",
    N_("拒否・サインイン"): "access session password",
    N_("監査"): "audit name sample finding watch log",
    N_("活動・協力先"): "activity attendance activityseries partner agreement",
    N_("評価・統計"): "evaluation area statistics figures",
    N_("機関・職員・設定"): "agency service closure staff setting",
    N_("保存期間と消去"): "record retention erasure",
}
GROUPED: Mapping[str, list[AuditEvent]] = {
    word: [event for event in AuditEvent if event.value.partition(":")[0] in kinds.split()]
    for word, kinds in SUBJECTS.items()
}


def word_of(members: type[Labelled], code: str | None) -> str:
    """The word of a code; a code that the program no longer knows is shown as it is."""
    return next((member.word for member in members if member.value == code), code or "")


def event(code: str) -> str:
    return word_of(AuditEvent, code)


def role(code: str | None) -> str:
    return word_of(Role, code)


def ground(code: str | None) -> str:
    return GROUNDS.get(code or "", code or "")


def channel(code: str | None) -> str:
    return CHANNELS.get(code or "", code or "")


def thing(kind: str) -> str:
    return THINGS.get(kind.partition(".")[0], kind)


def categories(codes: Iterable[str]) -> tuple[str, ...]:
    """The categories of these codes, in the order of the rules."""
    known = set(codes)
    return tuple(category.word for category in Category if category.value in known)


# Entries of the log in words: by number, in a constant number of questions, and without a client's name.


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry in words (msgids). `number` is the number of its referral or case."""

    seq: int
    at: datetime
    event: str
    is_allowed: bool
    agency: str
    staff: str
    role: str
    thing: str
    number: str
    referral_id: UUID | None
    person_id: UUID | None
    person_number: str
    ground: str
    categories: tuple[str, ...]
    channel: str
    bucket: str


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the records and people whose ids stand on a page."""

    staff: dict[UUID, str]
    agencies: dict[UUID, str]
    referrals: dict[UUID, str]
    cases: dict[UUID, str]
    items: dict[UUID, UUID]
    people: dict[UUID, str]


def entries(session: Session, statement: Select[AuditEntry]) -> list[Entry]:
    """The entries of a statement, with what their ids are called, in a constant number of questions."""
    found = session.scalars(statement).all()
    objects = [entry.object_id for entry in found]
    # An item of an agenda is on the referral that it speaks of.
    items = names(session, AgendaItem.id, AgendaItem.referral_id, objects)
    words = Names(
        staff=names(session, Staff.id, Staff.name, [entry.staff_id for entry in found]),
        agencies=names(session, Agency.id, Agency.name, [entry.agency_id for entry in found]),
        referrals=names(session, Referral.id, Referral.number, [*objects, *items.values()]),
        cases=names(session, Case.id, Case.number, objects),
        items={item: referral for item, referral in items.items() if referral},
        people=names(session, Person.id, Person.number, [entry.person_id for entry in found]),
    )
    return [in_words(entry, words) for entry in found]


def names(
    session: Session, key: InstrumentedAttribute[UUID], name: Any, ids: Sequence[UUID | None]
) -> dict[UUID, Any]:
    wanted = {one for one in ids if one is not None}
    return {row[0]: row[1] for row in session.execute(select(key, name).where(key.in_(wanted)))}


def in_words(entry: AuditEntry, names: Names) -> Entry:
    body: dict[str, Any] = json.loads(entry.body)
    on = names.items.get(entry.object_id, entry.object_id) if entry.object_id else None
    number = (names.referrals.get(on) or names.cases.get(on) or "") if on else ""
    return Entry(
        seq=entry.seq,
        at=entry.at,
        event=event(entry.event),
        is_allowed=body["outcome"] == "allow",
        agency=names.agencies.get(entry.agency_id, "") if entry.agency_id else "",
        staff=names.staff.get(entry.staff_id, "") if entry.staff_id else "",
        role=role(body["role"]),
        thing=thing(body["object"][0] or ""),
        number=number,
        referral_id=on if on in names.referrals else None,
        person_id=entry.person_id if entry.person_id in names.people else None,
        person_number=names.people.get(entry.person_id, "") if entry.person_id else "",
        ground=ground(body["ground"]),
        categories=categories(body["categories"]),
        channel=channel(body["channel"]),
        bucket=body["bucket"] or "",
    )
