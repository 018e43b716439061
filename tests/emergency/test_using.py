"""One person, one member of staff, sixty minutes: before, during and after, for them and everybody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures.models import Disclosure, DisclosureCategory
from portal.emergency.models import EmergencyAccess, EmergencyNotice
from portal.emergency.search import MISSES_PER_DAY
from portal.people.categories import Category
from tests.browsers import Browser
from tests.emergency import acts
from tests.emergency.acts import BIRTHDAY, HANAKO, events
from tests.factories import Member, make_consent, make_member, make_person, make_referral
from tests.wall.pages import blurred

pytestmark = pytest.mark.quick

Visit = Callable[..., Browser]
At = Callable[..., None]


@pytest.mark.both_databases
def test_an_hour_and_nothing_before_it_and_nothing_after(
    browser: Visit, home: Member, asker: Member, hanako: UUID, at: At
) -> None:
    at("2026-06-10T10:00", tick=False)
    visit, page = browser(asker), f"/people/{hanako}"
    nothing = visit.get(page)
    assert nothing.status_code == 404
    opened = acts.use(visit)
    assert opened.status_code == 303
    assert opened.headers["Location"] == page

    shown = visit.get(page)
    assert shown.status_code == 200
    for word in ("髙橋 花子", "糖尿病でインスリンを使う", "緊急閲覧中", "あと60分", "11:00"):
        assert word in shown.text
    assert "家賃の滞納がある" not in shown.text
    assert "緊急閲覧中" in visit.get("/agencies/").text
    at("2026-06-10T10:59:59", tick=False)
    visit = browser(asker)  # signed in anew: the session was idle
    assert visit.get(page).status_code == 200
    assert "あと1分" in visit.get("/").text
    at("2026-06-10T11:00:00", tick=False)
    gone = visit.get(page)
    assert gone.status_code == 404
    assert gone.data == nothing.data
    assert "緊急閲覧中" not in visit.get("/agencies/").text
    assert visit.get(f"/people/{hanako}/disclosures").status_code == 404
    assert "髙橋" not in visit.post("/people/", data={"q": "髙橋"}, follow_redirects=True).text.replace(
        'value="髙橋"', ""
    )


def test_nobody_else_sees_anything_of_it(browser: Visit, home: Member, asker: Member, hanako: UUID) -> None:
    other = make_person(home, family="見本", given="次郎", family_kana="みほん", given_kana="じろう")
    acts.use(browser(asker))
    assert browser(asker).get(f"/people/{hanako}").status_code == 200
    assert browser(asker).get(f"/people/{other}").status_code == 404
    for stranger in (
        make_member(asker.agency_id),
        make_member(asker.agency_id, Role.COORDINATOR),
        make_member(),
    ):
        visit = browser(stranger)
        assert visit.get(f"/people/{hanako}").status_code == 404
        assert "髙橋 花子" not in visit.post("/people/", data={"q": "たかはし"}, follow_redirects=True).text
        assert "緊急閲覧中" not in visit.get("/").text


def test_what_was_opened_stands_in_the_ledger_and_in_the_log(
    browser: Visit, home: Member, asker: Member, hanako: UUID
) -> None:
    acts.use(browser(asker))
    browser(asker).get(f"/people/{hanako}")
    line = db.read().scalars(select(Disclosure)).one()
    assert (line.basis, line.channel) == ("emergency", "emergency")
    assert (line.person_id, line.from_agency_id) == (hanako, home.agency_id)
    assert (line.to_agency_id, line.to_staff_id) == (asker.agency_id, asker.staff_id)
    assert abs((line.ends_at or line.starts_at) - line.starts_at - timedelta(minutes=60)) < timedelta(
        seconds=1
    )
    assert set(db.read().scalars(select(DisclosureCategory.category))) == {Category.BASIC, Category.HEALTH}
    access = db.read().scalars(select(EmergencyAccess)).one()
    assert access.disclosure_id == line.id
    assert line.source_id == access.id

    ledger = browser(home).get(f"/people/{hanako}/disclosures").text
    for word in ("緊急（生命の危険（自殺のおそれを含む））", asker.actor.name, "緊急閲覧"):
        assert word in ledger
    assert f"/referrals/{access.id}" not in ledger
    assert browser(home).get(f"/people/{hanako}/disclosures.pdf").mimetype == "application/pdf"

    told = [
        entry.event
        for entry in events("emergency:asked", "emergency:opened", "emergency:told", "disclosure:made")
    ]
    assert sorted(told) == [
        *("disclosure:made", "emergency:asked", "emergency:opened", "emergency:told", "emergency:told"),
    ]
    reading = [entry for entry in events("person:read") if entry.staff_id == asker.staff_id]
    assert {entry.ground for entry in reading} == {"emergency"}
    assert not [entry for entry in events("emergency:asked") if "髙橋" in entry.body.decode()]


def test_a_print_within_the_hour_is_logged_as_such(browser: Visit, asker: Member, hanako: UUID) -> None:
    visit = browser(asker)
    acts.use(visit)
    assert visit.get(f"/people/{hanako}/consents/form.pdf").mimetype == "application/pdf"
    printed = [json.loads(entry.body) for entry in events("person:read")]
    assert [(one["ground"], one["channel"]) for one in printed if one["channel"] == "print"] == [
        ("emergency", "print")
    ]


@pytest.mark.parametrize("name", ["髙橋花子", "高橋　花子", "ﾀｶﾊｼ ﾊﾅｺ", "たかはしはなこ", "髙橋 花子"])
def test_any_spelling_of_the_whole_name_finds(browser: Visit, asker: Member, hanako: UUID, name: str) -> None:
    found = acts.find(browser(asker), name, "昭和61年5月1日")
    assert "一致する人がいます" in found.text
    assert "花子" not in found.text.replace(f'value="{name}"', "")


@pytest.mark.parametrize(
    ("name", "birth"),
    [
        ("髙橋", "1986-05-01"),
        ("花子", "1986-05-01"),
        ("髙橋 花", "1986-05-01"),
        ("髙橋 花子", "1986-05-02"),
        ("%", "1986-05-01"),
        ("。。", "1986-05-01"),
        ("髙橋 花子 たかはし はなこ", "1986-05-01"),
    ],
)
def test_nothing_less_than_the_whole_finds(
    browser: Visit, asker: Member, hanako: UUID, name: str, birth: str
) -> None:
    missed = acts.find(browser(asker), name, birth)
    assert missed.status_code == 200
    assert "見つかりませんでした" in missed.text
    assert [entry.person_id for entry in events("emergency:missed")] == [None]
    assert events("emergency:searched") == []


def test_a_wrong_guess_says_the_same_as_nobody(browser: Visit, asker: Member, hanako: UUID) -> None:
    visit = browser(asker)
    wrong_day = acts.find(visit, "髙橋 花子", "1986-05-02").text
    nobody = acts.find(visit, "無人 太郎", "1986-05-02").text.replace("無人 太郎", "髙橋 花子")
    assert blurred(wrong_day) == blurred(nobody)


def test_by_the_number_that_the_agency_gave(
    browser: Visit, home: Member, asker: Member, hanako: UUID
) -> None:
    visit = browser(asker)
    number = browser(home).get(f"/people/{hanako}").text.partition('<span class="num">')[2].partition("<")[0]
    assert "見つかりませんでした" in acts.find_by_number(visit, asker.agency_id, number).text
    assert "見つかりませんでした" in acts.find_by_number(visit, home.agency_id, number[:-1]).text
    found = acts.find_by_number(visit, home.agency_id, f" {number} ")
    assert "一致する人がいます" in found.text
    assert (
        acts.confirm(visit, acts.to_check(visit, acts.start(visit, found))).headers["Location"]
        == f"/people/{hanako}"
    )


def test_two_agencies_keep_one_person_and_each_is_shown_by_its_name_alone(
    browser: Visit, home: Member, asker: Member, hanako: UUID
) -> None:
    other = make_member()
    make_person(other, **HANAKO, birth=BIRTHDAY)
    found = acts.find(browser(asker))
    for member in (home, other):
        assert f"{member.actor.agency_name}</h2>" in found.text
    for word in ("090-0000-0001", "見本市一丁目", "花子</"):
        assert word not in found.text
    assert len(events("emergency:searched")) == 2


def test_who_can_be_seen_already_is_linked_and_nothing_is_opened(
    browser: Visit, home: Member, hanako: UUID
) -> None:
    visit = browser(home)
    found = acts.find(visit)
    assert f'href="/people/{hanako}"' in found.text
    assert "/emergency/ask" not in found.text
    forged = {"by": "name", "name": acts.NAME, "birth": acts.BORN, "person": str(hanako)}
    assert visit.post("/emergency/ask", data=forged).headers["Location"] == f"/people/{hanako}"


def test_who_was_told_a_part_may_ask_for_the_rest(
    browser: Visit, home: Member, asker: Member, hanako: UUID
) -> None:
    consent = make_consent(home, hanako, [asker])
    make_referral(home, asker, person_id=hanako, consent_id=consent)
    visit = browser(asker)
    assert "糖尿病" not in visit.get(f"/people/{hanako}").text
    found = acts.find(visit)
    assert f'href="/people/{hanako}"' in found.text
    acts.confirm(visit, acts.to_check(visit, acts.start(visit, found)))
    page = visit.get(f"/people/{hanako}").text
    assert "糖尿病" in page
    assert "いま必要なことだけに使ってください" in page


def test_who_misses_ten_times_is_stopped_until_tomorrow(
    browser: Visit, asker: Member, hanako: UUID, at: At
) -> None:
    at("2026-06-10T10:00")
    visit = browser(asker)
    for day in range(MISSES_PER_DAY):
        assert acts.find(visit, "髙橋 花子", f"1986-06-{day + 1:02}").status_code == 200
    for try_it in (acts.find(visit), acts.find(visit, "無人 太郎")):
        assert try_it.status_code == 429
        assert "あすまで探せません" in try_it.text
    assert "一致する人がいます" in acts.find(browser(make_member(asker.agency_id))).text
    at("2026-06-11T00:00")
    assert "一致する人がいます" in acts.find(browser(asker)).text


def test_a_forged_step_is_a_miss_and_nothing_else(browser: Visit, asker: Member, hanako: UUID) -> None:
    visit = browser(asker)
    for wrong in (
        {"birth": "1986-05-02"},
        {"name": "無人 太郎"},
        {"person": str(asker.staff_id)},
        {"birth": "x"},
    ):
        forged = {"by": "name", "name": acts.NAME, "birth": acts.BORN, "person": str(hanako)} | wrong
        assert (
            visit.post(
                "/emergency/ask", data=forged | acts.WHY | {"step": "open", "password": "x"}
            ).status_code
            == 404
        )
    assert len(events("emergency:missed")) == 4
    assert db.read().scalar(select(func.count()).select_from(EmergencyAccess)) == 0


def test_everything_is_asked_for_and_nothing_is_chosen_beforehand(
    browser: Visit, asker: Member, hanako: UUID
) -> None:
    visit = browser(asker)
    asked = acts.start(visit, acts.find(visit))
    form = acts.form_to(asked, "/ask")
    assert [one for one in form.fields if one.kind in {"checkbox", "radio"} and one.is_on] == []
    nothing = visit.post("/emergency/ask", data=acts.sent(form, step="check"))
    for word in (
        "理由を選んでください。",
        "必要な区分を一つ以上選んでください。",
        "本人の同意を得られるときは、緊急閲覧を使えません。",
    ):
        assert word in nothing.text
    for missing in acts.WHY:
        typed = {name: value for name, value in acts.WHY.items() if name != missing}
        page = visit.post("/emergency/ask", data=acts.sent(form, step="check", **typed))
        assert "入力内容を確認してください" in page.text, missing
        assert 'type="password"' not in page.text
    assert db.read().scalar(select(func.count()).select_from(EmergencyAccess)) == 0


def test_the_password_is_asked_again_and_wrong_ones_are_counted(
    browser: Visit, asker: Member, hanako: UUID
) -> None:
    visit = browser(asker)
    checked = acts.to_check(visit, acts.start(visit, acts.find(visit)))
    for _ in range(5):
        wrong = acts.confirm(visit, checked, "not my password at all")
        assert "パスワードが違います" in wrong.text
        assert "薬を大量に飲んだ" in wrong.text
        assert "not my password" not in wrong.text
    delayed = acts.confirm(visit, checked)
    assert delayed.status_code == 429
    assert int(delayed.headers["Retry-After"]) > 0
    assert visit.get(f"/people/{hanako}").status_code == 404
    assert len(events("session:failed")) == 5


def test_a_double_click_is_one_access(browser: Visit, asker: Member, hanako: UUID) -> None:
    visit = browser(asker)
    checked = acts.to_check(visit, acts.start(visit, acts.find(visit)))
    first, second = acts.confirm(visit, checked), acts.confirm(visit, checked)
    assert first.headers["Location"] == second.headers["Location"]
    assert db.read().scalar(select(func.count()).select_from(EmergencyAccess)) == 1
    assert db.read().scalar(select(func.count()).select_from(EmergencyNotice)) == 2
    again = acts.use(visit)
    assert again.headers["Location"] == f"/people/{hanako}"
    db.end()
    assert db.read().scalar(select(func.count()).select_from(EmergencyAccess)) == 1, "it is open already"


def test_given_back_early_it_is_over_at_once_and_only_by_its_own_member(
    browser: Visit, home: Member, asker: Member, hanako: UUID
) -> None:
    visit = browser(asker)
    acts.use(visit)
    page = visit.get("/agencies/")
    form = acts.form_to(page, "/end")
    for other in (make_member(asker.agency_id), home):
        assert browser(other).post(form.action).status_code == 404
    assert visit.get(f"/people/{hanako}").status_code == 200
    assert visit.post(form.action, data=form.typed()).status_code == 303
    assert visit.get(f"/people/{hanako}").status_code == 404
    assert "緊急閲覧を終えました" in visit.get("/emergency/").text
    visit.post(form.action, data=form.typed())
    assert "すでに終わっています" in visit.get("/emergency/").text
    assert len(events("emergency:ended")) == 1
    assert len(events("disclosure:ended")) == 1
    ledger = browser(home).get(f"/people/{hanako}/disclosures").text
    assert "緊急閲覧の終了" in ledger
    assert "利用停止の報告を待っています" not in ledger


@pytest.mark.parametrize("role", [Role.AGENCY_ADMIN, Role.AUDITOR, Role.SYSTEM_ADMIN])
def test_who_does_no_casework_cannot_use_it(browser: Visit, home: Member, hanako: UUID, role: Role) -> None:
    agency = home.agency_id if role is Role.AGENCY_ADMIN else None
    visit = browser(make_member(agency, role))
    assert visit.get("/emergency/").status_code == 403
    assert acts.find(visit).status_code == 403
    forged = {"by": "name", "name": acts.NAME, "birth": acts.BORN, "person": str(hanako), "step": "open"}
    assert visit.post("/emergency/ask", data=forged | acts.WHY | {"password": "x"}).status_code == 403


def test_the_search_that_found_nobody_leads_here(browser: Visit, asker: Member) -> None:
    visit = browser(asker)
    assert (
        'href="/emergency/"'
        in visit.post("/people/", data={"q": "だれもいない"}, follow_redirects=True).text.partition("<main")[
            2
        ]
    )
    assert 'href="/emergency/"' in visit.get("/help/more").text
    assert visit.get("/emergency/ask").headers["Location"] == "/emergency/"


def test_an_access_that_ends_while_the_page_is_read_ends_with_it(
    browser: Visit, asker: Member, hanako: UUID
) -> None:
    """Each page is decided when it is asked for, and what was asked for before is in the log."""
    visit, here = browser(asker), f"/people/{hanako}"
    acts.use(visit)
    assert visit.get(here).status_code == 200
    read = len(events("person:read"))
    access = db.read().scalars(select(EmergencyAccess.id)).one()
    db.end()
    visit.post(f"/emergency/{access}/end")
    assert visit.get(here).status_code == 404
    assert visit.get(f"{here}/consents/form").status_code == 404
    assert len(events("person:read")) == read
    assert clock.now() > events("emergency:ended")[0].at
