"""What may be typed when a promise is closed."""

from flask_babel import lazy_gettext

from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import CleanText, MaxLength


class PromiseDoneForm(BaseForm):
    version = VersionField()
    note = CleanText(lazy_gettext("結果・理由"), [MaxLength(1000)])
