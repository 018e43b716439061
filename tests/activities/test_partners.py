"""Partners (協力先): kept by one agency, seen by all; whom they took in is for the agency that held the activity."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from portal.activities.kinds import ActivityKind, Offer
from portal.activities.models import Agreement, Partner
from portal.activities.partners import queries as partner_queries
from portal.activities.partners import services as partner_services
from portal.activities.partners.queries import AgreementState, Filter
from portal.activities.partners.services import PartnerFacts
from portal.audit.models import AuditEntry
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Invalid, NotAllowed
from portal.core.policy import Role
from portal.disclosures import exclusions
from portal.disclosures import services as disclosures
from portal.exclusions.models import Conflict as Interest
from tests.activity_factories import make_activity, make_agreement, make_attendance, make_partner
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.factories import Member, make_consent, make_member, make_person, make_referral
from tests.retention.lives import WORDS, erase, make_office, old_life

Visit = Callable[..., Browser]
DAY = timedelta(days=1)


@pytest.fixture
def member(app: Flask) -> Member:
    return make_member()


def all_of(model: Any) -> list[Any]:
    found = list(db.read.scalars(select(model).order_by(model.id)))
    db.end()
    return found


def events(event: str) -> list[AuditEntry]:
    found = list(db.read.scalars(select(AuditEntry).where(AuditEntry.event == event)))
    db.end()
    return found


def typed(**more: Any) -> dict[str, Any]:
    return {
        "name": "見本製作所",
        "offers": ["visit", "placement"],
        "about": "部品の検品",
        "contact_name": "総務 例文",
        "telephone": "０７９７（００）０００１",
        "email": "soumu@example.jp",
        "address": "芦屋市見本町1番1号",
        "added_on": "R8.4.1",
        "idempotency_key": uuid4().hex,
    } | more


def hidden(page: str, name: str) -> str:
    field = re.search(rf'<input[^>]*name="{name}"[^>]*value="([^"]*)"', page)
    assert field
    return field[1]


def listed(page: str) -> list[str]:
    return re.findall(r'href="/activities/partners/([0-9a-f-]{36})"', page)


# Adding and keeping.


def test_a_partner_is_added_with_its_agreement(browser: Visit, member: Member) -> None:
    visit = browser(member)
    empty = visit.get("/activities/partners/").text
    assert "協力先はまだありません" in empty
    assert "/activities/partners/new" in empty
    until = clock.today() + 90 * DAY
    sent = typed(signed_on="R8.4.10", valid_until=until.isoformat())

    first, again = (visit.post("/activities/partners/new", data=sent) for _ in range(2))

    [kept], [agreement] = all_of(Partner), all_of(Agreement)
    assert first.location == again.location == f"/activities/partners/{kept.id}"
    assert (kept.agency_id, kept.offers, kept.added_on) == (
        member.agency_id,
        ["visit", "placement"],
        date(2026, 4, 1),
    )
    assert (agreement.signed_on, agreement.valid_until) == (date(2026, 4, 10), until)
    assert agreement.agency_id == member.agency_id
    shown = visit.get(first.location).text
    for words in ("見本製作所", "見学、実習", "部品の検品", "総務 例文", "0797-00-0001", "協定あり"):
        assert words in shown
    assert member.actor.agency_name in shown
    assert clock.era_date(until) in shown
    assert [entry.object_id for entry in events("partner:added")] == [kept.id]
    assert [entry.object_id for entry in events("agreement:signed")] == [agreement.id]
    assert "見本製作所".encode() not in events("partner:added")[0].body


def test_without_a_signature_there_is_no_agreement(browser: Visit, member: Member) -> None:
    visit = browser(member)
    refused = visit.post("/activities/partners/new", data=typed(valid_until="R9.3.31"))
    assert refused.status_code == 400
    assert "協定を結んだ日を入力してください。" in refused.text

    visit.post("/activities/partners/new", data=typed(offers=[]))

    [kept] = all_of(Partner)
    assert (kept.offers, all_of(Agreement)) == ([], [])
    shown = visit.get(f"/activities/partners/{kept.id}").text
    assert "協定なし" in shown
    assert "これから相談" in shown


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        ({"name": " 　"}, 200, "協力先の名前を入力してください。"),
        ({"name": "見本商店"}, 400, "同じ名前の協力先がすでに登録されています。"),
        ({"offers": ["everything"]}, 200, "エラー："),
        ({"telephone": "いつもの番号"}, 200, "電話番号を"),
        ({"email": "soumu"}, 200, "メールアドレスを"),
        ({"added_on": "2199-01-01"}, 200, "今日より後の日付は入力できません。"),
        ({"signed_on": "2199-01-01"}, 200, "今日より後の日付は入力できません。"),
        ({"signed_on": "R8.4.1", "valid_until": "R8.3.31"}, 400, "有効期限は、協定を結んだ日以後"),
        ({"about": "<script>alert(1)</script>", "name": ""}, 200, "&lt;script&gt;alert(1)"),
    ],
)
def test_a_wrong_partner_is_refused_and_keeps_what_was_typed(
    browser: Visit, member: Member, wrong: dict[str, Any], status: int, said: str
) -> None:
    make_partner(member, name="見本商店")

    answer = browser(member).post("/activities/partners/new", data=typed(**wrong))

    assert answer.status_code == status
    assert said in answer.text
    assert "芦屋市見本町1番1号" in answer.text
    assert len(all_of(Partner)) == 1


def test_only_the_agency_that_keeps_it_changes_it(browser: Visit, member: Member) -> None:
    partner = make_partner(member, name="見本商店")
    agreement = make_agreement(member, partner)
    path, other = f"/activities/partners/{partner}", browser(make_member())
    page = other.get(path).text
    assert "見本商店" in page
    assert "登録した機関" in page

    acts = ("/edit", "/end", "/agreements/new", f"/agreements/{agreement}/strike")
    for act in acts:
        assert f"{path}{act}" not in page
        assert other.get(path + act).status_code == 403
        assert other.post(path + act, data=typed(version="1", ended_on="R8.4.1")).status_code == 403
    assert other.post(f"{path}/again", data={"version": "1"}).status_code == 403
    [kept], [signed] = all_of(Partner), all_of(Agreement)
    assert (kept.name, kept.version, kept.ended_on, signed.struck_at) == ("見本商店", 1, None, None)
    for theirs in (
        lambda who: partner_services.change(who, partner, PartnerFacts("書きかえ")),
        lambda who: partner_services.sign(who, partner, clock.today()),
        lambda who: partner_services.strike_agreement(who, partner, agreement),
    ):
        with pytest.raises(NotAllowed):
            theirs(make_member().actor)


def test_who_does_no_casework_sees_no_partner(browser: Visit, member: Member) -> None:
    partner = make_partner(member)
    for role in (Role.AGENCY_ADMIN, Role.AUDITOR, Role.SYSTEM_ADMIN):
        agency = member.agency_id if role is Role.AGENCY_ADMIN else None
        visit = browser(make_member(agency, role))
        assert visit.get("/activities/partners/").status_code == 403
        assert visit.get("/activities/partners/new").status_code == 403
        for act in ("", "/edit", "/end", "/agreements/new"):
            real, unreal = (visit.get(f"/activities/partners/{one}{act}") for one in (partner, uuid4()))
            assert (real.status_code, real.data) == (404, unreal.data)


def test_two_who_change_it_at_once_see_both(browser: Visit, member: Member) -> None:
    partner = make_partner(member, name="見本商店")
    visit, path = browser(member), f"/activities/partners/{partner}/edit"
    version = hidden(visit.get(path).text, "version")
    mine, theirs = typed(about="私の言葉", version=version), typed(about="同僚の言葉", version=version)
    theirs["offers"] = ["job"]
    assert visit.post(path, data=theirs).status_code == 302

    stale = visit.post(path, data=mine)

    assert stale.status_code == 409
    for words in ("私の言葉", "同僚の言葉", "見学、実習", "求人・雇用"):
        assert words in stale.text
    assert visit.post(path, data=mine | {"version": hidden(stale.text, "version")}).status_code == 302
    assert all_of(Partner)[0].about == "私の言葉"
    assert len(events("partner:changed")) == 2


def test_it_takes_nobody_any_more_and_does_again(browser: Visit, member: Member) -> None:
    partner = make_partner(member, name="見本商店", added_on=date(2026, 4, 1))
    visit, path = browser(member), f"/activities/partners/{partner}"
    version = hidden(visit.get(f"{path}/end").text, "version")
    early = visit.post(f"{path}/end", data={"ended_on": "R8.3.31", "version": version})
    assert "受け入れを終えた日は、登録日から今日までの日付にしてください。" in early.text

    assert visit.post(f"{path}/end", data={"ended_on": "R8.5.1", "version": version}).location == path

    assert all_of(Partner)[0].ended_on == date(2026, 5, 1)
    assert listed(visit.get("/activities/partners/").text) == []
    assert listed(visit.get("/activities/partners/?show=ended").text) == [str(partner)]
    page = visit.get(path).text
    assert "受け入れを終えた協力先です。" in page
    assert f"{path}/agreements/new" not in page
    assert visit.post(f"{path}/end", data={"ended_on": "R8.5.2", "version": "2"}).status_code == 409
    assert visit.post(f"{path}/again", data={"version": "1"}).status_code == 409
    assert visit.post(f"{path}/again", data={"version": hidden(page, "version")}).location == path
    assert all_of(Partner)[0].ended_on is None
    assert visit.post(f"{path}/again", data={"version": "3"}).status_code == 409


# Agreements.


def test_an_agreement_is_renewed_and_a_wrong_one_struck_out(browser: Visit, member: Member) -> None:
    partner = make_partner(member)
    today = clock.today()
    old = make_agreement(member, partner, signed_on=today - 400 * DAY, valid_until=today - 35 * DAY)
    visit, path = browser(member), f"/activities/partners/{partner}"
    assert "協定の期限が切れています。" in visit.get(path).text
    sent = {"signed_on": today.isoformat(), "valid_until": "", "idempotency_key": uuid4().hex}

    for _ in range(2):
        assert visit.post(f"{path}/agreements/new", data=sent).location == path

    new = next(one for one in all_of(Agreement) if one.id != old)
    assert len(all_of(Agreement)) == 2
    page = visit.get(path).text
    assert "期限が切れています" not in page
    assert "期限なし" in page
    strike = f"{path}/agreements/{new.id}/strike"
    assert strike in page
    assert "間違えて登録したときに取り消します。" in visit.get(strike).text
    assert visit.post(strike, data={}).location == path
    page = visit.get(path).text
    assert "協定の期限が切れています。" in page
    assert ">取消し</span>" in page
    assert strike not in page
    assert visit.post(strike, data={}).status_code == 409
    assert [entry.object_id for entry in events("agreement:struck")] == [new.id]


def test_an_agreement_is_found_with_its_own_partner_only(browser: Visit, member: Member) -> None:
    partner, other = make_partner(member), make_partner(member)
    elsewhere = make_agreement(member, other)
    visit = browser(member)
    for ask in (visit.get, visit.post):
        real, unreal = (
            ask(f"/activities/partners/{partner}/agreements/{one}/strike") for one in (elsewhere, uuid4())
        )
        assert (real.status_code, real.data) == (404, unreal.data)
    assert all_of(Agreement)[0].struck_at is None


@pytest.mark.parametrize(
    ("days", "warns", "says"),
    [
        (31, False, ""),
        (30, True, "あと30日"),
        (1, True, "あと1日"),
        (0, True, "今日まで"),
        (-1, False, "期限切れ"),
    ],
)
def test_the_end_of_an_agreement_is_told_before(
    browser: Visit, member: Member, days: int, *, warns: bool, says: str
) -> None:
    partner = make_partner(member)
    make_agreement(
        member, partner, signed_on=clock.today() - 300 * DAY, valid_until=clock.today() + days * DAY
    )
    visit = browser(make_member())

    page, everything = (
        visit.get(f"/activities/partners/{partner}").text,
        visit.get("/activities/partners/").text,
    )

    assert ("協定の期限が近づいています。" in page) == warns
    for shown in (page, everything):
        assert says in shown
        assert ("あと" in shown) == (says.startswith("あと"))


# The list.


def test_the_list_is_narrowed(browser: Visit, member: Member) -> None:
    today, visit = clock.today(), browser(make_member())
    none = make_partner(member, name="あ見本", offers=["volunteering"])
    stands = make_partner(member, name="い見本", offers=["visit", "job"])
    lapsed = make_partner(member, name="う見本", offers=["job"])
    struck = make_partner(member, name="え見本", offers=[])
    make_agreement(member, stands, signed_on=today - 900 * DAY, valid_until=today - 600 * DAY)
    make_agreement(member, stands, signed_on=today - 30 * DAY)
    make_agreement(member, lapsed, signed_on=today - 30 * DAY, valid_until=today - DAY)
    make_agreement(member, struck, signed_on=today - 30 * DAY, struck_at=clock.now())

    def found(query: str) -> list[UUID]:
        return [UUID(one) for one in listed(visit.get(f"/activities/partners/?{query}").text)]

    assert found("") == found("offer=nonsense&agreement=x") == [none, stands, lapsed, struck]
    assert found("offer=job") == [stands, lapsed]
    assert found("offer=volunteering") == [none]
    assert found("agreement=stands") == [stands]
    assert found("agreement=lapsed") == [lapsed]
    assert found("agreement=none") == [none, struck]
    assert found("offer=job&agreement=lapsed") == [lapsed]
    assert "当てはまる協力先はありません" in visit.get("/activities/partners/?offer=placement").text


def test_the_filter_and_the_rows_agree_on_every_state(member: Member) -> None:
    today = clock.today()
    ends: list[list[date | None]] = [
        [],
        [None],
        [today - DAY],
        [today],
        [today - DAY, today + DAY],
        [today, None],
    ]
    for until in ends:
        partner = make_partner(member)
        for day in until:
            make_agreement(member, partner, signed_on=today - 5 * DAY, valid_until=day)
    now = clock.now()

    def names(state: AgreementState | None) -> set[str]:
        rows = partner_queries.page(db.read(), member.actor, Filter(state=state), now)
        assert state is None or {row.state for row in rows} == {state}
        return {row.name for row in rows}

    apart = [names(state) for state in AgreementState]
    assert [len(one) for one in apart] == [4, 1, 1]
    assert set.union(*apart) == names(None)
    db.end()


def test_the_list_has_pages_also_of_like_names(
    browser: Visit, app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "PAGE_SIZE", 2)
    made = [make_partner(member, name=name) for name in ("か", "い", "い", "え", "い")]
    by_name = sorted(made, key=lambda one: ("かいいえい"[made.index(one)], one))
    visit, seen = browser(member), []

    url: str | None = "/activities/partners/?offer=visit"
    while url:
        page = visit.get(url).text
        seen += listed(page)
        following = re.search(r'rel="next"\s+href="([^"]+)"', page)
        url = following[1].replace("&amp;", "&") if following else None

    assert seen == [str(one) for one in by_name]


# What was done there.


def taken_in(member: Member, partner: UUID, who: UUID | None = None, **activity: Any) -> UUID:
    made = make_activity(
        member, kind=ActivityKind.WORKPLACE_TOUR, area="employment", partner_id=partner, **activity
    )
    make_attendance(member, made, who)
    return made


def test_one_s_own_agency_sees_whom_the_partner_took_in(browser: Visit, member: Member) -> None:
    partner, today = make_partner(member), clock.today()
    person = make_person(member, family="仮名", given="一子")
    taken_in(member, partner, person, title="先月の見学", held_on=today - 30 * DAY)
    latest = taken_in(member, partner, title="今日の見学", held_on=today, outcome="実習に進む")
    make_attendance(member, latest)
    taken_in(member, partner, title="中止の見学", not_held_why="台風")
    taken_in(member, partner, title="誤りの見学", struck_at=clock.now())
    taken_in(member, make_partner(member), title="別の店の見学")
    visit = browser(make_member(member.agency_id))

    page = visit.get(f"/activities/partners/{partner}").text

    assert page.index("今日の見学") < page.index("先月の見学")
    for words in ("仮名 一子", "匿名2人", "実習に進む", "職場見学", f"/people/{person}"):
        assert words in page
    for words in ("中止の見学", "誤りの見学", "別の店の見学"):
        assert words not in page
    [entry] = events("partner:read")
    assert (entry.object_id, entry.person_id) == (partner, person)


def test_another_agency_sees_the_partner_and_nothing_of_it(browser: Visit, member: Member) -> None:
    partner, other = make_partner(member, name="見本商店"), make_member()
    person = make_person(member, family="仮名", given="一子")
    make_consent(member, person, [other])
    taken_in(member, partner, person, title="よその見学")

    page = browser(other).get(f"/activities/partners/{partner}").text

    assert "見本商店" in page
    for words in ("よその見学", "仮名", "匿名", "氏名非表示"):
        assert words not in page
    assert events("partner:read") == []


def test_whoever_held_it_too_sees_the_activity_and_only_its_own_heads(browser: Visit, member: Member) -> None:
    partner, other = make_partner(member), make_member()
    person = make_person(member, family="仮名", given="一子")
    make_consent(member, person, [other])
    together = taken_in(member, partner, person, title="合同の見学", together=[other])
    make_attendance(other, together)

    page = browser(other).get(f"/activities/partners/{partner}").text

    assert "合同の見学" in page
    assert "匿名1人" in page
    assert "仮名" not in page
    assert "氏名非表示" not in page


def test_the_name_goes_with_its_basis_and_the_coming_stays(browser: Visit, member: Member) -> None:
    recipient, partner = make_member(), make_partner(member)
    person = make_person(member, family="仮名", given="一子")
    consent = make_consent(member, person, [recipient])
    make_referral(member, recipient, status="accepted", person_id=person, consent_id=consent)
    taken_in(recipient, partner, person)
    visit, path = browser(recipient), f"/activities/partners/{partner}"
    assert "仮名 一子" in visit.get(path).text

    disclosures.withdraw_consent(member.actor, consent)

    page = visit.get(path).text
    assert "氏名非表示" in page
    assert "仮名" not in page
    first, second = events("partner:read")
    assert b'"basic"' in first.body
    assert b'"basic"' not in second.body


def test_who_is_excluded_does_not_learn_that_the_person_came(browser: Visit, member: Member) -> None:
    partner, colleague = make_partner(member), make_member(member.agency_id)
    person = make_person(member, family="仮名", given="一子")
    taken_in(member, partner, person, title="今日の見学")
    exclusions.exclude(member.actor, person, colleague.staff_id, Interest.RELATIVE, "見本の理由")

    page = browser(colleague).get(f"/activities/partners/{partner}").text

    assert "今日の見学" in page
    assert "仮名" not in page
    assert "氏名非表示" not in page


def test_after_an_erasure_the_page_stands_and_names_nobody(app: Flask, browser: Visit) -> None:
    office = make_office()
    who, partner = old_life(office, told=False), make_partner(office.worker)
    taken_in(office.worker, partner, who, title="昔の見学")
    visit, path = browser(office.worker), f"/activities/partners/{partner}"
    assert "鳥籠 消去子" in visit.get(path).text

    erase(office, who)

    page = visit.get(path)
    assert page.status_code == 200
    assert "昔の見学" in page.text
    assert not [word for word in WORDS if word in page.text]


def test_pages_cost_the_same_however_much_there_is(
    browser: Visit, member: Member, count_queries: CountQueries
) -> None:
    partner, visit, costs = make_partner(member), browser(member), []
    for more in (1, 8):
        for _ in range(more):
            make_agreement(member, make_partner(member))
            make_agreement(member, partner)
            taken_in(member, partner, make_person(member))
        with count_queries() as asked_list:
            visit.get("/activities/partners/")
        with count_queries() as asked_one:
            visit.get(f"/activities/partners/{partner}")
        costs.append((len(asked_list), len(asked_one)))
    assert costs[0] == costs[1]
    assert costs[1][0] <= 5
    assert costs[1][1] <= 10


def test_what_was_done_has_pages(
    browser: Visit, app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "PAGE_SIZE", 2)
    partner = make_partner(member)
    for n, days in enumerate((3, 1, 2, 1, 3)):
        taken_in(member, partner, title=f"見学の{n}番", held_on=clock.today() - days * DAY)
    visit, seen = browser(member), []

    url: str | None = f"/activities/partners/{partner}"
    while url:
        page = visit.get(url).text
        seen += re.findall(r"見学の(\d)番", page)
        following = re.search(r'rel="next"\s+href="([^"]+)"', page)
        url = following[1].replace("&amp;", "&") if following else None

    assert seen == ["3", "1", "2", "4", "0"]


def test_the_service_refuses_what_no_form_sends(member: Member) -> None:
    facts = PartnerFacts("見本商店", frozenset({Offer.JOB}))
    for wrong in (
        {"added_on": clock.today() + DAY},
        {"signed_on": clock.today() + DAY},
        {"valid_until": clock.today()},
    ):
        with pytest.raises(Invalid):
            partner_services.add(member.actor, facts, **wrong)
    with pytest.raises(NotAllowed):
        partner_services.add(make_member(role=Role.AUDITOR).actor, facts)
    assert all_of(Partner) == []
