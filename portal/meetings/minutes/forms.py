"""Forms for running a meeting and for correcting its minutes."""

from __future__ import annotations

from flask_babel import lazy_gettext
from wtforms import BooleanField, SelectMultipleField
from wtforms.widgets import CheckboxInput, ListWidget

from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import CleanString, CleanText, MaxLength, Required

LONGEST_MINUTES = 20_000


class MinutesForm(BaseForm):
    version = VersionField()
    text = CleanText(lazy_gettext("議事録"), [MaxLength(LONGEST_MINUTES)])


class SettleForm(BaseForm):
    """Which of two texts stands; the buttons say which."""

    version = VersionField()


class StepForm(BaseForm):
    """Confirms a step of the meeting; `version` is that of the meeting that the form showed.

    `text` and `confirmed` are asked where something speaks against the step; the services say what. Who is here is
    asked at the beginning.
    """

    version = VersionField()
    text = CleanString(lazy_gettext("理由"), [MaxLength(300)])
    confirmed = BooleanField(lazy_gettext("上のことを確かめたうえで進めます"))
    present = SelectMultipleField(
        lazy_gettext("出席した方"),
        choices=(),
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )


class ConfirmForm(BaseForm):
    """A button alone."""


class PutOffForm(BaseForm):
    why = CleanString(
        lazy_gettext("理由"), [Required(lazy_gettext("理由を入力してください。")), MaxLength(300)]
    )


class AddendumForm(BaseForm):
    text = CleanText(
        lazy_gettext("追記する内容"),
        [Required(lazy_gettext("追記する内容を入力してください。")), MaxLength(4000)],
    )


def apart(form: BaseForm, key: object) -> BaseForm:
    """Give the controls of this form ids of their own: the page holds one such form for each item."""
    for field in form:
        field.id = f"{field.id}-{key}"
        field.label.field_id = field.id
    return form
