"""Forms of signing in, of one's own account and of looking after staff."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, HiddenField, PasswordField, RadioField, SelectField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import ValidationError

from portal.accounts.services import LONGEST_NAME, Post
from portal.accounts.signing_in import LONGEST_ADDRESS
from portal.core.policy import Role
from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import CleanString, EraDateField, MaxLength, Required
from portal.web.formats import era_date

LANGUAGE_NAMES = [SelectChoice("ja", "日本語"), SelectChoice("en", "English")]


class KeylessForm(BaseForm):
    """For acts that make no record, and may be done twice."""

    idempotency_key = None  # type: ignore[assignment]  # so WTForms takes a field out


class SignInForm(KeylessForm):
    email = CleanString(lazy_gettext("メールアドレス"), [Required(), MaxLength(LONGEST_ADDRESS)])
    password = PasswordField(lazy_gettext("パスワード"), [Required()])
    next = HiddenField()


class LanguageForm(KeylessForm):
    language = RadioField(lazy_gettext("表示言語"), [Required()], choices=LANGUAGE_NAMES)


class NewPasswordForm(KeylessForm):
    """A password typed twice."""

    password = PasswordField(lazy_gettext("新しいパスワード"), [Required()])
    again = PasswordField(lazy_gettext("新しいパスワード（確認）"), [Required()])

    def validate_again(self, field: Any) -> None:
        if field.data != self.password.data:
            raise ValidationError(gettext("二つの入力が違います。同じパスワードを入力してください。"))


class ChangePasswordForm(KeylessForm):
    current = PasswordField(lazy_gettext("現在のパスワード"), [Required()])
    new = PasswordField(lazy_gettext("新しいパスワード"), [Required()])
    again = PasswordField(lazy_gettext("新しいパスワード（確認）"), [Required()])

    def validate_again(self, field: Any) -> None:
        if field.data != self.new.data:
            raise ValidationError(gettext("二つの入力が違います。同じパスワードを入力してください。"))


class PostForm(BaseForm):
    """Name, role and agency; the choices are those that the person filling it in may give."""

    guarded = frozenset({"role"})
    name = CleanString(lazy_gettext("氏名"), [Required(), MaxLength(LONGEST_NAME)])
    role = RadioField(lazy_gettext("役割"), [Required()], coerce=str)
    administers = BooleanField(lazy_gettext("機関の管理もする"))
    agency = SelectField(lazy_gettext("機関"), coerce=str)

    def offer(self, roles: Iterable[Role], agencies: Iterable[tuple[UUID, str]] | None) -> None:
        """Fill the choices; `agencies` is None for an administrator of one agency, who has no choice."""
        self.role.choices = [SelectChoice(role.value, gettext(role.word)) for role in roles]
        if agencies is None:
            del self.agency
        else:
            none = SelectChoice("", gettext("（機関に属さない）"))
            self.agency.choices = [none, *(SelectChoice(str(key), name) for key, name in agencies)]

    def post(self, own_agency: UUID | None) -> Post:
        agency = own_agency
        if "agency" in self:
            agency = UUID(self.agency.data) if self.agency.data else None
        return Post(Role(self.role.data), agency, bool(self.administers.data))


class InviteForm(PostForm):
    email = CleanString(lazy_gettext("メールアドレス"), [Required(), MaxLength(LONGEST_ADDRESS)])


class StaffForm(PostForm):
    version = VersionField()
    leave_unmanaged = BooleanField(lazy_gettext("管理者がいなくなることを確認しました"))

    def keep_post(self) -> None:
        """Ask for the name only: nobody changes their own role or agency."""
        del self.role, self.administers, self.agency


class AbsenceForm(KeylessForm):
    """The first and the last day on which somebody is away."""

    starts_on = EraDateField(lazy_gettext("休みの最初の日"), [Required()])
    until = EraDateField(lazy_gettext("休みの最後の日"), [Required()])


def named(colleague: Any) -> str:
    """The name of a colleague in a list to choose from; of one who is away, also until when."""
    if not colleague.away_until:
        return str(colleague.name)
    day = era_date(colleague.away_until)
    return str(gettext("%(name)s（%(day)sまで休み）", name=colleague.name, day=day))


class LeaveForm(KeylessForm):
    """The tick that lets an agency lose its last administrator."""

    leave_unmanaged = BooleanField(lazy_gettext("管理者がいなくなることを確認しました"))
