"""Forms of the roster and the duty of secrecy."""

from __future__ import annotations

from flask_babel import lazy_gettext
from wtforms import BooleanField, SelectField, SelectMultipleField
from wtforms.validators import InputRequired
from wtforms.widgets import CheckboxInput, ListWidget

from portal.web.base_form import BaseForm
from portal.web.fields import CleanString, MaxLength, Required


class MemberForm(BaseForm):
    staff = SelectField(lazy_gettext("職員"), [InputRequired(lazy_gettext("職員を選んでください。"))])


class GuestForm(BaseForm):
    name = CleanString(
        lazy_gettext("氏名"), [Required(lazy_gettext("氏名を入力してください。")), MaxLength(80)]
    )
    guest_from = CleanString(lazy_gettext("所属"), [MaxLength(120)])


class AttendanceForm(BaseForm):
    present = SelectMultipleField(
        lazy_gettext("出席した方"), widget=ListWidget(prefix_label=False), option_widget=CheckboxInput()
    )


class RegularsForm(BaseForm):
    staff = SelectMultipleField(
        lazy_gettext("いつも出席する職員"),
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )


class OathForm(BaseForm):
    agreed = BooleanField(
        lazy_gettext("上の内容を読み、守秘義務を負うことを確認しました"),
        [InputRequired(lazy_gettext("内容を読んで、確認のチェックを入れてください。"))],
    )
