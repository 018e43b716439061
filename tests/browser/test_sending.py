"""What is sent twice is done once, and of two who answer one wins and the other keeps their words."""

from __future__ import annotations

from uuid import UUID

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from portal.core.db import db
from portal.people.models import Person
from portal.referrals.models import Referral, ReferralEvent
from portal.referrals.states import ReferralAction, ReferralStatus
from tests.browser.conftest import Visit
from tests.browser.steps import box, choose, follow, main, press
from tests.factories import (
    Member,
    make_agency,
    make_consent,
    make_member,
    make_person,
    make_referral,
    make_service,
    step,
)

REASON = "今月は定員まで受け入れています。来月にもう一度ご相談ください。"


@pytest.fixture
def sender(site: object) -> Member:
    return make_member()


@pytest.fixture
def recipient(site: object) -> Member:
    return make_member()


def referrals_of(person_id: UUID) -> list[ReferralStatus]:
    statuses = list(db.read.scalars(select(Referral.status).where(Referral.person_id == person_id)))
    db.end()
    return statuses


def lines_of(referral_id: UUID) -> list[str]:
    """What has happened to a referral, in order."""
    happened = select(ReferralEvent.what).where(ReferralEvent.referral_id == referral_id)
    lines = [str(what) for what in db.read.scalars(happened.order_by(ReferralEvent.id))]
    db.end()
    return lines


def check_page(visit: Visit, sender: Member, recipient: Member) -> tuple[Page, UUID]:
    """The page on which a new referral is checked before it is sent."""
    person_id = make_person(sender)
    make_consent(sender, person_id, [recipient])
    page = visit(sender)
    page.goto(f"/referrals/new?person={person_id}")
    choose(page, "つなぎ先の機関", recipient.actor.agency_name)
    box(page, "お願いしたいこと").fill("見学をお願いします。")
    press(page, "確認へ進む")
    expect(page.get_by_role("button", name="この内容で送付する")).to_be_visible()
    return page, person_id


def test_pressed_twice_it_is_sent_once(visit: Visit, sender: Member, recipient: Member) -> None:
    page, person_id = check_page(visit, sender, recipient)
    page.get_by_role("button", name="この内容で送付する").dblclick()
    expect(main(page)).to_contain_text("送付しました")
    assert referrals_of(person_id) == [ReferralStatus.REQUESTED]


def test_the_form_follows_the_kind_and_the_agency(visit: Visit, sender: Member, recipient: Member) -> None:
    """With a script at once, and without losing what was typed for another kind."""
    other = make_member()
    assert recipient.agency_id
    assert other.agency_id
    make_service(recipient.agency_id, name="見学の日")
    make_service(other.agency_id, name="よその集まり")
    page = visit(sender)
    page.goto(f"/referrals/new?person={make_person(sender)}")
    expect(box(page, "同席の場所")).to_be_hidden()
    expect(page.get_by_role("button", name="選んだ種類と機関に合わせて表示する")).to_be_hidden()
    page.get_by_role("radio", name="同席依頼").check()
    box(page, "同席の場所").fill("相談室2")
    page.get_by_role("radio", name="助言依頼").check()
    expect(box(page, "同席の場所")).to_be_hidden()
    page.locator("#basis-1").check()
    expect(page.get_by_role("checkbox", name="健康・障がい")).to_be_hidden()
    page.get_by_role("radio", name="同席依頼").check()
    expect(box(page, "同席の場所")).to_have_value("相談室2")
    services = page.get_by_label("支援メニュー")
    choose(page, "つなぎ先の機関", other.actor.agency_name)
    choose(page, "支援メニュー", "よその集まり")
    choose(page, "つなぎ先の機関", recipient.actor.agency_name)
    expect(services).to_have_value("")
    expect(services.locator("optgroup:not([hidden])")).to_have_count(1)
    expect(page.locator(".summary:visible", has_text="見学の日")).to_have_count(1)


def test_sent_from_two_tabs_it_is_sent_once(visit: Visit, sender: Member, recipient: Member) -> None:
    first, person_id = check_page(visit, sender, recipient)
    second = first.context.new_page()
    second.goto(first.url)
    press(first, "この内容で送付する")
    expect(main(first)).to_contain_text("送付しました")
    press(second, "この内容で送付する")
    expect(main(second)).not_to_contain_text("この内容で送付する")
    expect(second.get_by_role("heading", level=1)).not_to_be_empty()
    (referral_id,) = db.read.scalars(select(Referral.id).where(Referral.person_id == person_id))
    assert lines_of(referral_id).count("send") == 1


def test_the_form_sent_again_by_the_network_is_done_once(
    visit: Visit, sender: Member, recipient: Member
) -> None:
    """No script holds back the second sending here: the server knows the form."""
    page, person_id = check_page(visit, sender, recipient)
    answers = page.evaluate(
        """async () => {
          const form = document.querySelector("main form");
          const send = () => fetch(form.action, {method: "POST", body: new URLSearchParams(new FormData(form))});
          const [one, two] = await Promise.all([send(), send()]);
          return [one.status, two.status, one.url === two.url];
        }"""
    )
    assert answers == [200, 200, True], "both end on the page of the referral"
    (referral_id,) = db.read.scalars(select(Referral.id).where(Referral.person_id == person_id))
    assert lines_of(referral_id).count("send") == 1


def test_back_after_sending_sends_nothing_again(visit: Visit, sender: Member, recipient: Member) -> None:
    page, person_id = check_page(visit, sender, recipient)
    press(page, "この内容で送付する")
    expect(main(page)).to_contain_text("送付しました")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_contain_text("依頼中")
    send = page.get_by_role("button", name="この内容で送付する")
    assert not send.is_visible(), "the page comes from the server, which knows better"
    assert referrals_of(person_id) == [ReferralStatus.REQUESTED]


def test_a_person_registered_twice_in_haste_is_one_person(visit: Visit, sender: Member) -> None:
    page = visit(sender)
    page.goto("/people/new")
    page.get_by_role("textbox", name="姓", exact=True).fill("急")
    page.get_by_role("textbox", name="名", exact=True).fill("二度子")
    box(page, "姓のふりがな").fill("きゅう")
    box(page, "名のふりがな").fill("ふたたびこ")
    page.get_by_role("button", name="登録する").dblclick()
    expect(main(page)).to_contain_text("登録しました")
    of_mine = select(func.count()).where(Person.home_agency_id == sender.agency_id)
    assert db.read.scalar(of_mine) == 1


def test_of_two_answers_one_wins_and_the_other_keeps_its_words(
    visit: Visit, sender: Member, recipient: Member
) -> None:
    referral_id = make_referral(sender, recipient)
    quick, slow = visit(recipient), visit(make_member(recipient.agency_id))
    for page in (quick, slow):
        page.goto(f"/referrals/{referral_id}")
    follow(slow, "受入不可と回答する")
    slow.get_by_role("radio", name="受入の余裕がない").check()
    box(slow, "理由").fill(REASON)
    follow(quick, "受け入れる")
    press(quick, "受け入れる")
    expect(main(quick)).to_contain_text("受け入れました。")

    press(slow, "受入不可と回答する")
    expect(main(slow)).to_contain_text(REASON)
    expect(main(slow)).to_contain_text("受け入れ")
    expect(main(slow)).to_contain_text(recipient.actor.name)
    assert (
        db.read.scalar(select(Referral.status).where(Referral.id == referral_id)) is ReferralStatus.ACCEPTED
    )
    follow(slow, "最新の状況を見る")
    expect(slow.get_by_role("heading", level=1)).to_contain_text("受入")


def test_an_answer_after_the_other_side_withdrew_keeps_its_words(
    visit: Visit, sender: Member, recipient: Member
) -> None:
    referral_id = make_referral(sender, recipient)
    page = visit(recipient)
    page.goto(f"/referrals/{referral_id}/reject")
    page.get_by_role("radio", name="受入の余裕がない").check()
    box(page, "理由").fill(REASON)
    step(sender, referral_id, ReferralAction.CANCEL, text="本人の希望が変わりました。")
    press(page, "受入不可と回答する")
    expect(main(page)).to_contain_text(REASON)
    expect(main(page)).to_contain_text("取り下げ")


def test_what_an_agency_asks_reaches_only_the_other(visit: Visit, sender: Member, recipient: Member) -> None:
    referral_id = make_referral(sender, recipient)
    page = visit(recipient)
    page.goto(f"/referrals/{referral_id}")
    box(page, "連絡の内容").fill("ご家族も一緒に来られますか。")
    page.get_by_role("button", name="連絡を送る").dblclick()
    expect(page.locator(".timeline").get_by_text("ご家族も一緒に来られますか。")).to_have_count(1)
    stranger = visit(make_member(make_agency()))
    answer = stranger.goto(f"/referrals/{referral_id}")
    assert answer
    assert answer.status == 404
