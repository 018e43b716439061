"""What the auditor may narrow the log to. Its address holds codes and numbers, no names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import SelectField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs

from portal.audit.events import AuditEvent
from portal.reports.audit_queries import AuditFilter
from portal.web.base_form import BaseForm
from portal.web.fields import CleanString, EraDateField, MaxLength


class AuditFilterForm(BaseForm):
    class Meta:
        csrf = False

    number = CleanString(lazy_gettext("番号"), [MaxLength(100)])
    agency = SelectField(lazy_gettext("機関"), default="")
    event = SelectField(lazy_gettext("できごと"), default="")
    first = EraDateField(lazy_gettext("いつから"))
    last = EraDateField(lazy_gettext("いつまで"))

    def __init__(self, agencies: Iterable[tuple[UUID, str]], asked: Any) -> None:
        super().__init__(formdata=asked)
        everything = [SelectChoice("", gettext("すべて"))]
        self.agency.choices = everything + [
            SelectChoice(str(agency_id), name) for agency_id, name in agencies
        ]
        self.event.choices = everything + [SelectChoice(e.value, gettext(e.word)) for e in AuditEvent]

    def wanted(self) -> AuditFilter:
        """What was asked for; a field that was refused narrows nothing."""
        agency, event = self.good(self.agency), self.good(self.event)
        return AuditFilter(
            agency_id=UUID(agency) if agency else None,
            event=AuditEvent(event) if event else None,
            first=self.good(self.first),
            last=self.good(self.last),
            number=self.good(self.number) or "",
        )

    def good(self, field: Any) -> Any:
        return None if field.errors else field.data
