"""Minutes and extracts as plain text: UTF-8, one line under the other, for mail and old word processors."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import Any

from flask import send_file
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.meetings.agenda.numbers import EXPLAINED
from portal.meetings.agenda.queries import ItemView
from portal.meetings.minutes.queries import AddendumView
from portal.meetings.outcomes.queries import OutcomeView
from portal.web.formats import era_date, era_datetime

RULE = "─" * 30


def response(text: str, filename: str) -> ResponseReturnValue:
    return send_file(BytesIO(text.encode()), mimetype="text/plain", download_name=filename)


def whole(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def indented(text: str) -> list[str]:
    return [f"　{line}" if line else "" for line in text.split("\n")] if text else []


def of_outcome(one: OutcomeView) -> list[str]:
    head = f"・{gettext(one.kind.word)}："
    lines = (one.text if one.is_readable else gettext("内容は表示できません。")).split("\n")
    found = [f"{head}{lines[0]}", *indented("\n".join(lines[1:]))]
    if one.is_promise:
        who = "　".join(part for part in (one.owner_name, one.owner_staff_name) if part)
        found.append(f"　{gettext('担当')}：{who}　{gettext('期限')}：{era_date(one.due_on)}")
    if one.referral_step:
        found.append(f"　{gettext('つなぎの手続き')}：{gettext(one.referral_step.word)}")
    if one.to_name:
        found.append(f"　{gettext('新しくつなぐ先')}：{one.to_name}")
    return found


def of_addendum(one: AddendumView) -> list[str]:
    who = "　".join(part for part in (one.agency_name, one.staff_name) if part)
    return [f"{gettext('追記')}（{era_datetime(one.created_at)}　{who}）", *indented(one.text)]


def results(outcomes: Iterable[OutcomeView], addenda: Iterable[AddendumView]) -> list[str]:
    return [line for one in outcomes for line in of_outcome(one)] + [
        line for one in addenda for line in of_addendum(one)
    ]


def of_item(item: ItemView, shown: dict[str, Any]) -> list[str]:
    number = f"{item.mark} " if item.mark else ""
    found = ["", f"{number}{shown['name_of'](item)}"]
    if item.postponed_why or not item.stands:
        found.append(f"　{gettext('次回に持ち越し')}：{item.postponed_why}")
    if item.is_readable:
        found += indented(item.minutes_text)
    else:
        found.append(f"　{gettext('提供の根拠が終わっているため、内容は表示しません。')}")
    return found + results(shown["outcomes"].get(item.id, ()), shown["addenda"].get(item.id, ()))


def of_meeting(shown: dict[str, Any]) -> str:
    meeting = shown["meeting"]
    came = [one for one in shown["attendance"] if one.was_there]
    lines = [
        f"{gettext('議事録')}　{meeting.name}",
        gettext("取扱注意"),
        RULE,
        f"{gettext('種類')}：{gettext(meeting.kind.word)}",
        f"{gettext('日時')}：{era_datetime(meeting.starts_at)}{gettext('（予定）')}",
        *([f"{gettext('開会')}：{era_datetime(meeting.begun_at)}"] if meeting.begun_at else []),
        *([f"{gettext('閉会')}：{era_datetime(meeting.closed_at)}"] if meeting.closed_at else []),
        f"{gettext('場所')}：{meeting.place or '―'}",
        f"{gettext('主催機関')}：{meeting.convener_name}",
        f"{gettext('状態')}：{gettext(meeting.status.word)}",
        f"{gettext('出席')}：",
        *(
            [f"　{one.agency_name}　{one.name}" for one in came]
            or [f"　{gettext('まだ記録されていません。')}"]
        ),
        RULE,
        gettext("この資料には、貴機関に提供できる議題だけを載せています。"),
        gettext(EXPLAINED),
    ]
    for item in shown["items"]:
        lines += of_item(item, shown)
    if shown["owed"]:
        lines += ["", gettext("貴機関の対応事項"), *results(shown["owed"], ())]
    if shown["addenda"].get(None):
        lines += ["", gettext("議事録全体への追記"), *results((), shown["addenda"][None])]
    return whole(lines)


def of_person(shown: dict[str, Any]) -> str:
    heading = shown["heading"]
    lines = [
        f"{gettext('議事録の抜粋')}　{heading.label or gettext('氏名非表示')}",
        gettext("取扱注意"),
        RULE,
    ]
    if not shown["parts"]:
        lines.append(gettext("この人についての議事録はありません。"))
    for part in shown["parts"]:
        title = f"：{part.title}" if part.title else ""
        lines += ["", f"{era_date(part.starts_at)}　{part.meeting_name}", f"{gettext(part.kind.word)}{title}"]
        if part.postponed_why:
            lines.append(f"　{gettext('次回に持ち越し')}：{part.postponed_why}")
        lines += indented(part.minutes_text)
        lines += results(part.outcomes, part.addenda)
    return whole(lines)
