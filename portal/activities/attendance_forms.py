"""What may be typed about who came."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, HiddenField, RadioField
from wtforms.validators import ValidationError

from portal.activities.attendance_services import Heads
from portal.consents.forms import Ticks
from portal.web.base_form import BaseForm
from portal.web.fields import CleanString, CleanText, MaxLength, Required

LINE, TEXT = MaxLength(200), MaxLength(20_000)


def uuids(typed: Iterable[Any]) -> list[UUID]:
    """Ids that came from outside; what is none is left out."""
    found = []
    for one in typed:
        try:
            found.append(UUID(str(one)))
        except ValueError:
            continue
    return found


class NumberField(CleanString):
    """A number of people in digits of any width; None when blank."""

    @property
    def number(self) -> int | None:
        return int(self.data) if self.data else None

    def tidy(self, text: str) -> str:
        return unicodedata.normalize("NFKC", text).strip().removesuffix("人").strip()

    def pre_validate(self, form: Any) -> None:
        typed = self.data or ""
        if typed and not (typed.isascii() and typed.isdigit() and len(typed) <= 6):
            raise ValidationError(gettext("人数は数字で入力してください。"))


class PickForm(BaseForm):
    """People to choose from, and a search that offers more of them."""

    q = CleanString(lazy_gettext("氏名・ふりがなで探す"), [LINE])
    searched = HiddenField()

    @property
    def asks_for(self) -> str:
        """The name that was typed and not looked for yet; pressing save does not pass it over."""
        q = self.q.data or ""
        return "" if q == self.searched.data else q


class CameForm(PickForm):
    """Who came: boxes to tick, and heads without a name."""

    people = Ticks(lazy_gettext("参加した人"))
    first = NumberField(lazy_gettext("匿名（初めて）"))
    again = NumberField(lazy_gettext("匿名（2回目以降）"))

    def heads(self) -> Heads:
        people = dict.fromkeys(uuids(self.people.data or ()), "")
        return Heads(people, self.first.number or 0, self.again.number or 0)


class AttendanceForm(CameForm):
    """More people for an activity that is on record; `was` are the anonymous heads that the form showed."""

    was = HiddenField()

    def expected(self) -> tuple[int, int] | None:
        first, _, again = (self.was.data or "").partition("-")
        return (int(first), int(again)) if first.isdecimal() and again.isdecimal() else None


class LinkForm(PickForm):
    """Who somebody anonymous was."""

    people = RadioField(
        lazy_gettext("相談者"),
        [Required(lazy_gettext("相談者を選んでください。"))],
        choices=[],
        validate_choice=False,
    )


class HeadForm(BaseForm):
    """What concerns one person on one day; `was` stands for the note that the form showed."""

    note = CleanText(lazy_gettext("メモ"), [TEXT])
    is_first = BooleanField(lazy_gettext("初めての参加"))
    was = HiddenField()


class UnlinkForm(BaseForm):
    note = CleanText(lazy_gettext("匿名の記録に残すメモ"), [TEXT])
