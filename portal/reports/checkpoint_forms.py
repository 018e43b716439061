"""What may be typed when a restore or a jump of the clock is declared."""

from flask_babel import lazy_gettext
from wtforms import BooleanField, PasswordField

from portal.accounts.forms import KeylessForm
from portal.accounts.signing_in import LONGEST_ADDRESS
from portal.inspections import clock
from portal.inspections.restoring import LONGEST_REASON
from portal.web.base_form import BaseForm
from portal.web.fields import CleanString, CleanText, MaxLength, Required


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
