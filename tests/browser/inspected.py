"""What the demo does not tell of: somebody kept out, a sample with a finding, an erasure that waits for the second."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import time_machine

from portal.audit import jumps
from portal.core import clock
from portal.disclosures import exclusions
from portal.disclosures import services as disclosures
from portal.exclusions.models import Conflict
from portal.inspections import findings, samples
from portal.inspections.findings import Statement
from portal.inspections.models import FindingKind
from portal.inspections.samples import Draw
from portal.retention import services as retention
from portal.retention.models import ErasureGround
from tests.browser.demo import NOON, Demo
from tests.factories import Member, make_person


def inspect(demo: Demo) -> None:
    look_at_night(Member(demo.actor("junbi"), "junbi@example.jp"))
    coordinator, colleague, auditor = (demo.actor(name) for name in ("soudan", "madoguchi", "kansa"))
    member = Member(coordinator, "soudan@example.jp")
    kept_out_of, mistaken = make_person(member), make_person(member)
    exclusions.exclude(
        coordinator, kept_out_of, colleague.staff_id, Conflict.NEIGHBOUR, "同じ自治会の役員です。"
    )
    retention.propose(colleague, mistaken, ErasureGround.UNLAWFUL, "別の人の記録を誤って登録しました。")
    samples.draw(auditor, Draw(date(2020, 4, 1), date(2020, 12, 31), 5, seed="見本"))
    agency_id = demo.actor("shuro-kanri").agency_id
    assert agency_id
    findings.state(
        auditor,
        Statement(
            agency_id,
            FindingKind.WEAKNESS,
            "回答が期限を過ぎた理由を残してください。",
            clock.today() + timedelta(days=14),
        ),
    )


def look_at_night(member: Member) -> None:
    """In the evening before, so that the administrator's list of unusual readings has somebody on it."""
    with pytest.MonkeyPatch.context() as patch, time_machine.travel(NOON - timedelta(hours=11)):
        patch.setattr(jumps, "MARGIN", timedelta(days=1))  # the scene is set back after others have worked
        disclosures.show(member.actor, make_person(member))
