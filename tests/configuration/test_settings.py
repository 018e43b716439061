"""Settings: seen and changed by the system administrator alone, within bounds, once for two forms, and logged."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

import portal
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.configuration import queries, services
from portal.configuration.catalogue import SPECS
from portal.configuration.models import Setting
from portal.core.db import db
from portal.core.errors import Invalid, NotAllowed, StaleForm
from portal.core.policy import Role
from tests.browsers import Browser
from tests.factories import Member, make_agency, make_member

pytestmark = pytest.mark.quick

KEY = "retention.case_years"
Open = Callable[..., Browser]


@pytest.fixture
def keeper(app: object) -> Member:
    return make_member(role=Role.SYSTEM_ADMIN)


def test_every_setting_is_shown_with_its_value_bounds_and_reason(browser: Open, keeper: Member) -> None:
    page = browser(keeper).get("/settings/").text
    for spec in SPECS:
        assert spec.label in page
        assert spec.source, f"{spec.key} says not why"
        assert spec.source in page
        assert f"/settings/{spec.key}" in page
        assert f"{spec.least}～{spec.most}" in page
    assert "まだ変更はありません" in page


def test_no_setting_is_without_effect() -> None:
    """What nothing asks for is a promise that nobody keeps."""
    code = "".join(
        path.read_text() for path in Path(portal.__file__).parent.rglob("*.py") if path.stem != "catalogue"
    )
    assert [spec.key for spec in SPECS if f'"{spec.key}"' not in code] == []


@pytest.mark.both_databases
def test_a_change_is_in_force_logged_and_told(browser: Open, keeper: Member) -> None:
    one = browser(keeper)
    form = one.get(f"/settings/{KEY}").text
    version = re.search(r'name="version"[^>]*value="(\d+)"', form)
    assert version
    answer = one.post(f"/settings/{KEY}", data={"value": "７", "version": version[1]}, follow_redirects=True)
    assert answer.status_code == 200
    assert "を変えました" in answer.text
    assert queries.value(db.read(), KEY) == 7
    assert "変更済み" in answer.text
    history = answer.text.partition("変更の履歴")[2]
    assert keeper.actor.name in history
    assert re.search(r"5 年.*7 年", history, re.DOTALL)
    entries = db.read.scalars(
        select(AuditEntry.staff_id).where(AuditEntry.event == AuditEvent.SETTING_CHANGED.value)
    ).all()
    assert entries == [keeper.staff_id]


@pytest.mark.parametrize("typed", ["0", "31", "", "五", "-1", "1.5", "99999"])
def test_what_is_out_of_bounds_is_refused_with_a_word_at_the_field(
    browser: Open, keeper: Member, typed: str
) -> None:
    answer = browser(keeper).post(f"/settings/{KEY}", data={"value": typed, "version": "0"})
    assert answer.status_code in {200, 400}
    assert 'aria-invalid="true"' in answer.text
    assert db.read.scalars(select(Setting)).all() == []


def test_the_law_is_a_bound(keeper: Member) -> None:
    with pytest.raises(Invalid):
        services.change(keeper.actor, "retention.provision_years", 2)


def test_the_second_of_two_forms_sees_what_the_first_did(browser: Open, keeper: Member) -> None:
    one = browser(keeper)
    assert one.post(f"/settings/{KEY}", data={"value": "6", "version": "0"}).status_code == 303
    answer = one.post(f"/settings/{KEY}", data={"value": "8", "version": "0"})
    assert answer.status_code == 409
    assert "ほかの人がこの設定を変えました" in answer.text
    assert queries.value(db.read(), KEY) == 6
    again = re.search(r'name="version"[^>]*value="(\d+)"', answer.text)
    assert again
    assert one.post(f"/settings/{KEY}", data={"value": "8", "version": again[1]}).status_code == 303
    db.end()
    assert queries.value(db.read(), KEY) == 8
    with pytest.raises(StaleForm):
        services.change(keeper.actor, KEY, 9, version=1)


def test_the_same_value_changes_nothing(browser: Open, keeper: Member) -> None:
    answer = browser(keeper).post(
        f"/settings/{KEY}", data={"value": "5", "version": "0"}, follow_redirects=True
    )
    assert "値は変わっていません" in answer.text
    assert db.read.scalars(select(Setting)).all() == []


@pytest.mark.parametrize("role", [Role.STAFF, Role.COORDINATOR, Role.AGENCY_ADMIN, Role.AUDITOR])
def test_nobody_else_sees_or_changes_them(browser: Open, role: Role) -> None:
    member = make_member(role=role)
    one = browser(member)
    assert one.get("/settings/").status_code == 403
    assert one.post(f"/settings/{KEY}", data={"value": "6", "version": "0"}).status_code == 403
    with pytest.raises(NotAllowed):
        services.change(member.actor, KEY, 6)
    with pytest.raises(NotAllowed):
        services.history(member.actor)
    assert 'href="/settings/"' not in one.get("/agencies/").text


def test_a_setting_that_there_is_not(browser: Open, keeper: Member) -> None:
    make_agency()
    assert browser(keeper).get("/settings/retention.nothing").status_code == 404
