"""Every page of inspections, figures, months and checkpoints answers to whom it is for, and to nobody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from portal.core import clock
from portal.core.policy import Role
from tests.browsers import Browser
from tests.factories import make_agency, make_member, make_referral

Visit = Callable[..., Browser]

AUDITORS = ("/inspections/", "/inspections/new", "/inspections/findings/new", "/audit/figures/")
CASES = (
    *((path, {"auditor"}) for path in AUDITORS),
    ("/audit/figures/figures.csv", {"auditor"}),
    ("/audit/figures/figures.xlsx", {"auditor"}),
    ("/inspections/findings", {"auditor", "agency_admin", "coordinator", "both"}),
    ("/reports/monthly/", {"agency_admin", "coordinator", "both"}),
    ("/reports/monthly/{year}/{month}", {"agency_admin", "coordinator", "both"}),
    ("/reports/monthly/{year}/{month}.pdf", {"agency_admin", "coordinator", "both"}),
    ("/audit/checkpoints", {"auditor", "system_admin", "agency_admin", "both"}),
    ("/audit/restore", {"auditor", "system_admin"}),
)


@pytest.mark.parametrize(("path", "readers"), CASES, ids=[case[0] for case in CASES])
def test_a_page_answers_to_its_readers(app: Flask, browser: Visit, path: str, readers: set[str]) -> None:
    agency = make_agency()
    people = {role.value: make_member(agency if role in Role else None, role) for role in list(Role)[:3]}
    people |= {role.value: make_member(role=role) for role in (Role.AUDITOR, Role.SYSTEM_ADMIN)}
    people["both"] = make_member(agency, administers=True)
    make_referral(people["staff"], make_member())
    today = clock.today()
    path = path.format(year=today.year, month=today.month)
    answers = {name: browser(who).get(path).status_code for name, who in people.items()}
    assert answers == {name: 200 if name in readers else 403 for name in people}


def test_a_month_that_is_none_or_not_yet_is_missing(app: Flask, browser: Visit) -> None:
    desk = browser(make_member(role=Role.COORDINATOR))
    for path in ("2026/13", "2026/0", "2999/1", "1999/1", "2026/13.pdf"):
        assert desk.get(f"/reports/monthly/{path}").status_code == 404
