"""Forms of proposing an erasure and of agreeing to one."""

from __future__ import annotations

from flask_babel import lazy_gettext
from wtforms import PasswordField, RadioField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs

from portal.people.forms import Chosen
from portal.retention.models import ErasureGround
from portal.retention.services import LONGEST_REASON
from portal.web.base_form import BaseForm
from portal.web.fields import CleanText, MaxLength, Required


class ProposeForm(BaseForm):
    ground = RadioField(
        lazy_gettext("消去する理由の種類"),
        [Chosen(ErasureGround, lazy_gettext("理由の種類を選んでください。"))],
        choices=lambda: [SelectChoice(one.value, lazy_gettext(one.word)) for one in ErasureGround],
        validate_choice=False,
    )
    reason = CleanText(lazy_gettext("理由"), [Required(), MaxLength(LONGEST_REASON)])

    def chosen(self) -> ErasureGround:
        return ErasureGround(self.ground.data)


class AgreeForm(BaseForm):
    idempotency_key = None  # type: ignore[assignment]  # the second sending finds it done
    password = PasswordField(lazy_gettext("自分のパスワード"), [Required()])
