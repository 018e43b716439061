"""The base of every form: its key, its version, its unoffered values, and a place for a service's refusal."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from flask import g
from flask_wtf import FlaskForm
from wtforms import Field, FieldList, HiddenField, SelectField, SelectMultipleField
from wtforms.i18n import get_translations

from portal.web.language import in_english

# The form of our ids; the key of a form is 32 digits without dashes.
ID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOST = 20  # of one request: whoever sends a thousand is noted all the same


def choosers(fields: Iterable[Field]) -> Iterator[SelectField | SelectMultipleField]:
    """The fields that offer choices, those in lists of fields too."""
    for field in fields:
        if isinstance(field, FieldList):
            yield from choosers(field.entries)
        elif isinstance(field, SelectField | SelectMultipleField):
            yield field


def note(fields: Iterable[Field], guarded: frozenset[str]) -> None:
    """Remember the ids, and of the `guarded` fields any value, that were sent but not offered."""
    found = g.setdefault("unoffered", {})
    for field in choosers(fields):
        sent = {str(value) for value in field.raw_data or () if value}
        sent -= {str(value) for value, *_rest in field.iter_choices()} if sent and field.choices else set()
        for value in sorted(sent):
            if ID.fullmatch(value.lower()):
                found[UUID(value)] = None
            elif field.name in guarded:
                found[None] = None


def noted() -> list[Any]:
    """The remembered ids, and None for another value of a guarded field; forgotten afterwards."""
    return list(g.pop("unoffered", {}))[:MOST]


# The base of every form: its key, its version, and a place for what a service refused.

_KEY = re.compile("[0-9a-f]{32}")


class IdempotencyKeyField(HiddenField):
    """A random key made when the form is first shown and kept when it is shown again.

    A form sent twice is thus done once. `data` is the key of what was typed: the browser's Back button shows
    the same form, and somebody who then types something else means something else. An edited record neither
    gives its own key to the form nor takes it.
    """

    shown = ""

    def process_data(self, value: Any) -> None:
        """A new key, whatever the record holds."""
        self.data = self.shown = uuid4().hex

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Keep the key that was sent; anything that is not a key of ours leaves the new one."""
        if valuelist and _KEY.fullmatch(str(valuelist[0])):
            self.data = self.shown = str(valuelist[0])

    def tie_to(self, sent: Any) -> None:
        """Derive the key from this form and these typed words."""
        words = sorted((k, v) for k, v in sent.items(multi=True) if k not in {self.name, "csrf_token"})
        whole = repr((self.shown, words)).encode("utf-8", "backslashreplace")
        self.data = hashlib.sha256(whole).hexdigest()[:32]

    def _value(self) -> str:
        return self.shown

    def populate_obj(self, obj: object, name: str) -> None:
        """Leaves the record alone: the key belongs to the act, not to the record."""


class VersionField(HiddenField):
    """The version of the record that the form showed; a value that is no number matches none."""

    @property
    def number(self) -> int:
        typed = str(self.data)
        return int(typed) if re.fullmatch("[0-9]{1,9}", typed) else -1


@cache
def own_words(language: str) -> Any:
    """WTForms' own messages, parsed once per process instead of once per form."""
    return get_translations([language])


class BaseForm(FlaskForm):
    """A form with its CSRF token, its idempotency key, and a place on top for what a service refused."""

    class Meta(FlaskForm.Meta):
        def get_translations(self, form: Any) -> Any:
            """The messages in the reader's language."""
            return own_words("en" if in_english() else "ja")

    # Fields in which any unoffered value is logged as a refusal, not ids alone: a role, for instance.
    guarded: frozenset[str] = frozenset()
    # Not for forms whose lists depend on one another: an honest choice may then be missing from a list.
    notes_unoffered = True
    idempotency_key = IdempotencyKeyField()
    form_problem: str | None = None
    status: int = 200

    def process(self, formdata: Any = None, *args: Any, **more: Any) -> None:
        super().process(formdata, *args, **more)
        sent = self.meta.wrap_formdata(self, formdata)
        if sent and "idempotency_key" in self:  # a form that changes nothing has none
            self.idempotency_key.tie_to(sent)

    def validate(self, *args: Any, **more: Any) -> bool:
        is_valid: bool = super().validate(*args, **more)
        if self.notes_unoffered:
            note(self, self.guarded)
        return is_valid

    def refuse(self, message: str, field: str | None = None) -> None:
        """Show a refusal, in the reader's language: at the named field when the form has it, else on top.

        For a `PortalError`: `form.refuse(error.text(), error.field)`.
        """
        shown = self[field] if field is not None and field in self else None
        if shown is not None and isinstance(shown.errors, list | tuple):
            shown.errors = [*shown.errors, message]
        else:
            self.form_problem = message


class AddressForm(BaseForm):
    """The filters of a list, which stand in its address: they change nothing, so nothing is sent once or signed.

    A value that is not offered filters nothing.
    """

    class Meta(BaseForm.Meta):
        csrf = False

    idempotency_key = None  # type: ignore[assignment]
    notes_unoffered = False

    @property
    def names(self) -> set[str]:
        return {one.name for one in self}

    @property
    def is_used(self) -> bool:
        return any(one.data or one.errors for one in self)

    def settle(self) -> None:
        """Take back what is not offered or not understood; what was typed stays, with the word what is wrong."""
        self.validate()
        for one in self:
            if isinstance(one, SelectField):
                offered = {str(value) for value, *_rest in one.iter_choices()}
                one.data = one.data if one.data in offered else ""
            elif one.errors:
                one.data = None
