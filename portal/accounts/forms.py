"""Forms of signing in, of one's own account and of looking after staff."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, HiddenField, PasswordField, RadioField, SelectField
from wtforms.validators import ValidationError

from portal.accounts.services import LONGEST_NAME, Post
from portal.accounts.signing_in import LONGEST_ADDRESS
from portal.policy import Role
from portal.web.fields import BaseForm, CleanString, MaxLength, Required, VersionField

LANGUAGE_NAMES = (("ja", "日本語"), ("en", "English"))


class SignInForm(BaseForm):
    """Signing in makes no record that must not be made twice, so it carries no key."""

    idempotency_key = None
    email = CleanString(lazy_gettext("メールアドレス"), [Required(), MaxLength(LONGEST_ADDRESS)])
    password = PasswordField(lazy_gettext("パスワード"), [Required()])
    next = HiddenField()


class LanguageForm(BaseForm):
    idempotency_key = None
    language = RadioField(lazy_gettext("表示言語"), [Required()], choices=LANGUAGE_NAMES)


class NewPasswordForm(BaseForm):
    """A password typed twice."""

    idempotency_key = None
    password = PasswordField(lazy_gettext("新しいパスワード"), [Required()])
    again = PasswordField(lazy_gettext("新しいパスワード（確認）"), [Required()])

    def validate_again(self, field: Any) -> None:
        if field.data != self.password.data:
            raise ValidationError(gettext("二つの入力が違います。同じパスワードを入力してください。"))


class ChangePasswordForm(BaseForm):
    idempotency_key = None
    current = PasswordField(lazy_gettext("現在のパスワード"), [Required()])
    new = PasswordField(lazy_gettext("新しいパスワード"), [Required()])
    again = PasswordField(lazy_gettext("新しいパスワード（確認）"), [Required()])

    def validate_again(self, field: Any) -> None:
        if field.data != self.new.data:
            raise ValidationError(gettext("二つの入力が違います。同じパスワードを入力してください。"))


class PostForm(BaseForm):
    """Name, role and agency; the choices are those that the person filling it in may give."""

    name = CleanString(lazy_gettext("氏名"), [Required(), MaxLength(LONGEST_NAME)])
    role = RadioField(lazy_gettext("役割"), [Required()], coerce=str)
    administers = BooleanField(lazy_gettext("機関の管理もする"))
    agency = SelectField(lazy_gettext("機関"), coerce=str)

    def offer(self, roles: Iterable[Role], agencies: Iterable[tuple[UUID, str]] | None) -> None:
        """`agencies` is None for who looks after one agency only: then nothing is asked."""
        self.role.choices = [(role.value, gettext(role.word)) for role in roles]
        if agencies is None:
            del self.agency
        else:
            none = ("", gettext("（機関に属さない）"))
            self.agency.choices = [none, *((str(key), name) for key, name in agencies)]

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


class LeaveForm(BaseForm):
    """The tick that lets an agency lose its last administrator."""

    idempotency_key = None
    leave_unmanaged = BooleanField(lazy_gettext("管理者がいなくなることを確認しました"))


class ButtonForm(BaseForm):
    """A form that is one button."""

    idempotency_key = None
