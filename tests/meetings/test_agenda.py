"""Arranging an agenda through its pages: who may add, see, move, put off, share, and what each kind refuses."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.core import clock
from portal.core.db import db
from portal.core.errors import Invalid, NotAllowed, StaleForm
from portal.core.policy import Role
from portal.disclosures.models import Disclosure
from portal.meetings.agenda import services as agenda_services
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.agenda.services import ItemFacts
from portal.meetings.packets import services as packet_services
from portal.meetings.states import ItemKind, MeetingKind
from portal.people.categories import Category
from tests.browsers import Browser
from tests.factories import Member, make_consent, make_member, make_person, make_referral
from tests.meeting_factories import make_item, make_meeting, make_series, name_member, take_step

pytestmark = pytest.mark.quick

Visit = Callable[..., Browser]


@pytest.fixture
def convener(app: object) -> Member:
    return make_member(role=Role.COORDINATOR)


@pytest.fixture
def partner(app: object) -> Member:
    return make_member()


def items_of(meeting_id: Any) -> list[AgendaItem]:
    statement = select(AgendaItem).where(AgendaItem.meeting_id == meeting_id)
    found = list(db.read.scalars(statement.order_by(AgendaItem.position, AgendaItem.id)))
    db.end()
    return found


def facts(member: Member, **values: Any) -> ItemFacts:
    defaults: dict[str, Any] = {
        "kind": ItemKind.HANDOFF,
        "title": "",
        "text": "",
        "minutes": 5,
        "presenter_agency_id": member.agency_id,
        "categories": frozenset({Category.BASIC}),
    }
    return ItemFacts(**defaults | values)


def sent(member: Member, **values: Any) -> dict[str, Any]:
    return {
        "kind": "information",
        "title": "次の行事",
        "minutes": "10",
        "presenter": str(member.agency_id),
        **values,
    }


def test_who_arranges_sees_reasons_links_and_the_sum(
    browser: Visit, convener: Member, partner: Member
) -> None:
    referral = make_referral(convener, partner)
    meeting = make_meeting(convener, [partner], minutes=60)

    page = browser(convener).get(f"/meetings/{meeting}").text

    assert "前回以後に届いたつなぎ" in page
    assert f"/referrals/{referral}" in page
    assert "議題の合計 5分／会議の時間 60分" in page
    assert "見本 花子" in page


def test_a_closed_item_shows_its_presenter_and_minutes_alone(
    browser: Visit, convener: Member, partner: Member
) -> None:
    person = make_person(partner, family="隠岐", given="次郎")
    meeting = make_meeting(convener, [partner])
    item = make_item(partner, meeting, person_id=person, title="秘密の題", minutes=12)

    page = browser(convener).get(f"/meetings/{meeting}").text

    assert "非公開の議題" in page
    assert "12分" in page
    for hidden in ("隠岐", "秘密の題", "事例"):
        assert hidden not in page
    assert "秘密の題" not in browser(convener).get(f"/meetings/{meeting}/items/{item}").text


def test_others_see_their_own_items_and_strangers_nothing(
    browser: Visit, convener: Member, partner: Member
) -> None:
    meeting = make_meeting(convener, [partner])
    make_item(convener, meeting, title="招集した機関の題")
    make_item(partner, meeting, title="自分の題")

    page = browser(partner).get(f"/meetings/{meeting}").text
    assert "自分の題" in page
    assert "招集した機関の題" not in page
    assert browser(make_member()).get(f"/meetings/{meeting}").status_code == 404


def test_an_item_is_added_once_and_changed_by_its_agency_alone(
    browser: Visit, convener: Member, partner: Member
) -> None:
    meeting = make_meeting(convener, [partner])
    visit, path = browser(partner), f"/meetings/{meeting}/items/new"
    form = sent(partner, idempotency_key="0" * 32)

    assert "議題名を入力してください。" in visit.post(path, data=form | {"title": ""}).text
    for _ in range(2):
        assert visit.post(path, data=form).status_code == 302
    [item] = items_of(meeting)
    assert (item.title, item.minutes, item.is_touched) == ("次の行事", 10, True)
    edit = f"/meetings/{meeting}/items/{item.id}"
    assert visit.post(edit, data=sent(partner, title="直した題", version="1")).status_code == 302
    late = visit.post(edit, data=sent(partner, title="遅れた題", version="1"))
    assert (late.status_code, "遅れた題" in late.text) == (409, True)
    with pytest.raises(NotAllowed):
        agenda_services.edit_item(convener.actor, item.id, facts(convener, title="横から"))
    with pytest.raises(StaleForm):
        agenda_services.arrange_item(
            convener.actor, item.id, minutes=3, presenter_agency_id=partner.agency_id or item.id, version=1
        )
    assert items_of(meeting)[0].title == "直した題"


def test_items_move_by_buttons_and_only_for_who_arranges(
    browser: Visit, convener: Member, partner: Member
) -> None:
    meeting = make_meeting(convener, [partner])
    first, second = (make_item(partner, meeting) for _ in range(2))
    path = f"/meetings/{meeting}/items/{second}/move/up"

    assert browser(partner).post(path).status_code == 403
    assert browser(convener).post(path).location.endswith(f"#item-{second}")
    assert [item.id for item in items_of(meeting)] == [second, first]


@pytest.mark.parametrize("way", ["remove", "postpone"])
def test_taking_off_asks_why_ends_what_was_told_and_can_be_undone(
    browser: Visit, convener: Member, partner: Member, way: str
) -> None:
    person = make_person(convener)
    make_consent(convener, person, [partner])
    meeting = make_meeting(convener, [partner], status="announced")
    item = make_item(convener, meeting, person_id=person, categories=["basic"])
    packet_services.open_packet(partner.actor, meeting)
    visit, path = browser(convener), f"/meetings/{meeting}/items/{item}/{way}"

    assert "理由を入力してください。" in visit.post(path, data={"why": ""}).text
    visit.post(path, data={"why": "本人の都合"})

    [line] = db.read.scalars(select(Disclosure).where(Disclosure.source_id == item)).all()
    assert line.ended_at is not None
    db.end()
    assert "本人の都合" in visit.get(f"/meetings/{meeting}").text
    visit.post(f"/meetings/{meeting}/items/{item}/restore")
    assert items_of(meeting)[0].stands


def test_sharing_all_own_items_at_once(browser: Visit, convener: Member, partner: Member) -> None:
    make_referral(convener, partner)
    theirs = make_person(partner)
    meeting = make_meeting(convener, [partner])
    other = make_item(partner, meeting, person_id=theirs)
    visit = browser(convener)
    assert "自機関の議題をまとめて共有する" in visit.get(f"/meetings/{meeting}").text

    visit.post(f"/meetings/{meeting}/items/share")

    assert {item.id: item.shared for item in items_of(meeting)}[other] is False
    assert [item.shared for item in items_of(meeting) if item.id != other] == [True]
    [own] = [item for item in items_of(meeting) if item.shared]
    visit.post(f"/meetings/{meeting}/items/{own.id}/unshare")
    assert not any(item.shared for item in items_of(meeting))


def test_a_council_by_consent_refuses_whom_nobody_else_may_hear_of(
    convener: Member, partner: Member, browser: Visit
) -> None:
    person = make_person(convener)
    council = make_meeting(convener, [partner], kind=MeetingKind.COORDINATION)
    with pytest.raises(Invalid):
        agenda_services.add_item(convener.actor, council, facts(convener, person_id=person))
    make_consent(convener, person, [partner])

    agenda_services.add_item(convener.actor, council, facts(convener, person_id=person))

    page = browser(convener).get(f"/meetings/{council}/items/new?person={person}").text
    assert "同意あり" in page
    assert len([item for item in items_of(council) if item.person_id == person]) == 1


def test_a_case_study_takes_no_name_and_a_support_council_no_consent(
    convener: Member, partner: Member
) -> None:
    person = make_person(convener)
    study = make_meeting(convener, [partner], kind=MeetingKind.CASE_STUDY)
    with pytest.raises(Invalid):
        agenda_services.add_item(
            convener.actor,
            study,
            facts(convener, person_id=person, title="見本 花子さんの事例", categories=frozenset()),
        )
    agenda_services.add_item(
        convener.actor,
        study,
        facts(convener, person_id=person, title="30代の事例", categories=frozenset()),
    )

    statutory = make_meeting(convener, [partner], kind=MeetingKind.STATUTORY)
    agenda_services.add_item(convener.actor, statutory, facts(convener, person_id=person))
    assert [item.person_id for item in items_of(statutory)] == [person]


def test_nobody_shares_what_they_do_not_know(convener: Member, partner: Member) -> None:
    person = make_person(convener)
    make_referral(convener, partner, person_id=person)
    meeting = make_meeting(convener, [partner])

    with pytest.raises(Invalid) as refused:
        agenda_services.add_item(
            partner.actor,
            meeting,
            facts(partner, person_id=person, categories=frozenset({Category.BASIC, Category.HEALTH})),
        )
    assert refused.value.field == "categories"


def test_before_the_oath_nothing_of_a_support_council_is_shown(
    browser: Visit, convener: Member, partner: Member
) -> None:
    meeting = make_meeting(convener, [partner], kind=MeetingKind.STATUTORY)
    item = make_item(convener, meeting, title="会議の中身")
    visit = browser(convener)

    page = visit.get(f"/meetings/{meeting}").text
    assert "守秘義務の確認が必要です" in page
    assert "会議の中身" not in page
    assert visit.get(f"/meetings/{meeting}/items/{item}").status_code == 404
    name_member(convener, meeting, convener, agreed=True)
    assert "会議の中身" in visit.get(f"/meetings/{meeting}").text


def test_the_share_of_reports_afterwards_is_shown(browser: Visit, convener: Member, partner: Member) -> None:
    council = {"kind": MeetingKind.COORDINATION, "series_id": make_series(convener, [partner])}
    past = make_meeting(convener, [partner], starts_at=clock.now() - timedelta(days=30), **council)
    for kind in (ItemKind.PLAN_CHECK, ItemKind.PLAN_CHECK, ItemKind.PLAN_CHECK, ItemKind.REPORT_AFTERWARDS):
        make_item(convener, past, kind=kind)
    for action in ("announce", "begin", "close"):
        take_step(convener, past, action)
    coming = make_meeting(convener, [partner], **council)

    assert "事後報告の割合：25％" in browser(convener).get(f"/meetings/{coming}").text
    assert "事後報告の割合" not in browser(partner).get(f"/meetings/{coming}").text


def test_from_a_referral_the_form_knows_whom_it_is_about(
    browser: Visit, convener: Member, partner: Member
) -> None:
    referral = make_referral(convener, partner)
    meeting = make_meeting(convener, [partner])
    visit, path = browser(convener), f"/meetings/{meeting}/items/new?referral={referral}"
    assert "見本 花子" in visit.get(path).text

    form = sent(convener, kind="handoff", title="", shared="y", categories=["basic"])
    assert visit.post(path, data=form).status_code == 302

    [item] = items_of(meeting)
    assert (item.referral_id, item.shared) == (referral, True)
    visit.get(f"/meetings/{meeting}")
    assert len(items_of(meeting)) == 1  # the work does not bring it a second time


def test_the_page_asks_as_often_for_ten_items_as_for_one(
    browser: Visit, convener: Member, partner: Member, count_queries: Any
) -> None:
    asked = []
    for size in (1, 10):
        meeting = make_meeting(convener, [partner])
        for _ in range(size):
            make_item(convener, meeting, person_id=make_person(convener), categories=["basic"])
        visit = browser(convener)
        visit.get(f"/meetings/{meeting}")
        with count_queries() as statements:
            visit.get(f"/meetings/{meeting}")
        asked.append(len(statements))
    assert asked[0] == asked[1]
