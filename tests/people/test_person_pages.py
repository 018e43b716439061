"""A person's own page and the pages that change what is known, with the eyes of every agency."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from portal.audit.models import AuditEntry
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.people import categories as people
from portal.people import services as people_services
from portal.people.categories import FILED, Category
from portal.people.models import Information, Person
from portal.referrals.states import ReferralAction
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.factories import (
    Member,
    make_case,
    make_consent,
    make_member,
    make_person,
    make_referral,
    step,
)

Visit = Callable[..., Browser]
FULL = {
    "family": "山田",
    "given": "太郎",
    "family_kana": "やまだ",
    "given_kana": "たろう",
    "birth": date(1986, 5, 1),
    "sex": "男",
    "address": "見本町1番1号",
    "telephone": "090-0000-0000",
    "household": "父母と3人暮らし",
}
PATHS = (
    "",
    "/registered",
    "/edit",
    "/identify",
    "/information",
    "/information/health",
    "/cases/new",
    "/family/new",
    "/family/pseudonym",
)


def whole_person(member: Member, **basics: Any) -> UUID:
    """A person of whom every category holds a word that stands nowhere else."""
    person_id = make_person(member, **FULL | basics)
    for category in FILED:
        people_services.update_information(
            member.actor,
            person_id,
            category,
            text=f"カナリア{category.value}",
            fields={"wish": f"鳥{category.value}"},
        )
    return person_id


def stored(person_id: UUID) -> Person:
    person = db.read.scalars(select(Person).where(Person.id == person_id)).one()
    db.end()
    return person


def hidden(page: str, name: str) -> str:
    field = re.search(rf'<input[^>]*name="{name}"[^>]*>', page)
    assert field
    value = re.search(r'value="([^"]*)"', field[0])
    return value[1] if value else ""


def test_the_home_agency_sees_everything(browser: Visit) -> None:
    member = make_member()
    page = browser(member).get(f"/people/{whole_person(member)}").text

    for shown in (
        "山田 太郎",
        "昭和61年5月1日",
        "見本町1番1号",
        "090-0000-0000",
        "父母と3人暮らし",
        "まだありません。",
    ):
        assert shown in page
    for category in FILED:
        assert f"カナリア{category.value}" in page
        assert f"鳥{category.value}" in page


def test_a_recipient_sees_what_was_told_and_nothing_else(browser: Visit) -> None:
    sender, recipient = make_member(), make_member()
    make_person(sender)  # so that the person's number is not the referral's
    person_id = whole_person(sender)
    make_referral(sender, recipient, person_id=person_id, categories=["basic", "health"])
    visit = browser(recipient)

    page = visit.get(f"/people/{person_id}").text

    assert "山田 太郎" in page
    assert "カナリアhealth" in page
    for category in set(FILED) - {Category.HEALTH}:
        assert f"カナリア{category.value}" not in page
        assert f"鳥{category.value}" not in page
    assert page.count("提供を受けていない区分です") == 4
    assert stored(person_id).number not in page
    assert f"/people/{person_id}/edit" not in page


def test_what_a_recipient_sees_but_may_not_touch_is_refused_in_words(browser: Visit) -> None:
    sender, recipient = make_member(), make_member()
    person_id = whole_person(sender)
    make_referral(sender, recipient, person_id=person_id)
    visit = browser(recipient)

    for path in ("/edit", "/identify", "/information/health", "/family/new", "/family/pseudonym"):
        for answer in (
            visit.get(f"/people/{person_id}{path}"),
            visit.post(f"/people/{person_id}{path}", data=FULL),
        ):
            assert answer.status_code == 403
            assert sender.actor.agency_name in answer.text
    assert stored(person_id).version == 1


def test_a_third_agency_cannot_tell_that_the_person_exists(browser: Visit) -> None:
    sender, recipient, third = make_member(), make_member(), make_member()
    person_id = whole_person(sender)
    make_referral(sender, recipient, person_id=person_id)
    colleague, parent = make_person(sender), make_person(sender)
    tie = people_services.tie_family(sender.actor, colleague, parent, people.Relation.PARENT)

    for outsider in (third, make_member(role=Role.AUDITOR), make_member(role=Role.SYSTEM_ADMIN)):
        visit = browser(outsider)
        for path in (*PATHS, f"/family/{tie}/remove"):
            for ask in (visit.get, visit.post):
                if ask == visit.post and path in {"", "/registered", "/information"}:
                    continue
                real, unreal = ask(f"/people/{person_id}{path}"), ask(f"/people/{uuid4()}{path}")
                assert (real.status_code, real.data) == (404, unreal.data)


def test_when_the_basis_ends_the_name_goes_and_the_warning_stays(browser: Visit) -> None:
    sender, recipient = make_member(), make_member()
    person_id = whole_person(
        sender, contact_prohibited=True, contact_prohibited_reason="父には知らせない", protected_address=True
    )
    consent = make_consent(sender, person_id, [recipient])
    make_referral(sender, recipient, person_id=person_id, consent_id=consent)
    visit = browser(recipient)
    before = visit.get(f"/people/{person_id}").text
    assert "父には知らせない" in before
    assert "見本町" not in before
    assert "090-0000-0000" not in before
    assert "登録機関に確認してください" in before

    disclosures.withdraw_consent(sender.actor, consent)

    after = visit.get(f"/people/{person_id}").text
    assert "父には知らせない" in after
    assert "同意が終わったため表示できません" in after
    for gone in ("山田", "やまだ", "太郎", "昭和61年", "父母と3人暮らし"):
        assert gone not in after


def test_a_referral_taken_back_takes_the_person_along(browser: Visit) -> None:
    sender, recipient = make_member(), make_member()
    person_id = whole_person(sender)
    referral = make_referral(sender, recipient, person_id=person_id)
    visit = browser(recipient)
    assert visit.get(f"/people/{person_id}").status_code == 200

    step(sender, referral, ReferralAction.CANCEL)

    assert visit.get(f"/people/{person_id}").status_code == 404


def test_an_anonymous_asking_is_never_joined_to_the_person(browser: Visit) -> None:
    sender, recipient = make_member(), make_member()
    person_id = whole_person(sender)
    named = make_referral(sender, recipient, person_id=person_id)
    asked = make_referral(sender, recipient, person_id=person_id, kind="advice", basis="anonymous")

    assert f"/referrals/{asked}" in browser(sender).get(f"/people/{person_id}").text
    page = browser(recipient).get(f"/people/{person_id}").text
    assert f"/referrals/{named}" in page
    assert f"/referrals/{asked}" not in page


def test_basics_are_changed(browser: Visit) -> None:
    member = make_member()
    person_id = whole_person(member)
    visit = browser(member)
    page = visit.get(f"/people/{person_id}/edit").text
    assert "昭和61年5月1日" in page

    sent = FULL | {"birth": "S61.5.2", "address": "見本町2番2号", "version": hidden(page, "version")}
    answer = visit.post(f"/people/{person_id}/edit", data=sent)

    assert answer.location == f"/people/{person_id}"
    assert "見本町2番2号" in visit.get(answer.location).text
    assert stored(person_id).birth == date(1986, 5, 2)


def test_a_stale_edit_shows_both_texts_and_keeps_what_was_typed(browser: Visit) -> None:
    one, other = make_member(), None
    other = make_member(one.agency_id)
    person_id = whole_person(one)
    mine, theirs = browser(one), browser(other)
    version = hidden(mine.get(f"/people/{person_id}/edit").text, "version")
    theirs.post(
        f"/people/{person_id}/edit", data=FULL | {"birth": "", "address": "あちらの町", "version": version}
    )

    answer = mine.post(
        f"/people/{person_id}/edit", data=FULL | {"birth": "", "address": "こちらの町", "version": version}
    )

    assert answer.status_code == 409
    assert "あちらの町" in answer.text
    assert answer.text.count("こちらの町") == 2
    assert stored(person_id).address == "あちらの町"
    again = {"birth": "", "address": "こちらの町", "version": hidden(answer.text, "version")}
    assert mine.post(f"/people/{person_id}/edit", data=FULL | again).status_code == 302
    assert stored(person_id).address == "こちらの町"


@pytest.mark.parametrize("version", ["", "abc", "-1", "9" * 5000, "２"])
def test_a_version_that_is_none_overwrites_nothing(browser: Visit, version: str) -> None:
    member = make_member()
    person_id = whole_person(member)

    answer = browser(member).post(
        f"/people/{person_id}/edit", data=FULL | {"birth": "", "address": "別の町", "version": version}
    )

    assert answer.status_code == 409
    assert stored(person_id).address == "見本町1番1号"


def test_a_category_is_written_field_by_field(browser: Visit) -> None:
    member = make_member()
    person_id = make_person(member)
    visit, path = browser(member), f"/people/{person_id}/information/health"
    assert hidden(visit.get(path).text, "version") == "0"

    sent = {"handbook": "なし", "clinic": "見本クリニック", "text": "眠れない。\n<b>朝</b>", "version": "0"}
    answer = visit.post(path, data=sent)

    page = visit.get(answer.location).text
    for shown in ("障がい者手帳", "見本クリニック", "眠れない。", "&lt;b&gt;朝"):
        assert shown in page
    assert hidden(visit.get(path).text, "version") == "1"


def test_all_categories_are_written_on_one_page_each_saved_by_itself(browser: Visit) -> None:
    member = make_member()
    person_id = make_person(member)
    visit, path = browser(member), f"/people/{person_id}/information"
    page = visit.get(path).text
    actions = re.findall(rf'action="({path}/\w+\?all=1)"', page)
    assert [one.split("/")[-1].split("?")[0] for one in actions] == [
        *("life_history", "health", "work_education", "finances", "benefits")
    ]
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))

    answer = visit.post(actions[0], data={"complaint": "眠れない日が続く", "version": "0"})
    assert answer.location == f"{path}#life_history"
    assert 'value="眠れない日が続く"' in visit.get(path).text
    assert visit.post(actions[0], data={"complaint": "別の内容", "version": "0"}).status_code == 409
    shown = visit.get(f"/people/{person_id}").text
    assert shown.index("眠れない日が続く") < shown.index('id="basic"')
    assert browser(make_member()).get(path).status_code == 404


def test_a_stale_category_shows_both_texts(browser: Visit) -> None:
    one = make_member()
    person_id = make_person(one)
    path = f"/people/{person_id}/information/finances"
    mine, theirs = browser(one), browser(make_member(one.agency_id))
    theirs.post(path, data={"rent": "滞納なし", "text": "あちらの文", "version": "0"})

    answer = mine.post(path, data={"rent": "滞納2か月", "text": "こちらの文", "version": "0"})

    assert answer.status_code == 409
    for shown in ("あちらの文", "こちらの文", "滞納なし", "滞納2か月"):
        assert shown in answer.text
    assert (
        mine.post(path, data={"text": "両方の文", "version": hidden(answer.text, "version")}).status_code
        == 302
    )
    kept = db.read.scalars(select(Information.text).where(Information.person_id == person_id)).one()
    assert kept == "両方の文"


def test_an_unknown_category_is_missing_and_the_basic_one_leads_to_its_page(browser: Visit) -> None:
    member = make_member()
    person_id = make_person(member)
    visit = browser(member)

    assert visit.get(f"/people/{person_id}/information/nonsense").status_code == 404
    assert visit.get(f"/people/{person_id}/information/basic").location == f"/people/{person_id}/edit"


def test_a_pseudonym_becomes_a_name_when_the_person_agrees(browser: Visit) -> None:
    member = make_member()
    person_id = make_person(member, pseudonym="Aさん", sex="男", household="母と2人暮らし")
    visit, path = browser(member), f"/people/{person_id}/identify"
    sent = {key: FULL[key] for key in ("family", "given", "family_kana", "given_kana")} | {"version": "1"}

    refused = visit.post(path, data=sent)
    assert "本人がいつ、どのように同意したかを入力してください。" in refused.text
    assert not stored(person_id).is_identified

    answer = visit.post(
        path, data=sent | {"agreed": "4月10日の訪問で、本人が口頭で了承した", "birth": "S61.5.1"}
    )

    assert answer.location == f"/people/{person_id}"
    person = stored(person_id)
    assert (person.label, person.pseudonym, person.birth) == ("山田 太郎", "", date(1986, 5, 1))
    assert (person.sex, person.household) == ("男", "母と2人暮らし")
    assert "山田 太郎" in visit.post("/people/", data={"q": "やまだ"}, follow_redirects=True).text
    assert visit.get(path).status_code == 403


def test_naming_someone_points_out_who_is_on_record_already(browser: Visit) -> None:
    member = make_member()
    person_id = make_person(member, pseudonym="Aさん")
    whole_person(member)
    sent = {key: str(FULL[key]) for key in ("family", "given", "family_kana", "given_kana")}
    sent |= {"version": "1", "agreed": "本人が了承した"}
    visit, path = browser(member), f"/people/{person_id}/identify"

    assert "同じ人ではありませんか" in visit.post(path, data=sent).text
    assert not stored(person_id).is_identified
    visit.post(path, data=sent | {"distinct": "1"})
    assert stored(person_id).is_identified


def test_a_pseudonym_is_not_named_by_the_way(browser: Visit) -> None:
    member = make_member()
    person_id = make_person(member, pseudonym="Aさん")

    browser(member).post(
        f"/people/{person_id}/edit", data={**FULL, "birth": "", "pseudonym": "Bさん", "version": "1"}
    )

    assert (stored(person_id).is_identified, stored(person_id).pseudonym) == (False, "Bさん")


def test_reading_a_person_is_logged_with_what_was_seen(browser: Visit) -> None:
    sender, recipient = make_member(), make_member()
    person_id = whole_person(sender)
    make_referral(sender, recipient, person_id=person_id, categories=["basic", "health"])

    browser(recipient).get(f"/people/{person_id}")

    entry = db.read.scalars(
        select(AuditEntry).where(
            AuditEntry.event == "person:read", AuditEntry.agency_id == recipient.agency_id
        )
    ).one()
    assert entry.person_id == person_id
    assert b'"categories":["basic","health"]' in entry.body
    assert b'"ground":"consent"' in entry.body
    assert "山田" not in entry.body.decode()


def test_the_page_costs_the_same_however_much_there_is(browser: Visit, count_queries: CountQueries) -> None:
    member, other = make_member(), make_member()
    person_id = whole_person(member)
    visit, costs = browser(member), []
    for more in (1, 6):
        for n in range(more):
            people_services.tie_family(
                member.actor, person_id, make_person(member, given=f"子{n}"), people.Relation.CHILD
            )
            make_consent(member, person_id, [other])
        if more == 1:
            make_case(member, person_id)
            make_referral(member, other, person_id=person_id)
        visit.get(f"/people/{person_id}")
        with count_queries() as asked:
            visit.get(f"/people/{person_id}")
        costs.append(len(asked))
    assert costs[0] == costs[1]
    assert costs[1] <= 12
