"""Acts of scenario files on activities: what they make is what the pages make, and a wrong line is named."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select

from portal.activities.kinds import ActivityKind, Mode
from portal.activities.models import Activity, ActivityAgency, ActivityAttendance, ActivitySeries
from portal.agencies.models import Agency
from portal.core.db import db
from tests.activities.acts import shape

FILE = """
agencies:
  - {key: a, name: 見本就労準備, kind: employment_preparation}
  - {key: b, name: 架空の会, kind: parents_group}
staff:
  - {email: a1@example.jp, name: 相談 一郎, agency: a, role: staff}
  - {email: b1@example.jp, name: 受付 八重, agency: b, role: staff}
events:
  - {at: 2020-06-01T09:00, by: a1@example.jp, act: register_person, key: p1, family: 見本, given: 花子,
     family_kana: みほん, given_kana: はなこ, birth: 1990-03-21}
  - {at: 2020-06-01T09:10, by: a1@example.jp, act: define_activity_series, key: cafe, kind: cafe, title: 見本カフェ,
     area: 地域での居場所・役割, with: [b], place: 見本会館, starts: 2020-04-01}
  - {at: 2020-06-01T09:20, by: a1@example.jp, act: record_activity, series: cafe, date: 2020-04-11, not_held: 緊急事態宣言}
  - {at: 2020-06-13T17:00, by: a1@example.jp, act: record_activity, key: june, series: cafe, attendees: [p1],
     anonymous: {first: 2, again: 1}, outcome: 次も来る。}
  - {at: 2020-06-20T10:00, by: a1@example.jp, act: register_person, key: p2, family: 架空, given: 二郎,
     family_kana: かくう, given_kana: じろう, birth: 1991-03-21}
  - {at: 2020-06-20T10:10, by: a1@example.jp, act: link_attendance, activity: june, person: p2, is_first: true}
  - {at: 2020-07-01T17:00, by: a1@example.jp, act: record_activity, kind: briefing, title: 民生委員への説明, agency: a, audience: 民生委員,
     audience_number: 30}
  - {at: 2020-07-02T17:00, by: a1@example.jp, act: record_activity, kind: leaflet, audience: 120, area: outreach}
  - {at: 2020-07-03T17:00, by: a1@example.jp, act: record_activity, kind: interview_practice, mode: online, anonymous: 3}
"""


def load(runner: FlaskCliRunner, file: Path, text: str) -> tuple[int, str]:
    file.write_text(text, encoding="utf-8")
    done = runner.invoke(args=["scenario", "load", str(file)])
    return done.exit_code, done.output + str(done.stderr_bytes or b"", "utf-8")


def test_the_acts_make_what_the_pages_make(app: Flask, runner: FlaskCliRunner, tmp_path: Path) -> None:
    code, said = load(runner, tmp_path / "activities.yaml", FILE)
    assert code == 0, said
    made = db.read.scalars(select(Activity).order_by(Activity.held_on)).all()
    april, june, briefing, leaflet, practice = made
    names = {row.id: row.name for row in db.read.scalars(select(Agency))}
    series = db.read.scalars(select(ActivitySeries)).one()
    held_by = {
        (row.activity_id, names[row.agency_id], row.held_on)
        for row in db.read.scalars(select(ActivityAgency))
    }
    linked = db.read.scalars(
        select(ActivityAttendance).where(ActivityAttendance.linked_at.is_not(None))
    ).one()
    db.end()
    assert (april.held_on, april.not_held_why, april.title) == (
        date(2020, 4, 11),
        "緊急事態宣言",
        "見本カフェ",
    )
    assert (june.held_on, june.place, june.series_id) == (date(2020, 6, 13), "見本会館", series.id)
    assert {(june.id, name, june.held_on) for name in ("見本就労準備", "架空の会")} <= held_by
    assert shape(june.id) == (2, 1, 1)
    assert (linked.activity_id, linked.is_first) == (june.id, True)
    assert (briefing.audience, briefing.audience_number, briefing.area) == ("民生委員", 30, "outreach")
    assert (leaflet.audience_number, leaflet.title) == (120, "チラシの配布")
    assert (practice.kind, practice.mode) == (ActivityKind.INTERVIEW_PRACTICE, Mode.ONLINE)
    assert (practice.area, shape(practice.id)) == ("employment", (0, 3, 0))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("kind: leaflet", "kind: leaflets"),
        ("area: outreach", "area: 見本の項目"),
        ("audience: 120", "attendees: [p1]"),
        ("agency: a, audience", "agency: b, audience"),
        ("attendees: [p1]", "attendees: [p9]"),
        ("mode: online, anonymous: 3", "mode: through_door, anonymous: 3"),
        ("anonymous: 3", "anonymous: many"),
        ("is_first: true", "is_first: perhaps"),
        ("person: p2, is_first: true", "person: p1"),
        ("date: 2020-04-11", "date: いつか"),
        (
            "by: a1@example.jp, act: record_activity, key: june",
            "by: b1@example.jp, act: record_activity, key: june",
        ),
    ],
)
def test_a_wrong_line_is_named(
    app: Flask, runner: FlaskCliRunner, tmp_path: Path, right: str, wrong: str
) -> None:
    line = FILE[: FILE.index(right)].count("\n") + 1
    code, said = load(runner, tmp_path / "activities.yaml", FILE.replace(right, wrong))
    assert code == 1
    assert f"{line}行目" in said, said
    assert db.read.scalars(select(Activity)).all() == []
