"""The auditor's filter of the log, the reason to open a name, and declarations of restores and jumps."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, PasswordField, SelectField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import ValidationError

from portal.accounts.forms import KeylessForm
from portal.accounts.signing_in import LONGEST_ADDRESS
from portal.audit.events import AuditEvent
from portal.auditing import entries
from portal.auditing.queries import NOWHERE, AuditFilter, Outcome
from portal.inspections import clock
from portal.inspections.restoring import LONGEST_REASON
from portal.web.base_form import BaseForm
from portal.web.fields import CleanString, CleanText, EraDateField, EraDateTimeField, MaxLength, Required

Named = Iterable[tuple[UUID, str]]


def uuid_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


class AuditFilterForm(BaseForm):
    """Sent by POST, answered by an address that holds codes and random ids."""

    notes_unoffered = False  # the staff of one agency are still chosen when another agency is

    class Meta:
        csrf = False  # it changes nothing; the portal checks the token of every POST besides

    person_number = CleanString(lazy_gettext("相談者番号"), [MaxLength(100)])
    number = CleanString(lazy_gettext("つなぎ・ケースの番号"), [MaxLength(100)])
    first = EraDateField(lazy_gettext("いつから"))
    last = EraDateField(lazy_gettext("いつまで"))
    agency = SelectField(lazy_gettext("機関"), default="")
    staff = SelectField(lazy_gettext("職員"), default="")
    event = SelectField(lazy_gettext("できごと"), default="")
    ground = SelectField(lazy_gettext("根拠"), default="")
    outcome = SelectField(lazy_gettext("結果"), default="")

    def __init__(self, agencies: Named, staff: Named, asked: Any) -> None:
        super().__init__(formdata=asked)
        everything = [SelectChoice("", gettext("すべて"))]
        self.agency.choices = [
            *everything,
            *(SelectChoice(str(agency_id), name) for agency_id, name in agencies),
            SelectChoice(str(NOWHERE), gettext("機関に属さない（監査・システム管理・システム）")),
        ]
        self.staff.choices = everything + [SelectChoice(str(staff_id), name) for staff_id, name in staff]
        self.event.choices = everything + [
            SelectChoice(event.value, gettext(event.word), optgroup=gettext(group))
            for group, events in entries.GROUPED.items()
            for event in events
        ]
        self.ground.choices = everything + [
            SelectChoice(code, gettext(word)) for code, word in entries.GROUNDS.items()
        ]
        self.outcome.choices = [
            *everything,
            SelectChoice(Outcome.ALLOW.value, gettext("許可")),
            SelectChoice(Outcome.DENY.value, gettext("拒否")),
        ]

    def validate_last(self, field: Any) -> None:
        first: date | None = self.good(self.first)
        if first and field.data and field.data < first:
            raise ValidationError(gettext("「いつから」より前の日付です。期間を確かめてください。"))

    def wanted(self, people: Iterable[UUID] = (), about: Iterable[UUID] = ()) -> AuditFilter:
        """The filter as asked for; a field that was refused narrows nothing."""
        event, outcome = self.good(self.event), self.good(self.outcome)
        return AuditFilter(
            agency_id=uuid_of(self.good(self.agency) or ""),
            staff_id=uuid_of(self.good(self.staff) or ""),
            event=AuditEvent(event) if event else None,
            ground=self.good(self.ground) or "",
            outcome=Outcome(outcome) if outcome else None,
            first=self.good(self.first),
            last=self.good(self.last),
            people=tuple(people),
            about=tuple(about),
        )

    def say_days(self) -> None:
        """Show the days of an address in the reader's language; refused ones stay as typed."""
        for field in (self.first, self.last):
            if not field.errors:
                field.raw_data = None

    def good(self, field: Any) -> Any:
        return None if field.errors else field.data


class AsOfForm(BaseForm):
    class Meta:
        csrf = False

    at = EraDateTimeField(lazy_gettext("いつの時点か"))


class NameForm(BaseForm):
    """The reason to open a name, and a confirmation."""

    reason = CleanText(lazy_gettext("氏名を表示する理由"), [Required(), MaxLength(500)])
    is_needed = BooleanField(
        lazy_gettext("監査に必要な場合に限って見ること、見たことが記録に残ることを確認しました"),
        [Required(lazy_gettext("確認のうえ、チェックを入れてください。"))],
    )


class NameSearchForm(NameForm):
    """A name that a citizen gave who complains, and why it is looked for."""

    name = CleanString(lazy_gettext("氏名またはふりがな"), [Required(), MaxLength(100)])
    birth = EraDateField(lazy_gettext("生年月日"))
    reason = CleanText(lazy_gettext("氏名で探す理由"), [Required(), MaxLength(500)])


# What may be typed when a restore or a jump of the clock is declared.


class RestoreForm(BaseForm):
    reason = CleanText(
        lazy_gettext("いつ、どのバックアップから、なぜ戻したか"),
        [
            Required(lazy_gettext("いつ、どのバックアップから、なぜ戻したかを入力してください。")),
            MaxLength(LONGEST_REASON),
        ],
    )


class ClockForm(KeylessForm):
    """Sent twice it is done once: after the first time the clock is not behind any more."""

    reason = CleanText(
        lazy_gettext("時計がどうずれていたか、どう直したか"),
        [
            Required(lazy_gettext("時計がどうずれていたか、どう直したかを入力してください。")),
            MaxLength(clock.LONGEST_REASON),
        ],
    )
    is_right = BooleanField(
        lazy_gettext("サーバーの時計が、いま正しい時刻を指していることを確かめました"),
        [Required(lazy_gettext("時計が正しいことを確かめてから、印をつけてください。"))],
    )


class ClockDoorForm(ClockForm):
    email = CleanString(lazy_gettext("メールアドレス"), [Required(), MaxLength(LONGEST_ADDRESS)])
    password = PasswordField(lazy_gettext("パスワード"), [Required()])
