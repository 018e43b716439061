"""A scenario may use emergency access; what comes of it is what the pages make."""

from __future__ import annotations

from pathlib import Path

from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select

from portal.core.db import db
from portal.emergency.models import EmergencyAccess, EmergencyNotice, Finding

FILE = """
agencies:
  - {key: a, name: 見本機関, kind: self_reliance}
  - {key: b, name: 架空機関, kind: general_desk}
staff:
  - {email: a1@example.jp, name: 相談 一郎, agency: a, role: staff}
  - {email: a2@example.jp, name: 調整 二郎, agency: a, role: coordinator}
  - {email: b1@example.jp, name: 受付 八重, agency: b, role: staff}
  - {email: k1@example.jp, name: 監査 公平, role: auditor}
events:
  - {at: 2020-12-01T09:00, by: b1@example.jp, act: register_person, key: p1, family: 見本, given: 花子,
     family_kana: みほん, given_kana: はなこ, birth: 1959-03-21, protected_address: true}
  - {at: 2020-12-28T17:40, by: a1@example.jp, act: emergency_access, key: e1, person: p1, reason: missing, categories: [life_history],
     text: 昼から帰らない。}
  - {at: 2020-12-28T17:45, by: a2@example.jp, act: approve_emergency, emergency: e1}
  - {at: 2020-12-28T18:05, by: a1@example.jp, act: end_emergency, emergency: e1}
  - {at: 2021-01-05T11:00, by: b1@example.jp, act: note_emergency, emergency: e1}
  - {at: 2021-01-05T11:10, by: k1@example.jp, act: note_emergency, emergency: e1}
  - {at: 2021-01-05T13:00, by: a2@example.jp, act: review_emergency, emergency: e1, finding: justified,
     text: 要る区分だけを見ている。}
"""


def test_the_acts_make_what_the_pages_make(app: Flask, runner: FlaskCliRunner, tmp_path: Path) -> None:
    file = tmp_path / "emergency.yaml"
    file.write_text(FILE, encoding="utf-8")
    done = runner.invoke(args=["scenario", "load", str(file)])
    assert done.exit_code == 0, done.output
    access = db.read().scalars(select(EmergencyAccess)).one()
    assert access.starts_at
    assert access.ended_at
    assert (access.ended_at - access.starts_at).total_seconds() == 20 * 60
    assert access.finding is Finding.JUSTIFIED
    assert access.needs_second
    notices = db.read().scalars(select(EmergencyNotice)).all()
    assert len(notices) == 2
    assert all(notice.noted_at for notice in notices)


def test_what_the_rules_refuse_is_told_by_its_line(
    app: Flask, runner: FlaskCliRunner, tmp_path: Path
) -> None:
    file = tmp_path / "emergency.yaml"
    file.write_text(FILE.replace("2021-01-05T13:00, by: a2", "2021-01-05T13:00, by: a1"), encoding="utf-8")
    done = runner.invoke(args=["scenario", "load", str(file)])
    assert done.exit_code == 1
    assert "NotAllowed" in done.output + str(done.stderr_bytes or b"", "utf-8")
    assert db.read().scalars(select(EmergencyAccess)).all() == []
