"""Forms that take a post away and say who takes over what hangs on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import SelectField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs

from portal.accounts.forms import LeaveForm, StaffForm, named

NOBODY = "none"


class HeirField(SelectField):
    """A colleague, or nobody, which must be said; not a field that every form sends."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **{"default": ""} | more)

    def offer(self, colleagues: Iterable[Any]) -> None:
        self.choices = [
            SelectChoice("", gettext("引き継ぐ人を選ぶ")),
            *(SelectChoice(str(one.id), named(one)) for one in colleagues),
            SelectChoice(NOBODY, gettext("だれにも引き継がない（担当は未定になります）")),
        ]

    @property
    def decided(self) -> bool:
        return bool(self.data)

    @property
    def heir_id(self) -> UUID | None:
        return UUID(self.data) if self.data and self.data != NOBODY else None


class DisableForm(LeaveForm):
    heir = HeirField(lazy_gettext("引き継ぐ人"))


class MoveForm(StaffForm):
    heir = HeirField(lazy_gettext("引き継ぐ人"))
