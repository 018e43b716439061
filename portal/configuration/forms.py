"""The form that changes a setting."""

from __future__ import annotations

import re
import unicodedata

from flask_babel import gettext, lazy_gettext
from wtforms.validators import ValidationError

from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import CleanString, Required


class NumberField(CleanString):
    """A whole number, in digits of any width."""

    @property
    def number(self) -> int:
        return int(self.data or "")

    def tidy(self, text: str) -> str:
        return unicodedata.normalize("NFKC", text).strip()

    def pre_validate(self, form: object) -> None:
        if self.data and not re.fullmatch("[0-9]{1,4}", self.data):
            raise ValidationError(gettext("数字で入力してください。"))


class SettingForm(BaseForm):
    idempotency_key = None  # type: ignore[assignment]  # set twice it is set once
    value = NumberField(lazy_gettext("新しい値"), [Required(lazy_gettext("値を入力してください。"))])
    version = VersionField()
