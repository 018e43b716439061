"""A scenario file writes texts, arranges areas and closes a year; a wrong line is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select

from portal.core.db import db
from portal.evaluations.models import EvaluationArea, EvaluationClosing, EvaluationText, Part

HEAD = """\
agencies:
  - {key: shuro, name: 就労準備支援事業, short: 就労, kind: employment_preparation}
  - {key: jiritsu, name: 自立相談支援機関, short: 自立, kind: self_reliance}
staff:
  - {email: b1@example.jp, password: correct horse battery, name: 準備 三郎, agency: shuro, role: coordinator}
  - {email: b2@example.jp, password: correct horse battery, name: 準備 四郎, agency: shuro, role: staff}
  - {email: a1@example.jp, password: correct horse battery, name: 相談 一郎, agency: jiritsu, role: coordinator}
events:
"""
RIGHT = """\
  - {at: 2020-04-02T09:00, by: b2@example.jp, act: evaluation_text, year: 2020, area: place, part: plan, text: 今年すること}
  - {at: 2021-04-02T09:00, by: b1@example.jp, act: define_area, code: family, name: 家族への支援, kinds: [other], measures: [joined]}
  - {at: 2021-04-02T10:00, by: b1@example.jp, act: define_area, code: outreach, name: 広報, kinds: [leaflet]}
  - {at: 2021-04-02T11:00, by: b2@example.jp, act: evaluation_text, year: 2020, area: 就労支援, part: result, text: 今年したこと}
  - {at: 2021-04-02T12:00, by: b2@example.jp, act: evaluation_text, year: 2020, area: 家族への支援, part: open, text: 課題}
  - {at: 2021-04-20T09:00, by: b1@example.jp, act: close_year, year: 2020, as_of: 2021-03-31}
"""
LINE = (HEAD + RIGHT).count("\n") + 1

Load = Callable[[str], Result]


@pytest.fixture
def load(app: Flask, runner: FlaskCliRunner, tmp_path: Path) -> Load:
    def run(events: str) -> Result:
        file = tmp_path / "scenario.yaml"
        file.write_text(HEAD + events, encoding="utf-8")
        return runner.invoke(args=["scenario", "load", str(file)])

    return run


def test_a_year_is_written_and_closed(load: Load) -> None:
    done = load(RIGHT)
    assert done.exit_code == 0, done.output
    texts = db.read().scalars(select(EvaluationText).order_by(EvaluationText.id)).all()
    assert [(one.year, one.area, one.part, one.text) for one in texts] == [
        (2020, "place", Part.PLAN, "今年すること"),
        (2020, "employment", Part.RESULT, "今年したこと"),
        (2020, "family", Part.OPEN, "課題"),
    ]
    areas = {one.code: one for one in db.read().scalars(select(EvaluationArea))}
    assert (areas["family"].kinds, areas["family"].measures) == (["other"], ["joined"])
    assert (areas["outreach"].name, areas["outreach"].kinds) == ("広報", ["leaflet"])
    closing = db.read().scalars(select(EvaluationClosing)).one()
    assert (closing.year, closing.frozen["texts"]["employment"]) == (2020, {"result": "今年したこと"})
    assert [area["name"] for area in closing.frozen["areas"]][-1] == "家族への支援"


AT = "  - {at: 2021-05-01T09:00, by: "


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (AT + "b2@example.jp, act: evaluation_text, year: 2021, area: 無い項目, part: plan, text: 見本}", "この項目はありません"),
        (AT + "b2@example.jp, act: evaluation_text, year: 2021, area: place, part: plans, text: 見本}", "plans"),
        (AT + "b2@example.jp, act: evaluation_text, year: 令和, area: place, part: plan, text: 見本}", "数字ではありません"),
        (AT + "b2@example.jp, act: evaluation_text, year: 2020, area: place, part: plan, text: 遅い}", "確定しています"),
        (AT + "a1@example.jp, act: evaluation_text, year: 2021, area: place, part: plan, text: よそ}", "見えない記録"),
        (AT + "b2@example.jp, act: define_area, code: other, name: 見本の項目}", "権限がありません"),
        (AT + "b1@example.jp, act: define_area, code: Other!, name: 見本の項目}", "記号は"),
        (AT + "b1@example.jp, act: define_area, code: other, name: 就労支援}", "同じ名前"),
        (AT + "b1@example.jp, act: define_area, code: other, name: 見本, kinds: [tea]}", "tea"),
        (AT + "b1@example.jp, act: close_year, year: 2020, as_of: 2021-03-31}", "すでに確定"),
        (AT + "b1@example.jp, act: close_year, year: 2021, as_of: 2021-06-01}", "今日より後"),
        (AT + "b1@example.jp, act: close_year, year: 2021, as_of: 2021-03-01}", "この年度の中"),
        (AT + "b2@example.jp, act: close_year, year: 2021, as_of: 2021-04-30}", "権限がありません"),
        (AT + "b1@example.jp, act: close_year, year: 2021}", "as_of"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named_and_nothing_is_loaded(load: Load, line: str, why: str) -> None:
    refused = load(RIGHT + line + "\n")
    assert refused.exit_code != 0
    assert f"{LINE}行目" in refused.output, refused.output
    assert why in refused.output
    assert not db.read().scalars(select(EvaluationText)).all()
