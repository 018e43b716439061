"""Registering a person through the pages: names, dates, duplicates, and the same form sent twice."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from portal.core.db import db
from portal.core.policy import Role
from portal.people.models import Person
from tests.browsers import Browser
from tests.factories import make_member, make_person

Visit = Callable[..., Browser]
TARO = {"family": "山田", "given": "太郎", "family_kana": "やまだ", "given_kana": "タロウ"}


def people() -> list[Person]:
    found = list(db.read.scalars(select(Person).order_by(Person.id)))
    db.end()
    return found


def count() -> int:
    return len(people())


def form(**typed: Any) -> dict[str, Any]:
    return TARO | {"idempotency_key": uuid4().hex} | typed


@pytest.mark.both_databases
def test_registering_gives_a_number_and_says_what_comes_next(browser: Visit) -> None:
    member = make_member()
    visit = browser(member)

    answer = visit.post("/people/new", data=form(birth="S61.5.1", telephone="０９０ー００００ー００００"))

    page = visit.get(answer.location).text
    person = people()[0]
    assert answer.location == f"/people/{person.id}/registered"
    assert person.number in page
    assert "「山田 太郎」を登録しました" in page
    for path in (f"/people/{person.id}/consents/new", f"/people/{person.id}/cases/new", "/referrals/new"):
        assert path in page
    assert (person.home_agency_id, person.telephone) == (member.agency_id, "090-0000-0000")


@pytest.mark.parametrize("typed", ["昭和61年5月1日", "S61.5.1", "1986-05-01", "１９８６／５／１"])
def test_dates_are_understood_in_both_calendars(browser: Visit, typed: str) -> None:
    browser(make_member()).post("/people/new", data=form(birth=typed))
    assert people()[0].birth == date(1986, 5, 1)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            {"family": "", "given": "", "family_kana": "", "given_kana": ""},
            "氏名がわからないときは仮名を入力してください。",
        ),
        ({"given": ""}, "姓と名の両方を入力してください。"),
        ({"family_kana": ""}, "ふりがなを入力してください。"),
        ({"family_kana": "yamada"}, "ふりがなは、ひらがなかカタカナで入力してください。"),
        ({"birth": "平成35年1月1日"}, "この元号にはない日付です。"),
        ({"birth": "2199-01-01"}, "今日より後の日付は入力できません。"),
        ({"telephone": "12"}, "電話番号を"),
        ({"contact_prohibited": "y"}, "連絡禁止の理由を入力してください。"),
        ({"pseudonym": "Aさん"}, "氏名と仮名は、どちらか一方だけを入力してください。"),
        ({"family": "山" * 201}, "200文字以内で入力してください。"),
    ],
)
def test_what_does_not_hold_together_is_said_at_the_field(
    browser: Visit, typed: dict[str, str], said: str
) -> None:
    answer = browser(make_member()).post("/people/new", data=form(household="父と2人暮らし", **typed))

    assert answer.status_code < 500
    assert said in answer.text
    assert "父と2人暮らし" in answer.text
    assert "エラー：" in answer.text
    assert count() == 0


def test_a_pseudonym_is_enough(browser: Visit) -> None:
    visit = browser(make_member())
    answer = visit.post(
        "/people/new", data={"pseudonym": "Aさん", "age_band": "30-34"}, follow_redirects=True
    )

    assert "「Aさん」を登録しました" in answer.text
    assert "仮名の間は同意を記録できません" in answer.text
    assert (people()[0].is_identified, people()[0].age_band) == (False, "30-34")


def test_someone_alike_on_the_own_record_is_pointed_out_before_saving(browser: Visit) -> None:
    member = make_member()
    visit = browser(member)
    earlier = make_person(member, **TARO, birth=date(1986, 5, 1))
    number = people()[0].number
    sent = form(household="母と2人暮らし", birth="1990-01-01")

    asked = visit.post("/people/new", data=sent)

    assert count() == 1
    for shown in (number, "昭和61年5月1日", f"/people/{earlier}", "別の人として登録する", "母と2人暮らし"):
        assert shown in asked.text
    back = visit.post("/people/new", data=sent | {"back": "1"})
    assert "母と2人暮らし" in back.text
    assert count() == 1
    visit.post("/people/new", data=sent | {"distinct": "1"})
    assert count() == 2


def test_the_same_furigana_and_birth_date_may_be_the_same_person(browser: Visit) -> None:
    member = make_member()
    make_person(member, **TARO | {"family": "山田", "given": "太朗"}, birth=date(1986, 5, 1))

    assert "同じ人ではありませんか" in browser(member).post("/people/new", data=form(birth="S61.5.1")).text
    assert (
        "同じ人ではありませんか" not in browser(member).post("/people/new", data=form(birth="S61.5.2")).text
    )


def test_people_of_other_agencies_are_never_pointed_out(browser: Visit) -> None:
    make_person(make_member(), **TARO, birth=date(1986, 5, 1))

    answer = browser(make_member()).post("/people/new", data=form(birth="1986-05-01"))

    assert answer.status_code == 302
    assert count() == 2


def test_the_same_form_twice_registers_one(browser: Visit) -> None:
    visit, sent = browser(make_member()), form()

    first, second = visit.post("/people/new", data=sent), visit.post("/people/new", data=sent)

    assert first.location == second.location
    assert count() == 1


def test_the_answer_to_duplicates_sent_twice_registers_one(browser: Visit) -> None:
    member = make_member()
    visit, sent = browser(member), form(distinct="1")
    make_person(member, **TARO)

    first, second = visit.post("/people/new", data=sent), visit.post("/people/new", data=sent)

    assert first.location == second.location
    assert count() == 2


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.SYSTEM_ADMIN, Role.AGENCY_ADMIN])
def test_only_caseworkers_register_and_list(browser: Visit, role: Role) -> None:
    visit = browser(make_member(role=role))

    assert visit.get("/people/").status_code == 403
    assert visit.get("/people/new").status_code == 403
    assert visit.post("/people/new", data=form()).status_code == 403
    assert db.read.scalar(select(func.count()).select_from(Person)) == 0


HOSTILE = [
    "'; DROP TABLE person; --",
    "{{ 7 * 191 }}{% raw %}",
    '<script>alert("x")</script>',
    "\u202e逆さ\u2066",
    "見\u200bえ\ufeffない",
    "𠮷野家の𩸽🙂",
    "NUL\x00です",
    "%(name)s %s %d",
    "\ud800",
    "あ" * 100_000,
    "あ" * 100_001,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_shown_inert_or_refused(browser: Visit, text: str) -> None:
    visit = browser(make_member())
    sent = form(
        household=text, address=text[:150], contact_prohibited="y", contact_prohibited_reason=text[:99]
    )
    body = {key: value.encode("utf-8", "surrogatepass") for key, value in sent.items()}

    answer = visit.post("/people/new", data=body)

    assert answer.status_code in {200, 302, 400}
    if answer.status_code == 302:
        page = visit.get(f"/people/{people()[0].id}").text
        assert "<script>alert" not in page
        assert "1337" not in re.sub(r"[0-9a-f-]{36}", "", page)  # an id may hold it by chance
        for character in "\u202e\u2066\u200b\ufeff":
            assert character not in page
    else:
        assert count() == 0
        assert "山田" in answer.text
