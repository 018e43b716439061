"""The form that announces a meeting."""

from __future__ import annotations

from flask_babel import lazy_gettext
from wtforms import BooleanField
from wtforms.validators import InputRequired

from portal.web.base_form import BaseForm, VersionField


class AnnounceForm(BaseForm):
    version = VersionField()
    checked = BooleanField(
        lazy_gettext("だれに何が見えるかを確認しました"),
        [InputRequired(lazy_gettext("表を確かめて、確認のチェックを入れてください。"))],
    )
