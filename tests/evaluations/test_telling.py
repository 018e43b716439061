"""Texts that tell a small number: their writer is told, before others read it and as long as it is so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from portal.activities.kinds import ActivityKind
from portal.agencies.models import AgencyKind
from portal.core.policy import Role
from portal.evaluations import services as evaluation_services
from portal.evaluations.models import Part
from portal.evaluations.telling import few_people
from tests.activity_factories import make_activity, make_attendance, make_text
from tests.browsers import Browser
from tests.evaluations.test_pages_of_texts import form_of, stored, suggestion
from tests.factories import Member, make_agency, make_member
from tests.words import hidden, pdf_words, words_of

Visit = Callable[..., Browser]
ROOT = "/reports/evaluation"
TEXT = f"{ROOT}/2020/place/result"
NOT_YET = "まだ保存していません"
TOLD = "ほかの機関に「少数」と示している数"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("カフェに来た人のうち2人が就職した。", ["うち2人"]),
        ("うち２名は女性", ["うち２名"]),
        ("二人が続けて来ている。お二人とも", ["二人", "お二人"]),
        ("参加は一名。", ["一名"]),
        ("お二方が", ["お二方"]),
        ("ふたりで", ["ふたり"]),
        ("2 人と 1 名", ["2 人", "1 名"]),
        ("実2人、延べ2人", ["実2人", "延べ2人"]),
        ("4月2人", ["2人"]),
        ("2人、2人、2人", ["2人"]),
        ("2 people came, one day 1 person", ["2 people", "1 person"]),
        # Not few, or no number of people.
        ("3人、12人、二十人、三十二人、二〇人、1,002人、１２名", []),
        ("0人、〇人", []),
        ("十一人、百二人", []),
        ("第2回、2回、2件、2社、令和2年、2月、2階", []),
        ("1.2人", []),
        ("一人ひとりに合わせ、一人一人の、1人ひとり、ひとりひとりの", []),
        ("一人暮らしの方、ひとり親、一人で抱え込まない、1人当たり", []),
        ("氏名、1名称、二人三脚、2方向", []),
        ("数人、何人か、本人、2人称でない", ["2人"]),
    ],
)
def test_few_people_in_a_text(text: str, words: list[str]) -> None:
    assert few_people(text, 3) == words


def test_how_many_are_few_is_a_setting() -> None:
    assert few_people("4人と5人と四人", 5) == ["4人", "四人"]
    assert few_people("1人", 1) == []


@pytest.fixture
def worker(app: Flask, at: Callable[..., None]) -> Member:
    at("2021-01-20T10:00", tick=False)
    return make_member(
        make_agency(name="見本就労準備", kind=AgencyKind.EMPLOYMENT_PREPARATION), role=Role.COORDINATOR
    )


def came(member: Member, day: str, heads: int, **values: Any) -> None:
    made = make_activity(member, held_on=date.fromisoformat(day), **values)
    for _head in range(heads):
        make_attendance(member, made, is_first=True)


def test_the_writer_is_told_before_others_read_it(browser: Visit, worker: Member) -> None:
    came(worker, "2020-12-10", 2)
    visit = browser(worker)
    page = visit.get(TEXT)
    assert TOLD not in page.text
    pointed_out = visit.post(TEXT, data=form_of(page, text="来た人のうち2人が続けている。"))
    assert pointed_out.status_code == 200
    words = words_of(pointed_out)
    assert f"文章の「うち2人」から、{TOLD}（カフェ（居場所） 延べ人数、カフェ（居場所） 実人数）" in words
    assert NOT_YET in words
    assert "来た人のうち2人が続けている。</textarea>" in pointed_out.text, "what was typed is there"
    assert stored() == []
    # Something else is told: that is pointed out too, and nothing twice.
    told = hidden(pointed_out, "told")[0]
    other = visit.post(TEXT, data=form_of(pointed_out, text="うち一名が続けている。", told=told))
    assert "「うち一名」" in words_of(other)
    assert stored() == []
    told = hidden(other, "told")[0]
    again = visit.post(TEXT, data=form_of(other, text="うち一名が続けている。", told=told))
    assert again.location == f"{ROOT}/2020#place"
    assert [row.text for row in stored()] == ["うち一名が続けている。"]


def test_it_stays_pointed_out_to_the_programme_and_to_nobody_else(browser: Visit, worker: Member) -> None:
    came(worker, "2020-12-10", 2)
    make_text(worker, 2020, "place", Part.RESULT, text="二人が来た。")
    make_text(worker, 2020, "outreach", Part.RESULT, text="二人に会った。")
    inside = browser(worker)
    page = words_of(inside.get(f"{ROOT}/2020"))
    assert page.count(TOLD) == 1, "in the other area no number is small"
    assert "「二人」" in page
    form = inside.get(TEXT)
    assert TOLD in words_of(form)
    assert NOT_YET not in form.text
    sent = form_of(form, text="二人が来た。続き", told=hidden(form, "told")[0])
    assert inside.post(TEXT, data=sent).status_code == 303, "it stood beside the form all the time"
    for paper in ("2020.pdf",):
        assert TOLD not in pdf_words(inside.get(f"{ROOT}/{paper}"))
    for member in (make_member(), make_member(role=Role.AUDITOR)):
        page = words_of(browser(member).get(f"{ROOT}/2020"))
        assert "二人が来た。続き" in page
        assert TOLD not in page
    came(worker, "2020-12-11", 2)
    assert TOLD not in words_of(inside.get(f"{ROOT}/2020")), "four are not few any more"


def test_others_see_the_end_of_last_month(browser: Visit, worker: Member) -> None:
    """Today four have come; to others it is two still, and the other way round it soon will be."""
    came(worker, "2020-12-10", 2)
    came(worker, "2021-01-10", 2)
    make_text(worker, 2020, "place", Part.RESULT, text="うち2人が来た。")
    assert TOLD in words_of(browser(worker).get(f"{ROOT}/2020"))
    came(worker, "2021-01-11", 2, kind=ActivityKind.SALON, area="employment")
    make_text(worker, 2020, "employment", Part.RESULT, text="うち2人が来た。")
    assert words_of(browser(worker).get(f"{ROOT}/2020")).count(TOLD) == 2


def test_without_a_small_figure_nothing_is_pointed_out(browser: Visit, worker: Member) -> None:
    came(worker, "2020-12-10", 5)
    visit = browser(worker)
    assert visit.post(TEXT, data=form_of(visit.get(TEXT), text="うち2人が")).status_code == 303
    assert TOLD not in words_of(visit.get(f"{ROOT}/2020"))


def test_a_suggestion_with_small_numbers_is_pointed_out_and_the_other_is_not(
    browser: Visit, worker: Member
) -> None:
    came(worker, "2020-12-10", 2)
    visit = browser(worker)
    for asked, is_told in (("1", True), ("few", False)):
        assert ("2人" in suggestion(visit, "place", asked)) is is_told
        assert (TOLD in words_of(visit.get(f"{TEXT}?suggest={asked}"))) is is_told


def test_closing_points_it_out(browser: Visit, worker: Member, at: Callable[..., None]) -> None:
    came(worker, "2020-12-10", 2)
    make_text(worker, 2020, "place", Part.FINDING, text="二人が来た。")
    visit = browser(worker)
    page = visit.post(f"{ROOT}/2020/close", data={"as_of": "2021-01-20", "idempotency_key": uuid4().hex})
    words = words_of(page)
    assert "少ない人数が書かれています 地域での居場所・役割：評価 文章の「二人」から" in words
    assert "確定を解除しないと直せません" in words
    sent = {"as_of": "2021-01-20", "checked": "1", "idempotency_key": uuid4().hex}
    assert visit.post(f"{ROOT}/2020/close", data=sent).status_code == 303
    assert TOLD in words_of(visit.get(f"{ROOT}/2020")), "and it stays, as long as it stands there"


def test_an_addition_is_pointed_out(browser: Visit, worker: Member) -> None:
    came(worker, "2020-12-10", 2)
    assert worker.agency_id
    evaluation_services.close(worker.actor, worker.agency_id, 2020, date(2021, 1, 20))
    visit = browser(worker)
    path = f"{ROOT}/2020/add"
    assert TOLD not in visit.get(path).text
    key = {"idempotency_key": uuid4().hex}
    page = visit.post(path, data={"text": "あとから一名", **key})
    assert "「一名」" in words_of(page)
    assert "あとから一名</textarea>" in page.text
    assert "あとから一名" not in words_of(visit.get(f"{ROOT}/2020"))
    sent = {"text": "あとから一名", "told": hidden(page, "told")[0], **key}
    assert visit.post(path, data=sent).status_code == 303
    shown = words_of(visit.get(f"{ROOT}/2020"))
    assert "あとから一名" in shown
    assert TOLD in shown
    assert TOLD not in words_of(browser(make_member()).get(f"{ROOT}/2020"))


def test_joined_emoji_are_saved_and_shown_as_typed(browser: Visit, worker: Member) -> None:
    family = "👨\u200d👩\u200d👧 👩🏽\u200d💻 🏳\ufe0f\u200d🌈 1\ufe0f\u20e3"
    visit = browser(worker)
    typed = f"山\u200d田さん{family}\u200b来た"
    assert visit.post(TEXT, data=form_of(visit.get(TEXT), text=typed)).status_code == 303
    assert [row.text for row in stored()] == [f"山田さん{family}来た"]
    for page in (visit.get(TEXT), visit.get(f"{ROOT}/2020")):
        assert f"山田さん{family}来た" in page.text
