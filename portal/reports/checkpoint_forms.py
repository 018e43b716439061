"""What may be typed when a restore is declared."""

from flask_babel import lazy_gettext

from portal.inspections.restoring_services import LONGEST_REASON
from portal.web.base_form import BaseForm
from portal.web.fields import CleanText, MaxLength, Required


class RestoreForm(BaseForm):
    reason = CleanText(
        lazy_gettext("いつ、どのバックアップから、なぜ戻したか"),
        [
            Required(lazy_gettext("いつ、どのバックアップから、なぜ戻したかを入力してください。")),
            MaxLength(LONGEST_REASON),
        ],
    )
