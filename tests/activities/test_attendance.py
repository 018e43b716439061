"""Who came: named within the wall, anonymous heads, naming one later, taking one back; 延べ and persons stay right."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from portal.activities import queries, services
from portal.activities.kinds import ActivityKind
from portal.activities.services import ActivityFacts, Heads
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.cases.models import Case
from portal.core.db import db
from portal.core.errors import Conflict, Invalid, StaleForm
from tests.activities.acts import boxes, heads, recorded, shape
from tests.activity_factories import make_activity, make_activity_series, make_attendance
from tests.browsers import Browser
from tests.factories import Member, make_case, make_consent, make_member, make_person, make_referral

Visit = Callable[..., Browser]


@pytest.fixture
def member(app: Any, at: Callable[..., None]) -> Member:
    at("2020-12-05T15:00")
    return make_member()


def facts(**values: Any) -> ActivityFacts:
    return ActivityFacts(
        **{"kind": ActivityKind.CAFE, "area": "place", "held_on": date(2020, 12, 5), **values}
    )


def url_of(activity_id: UUID, head_id: UUID, act: str = "") -> str:
    return f"/activities/{activity_id}/attendance/{head_id}{act}"


def test_regulars_and_own_cases_are_offered_and_others_found_by_kana(browser: Visit, member: Member) -> None:
    series = make_activity_series(member)
    regular, elsewhere, client, other = (
        make_person(member, family=word, family_kana=kana)
        for word, kana in (("見本", "みほん"), ("例示", "れいじ"), ("仮名", "かめい"), ("架空", "かくう"))
    )
    make_attendance(member, make_activity(member, series_id=series), regular)
    make_attendance(member, make_activity(member, kind=ActivityKind.SALON, area="employment"), elsewhere)
    make_case(member, client)
    visit, url = browser(member), f"/activities/new?series={series}"
    assert boxes(visit.get(url).text) == {str(regular): False, str(client): False}
    typed = {
        "held_on": "2020-12-05",
        "people": str(regular),
        "q": "ｶｸｳ",
        "find": "1",
        "text": "書きかけの見本",
    }
    page = visit.post(url, data=typed).text
    assert boxes(page) == {str(other): False, str(regular): True, str(client): False}
    assert "書きかけの見本" in page
    # Somebody found before stays ticked whoever is looked for next; nothing is lost.
    page = visit.post(url, data=typed | {"people": [str(regular), str(other)], "q": "みつからない"}).text
    assert boxes(page) == {str(other): True, str(regular): True, str(client): False}
    assert "ほかには見つかりませんでした" in page
    assert db.read.scalars(
        select(AuditEntry).where(AuditEntry.event == AuditEvent.PEOPLE_LISTED.value)
    ).first()


def test_a_name_that_was_typed_is_looked_for_before_anything_is_saved(browser: Visit, member: Member) -> None:
    person = make_person(member, family="架空", family_kana="かくう")
    visit, url = browser(member), "/activities/new?kind=cafe"
    typed = {"held_on": "2020-12-05", "mode": "in_person", "area": "place", "q": "架空"}
    page = visit.post(url, data=typed)
    assert page.status_code == 200
    assert boxes(page.text) == {str(person): False}
    made = recorded(visit, url, **typed | {"searched": "架空", "people": str(person)})
    assert shape(made) == (1, 0, 0)


def test_people_are_added_and_heads_made_as_many_as_said(browser: Visit, member: Member) -> None:
    person = make_person(member)
    make_case(member, person)
    made = recorded(browser(member), first="3", again="1")
    visit, url = browser(member), f"/activities/{made}/attendance"
    page = visit.get(url).text
    assert re.search(r'name="was"[^>]*value="3-1"', page)
    answer = visit.post(url, data={"people": str(person), "first": "1", "again": "2", "was": "3-1"})
    assert answer.status_code == 302
    assert shape(made) == (1, 1, 2)
    assert len(heads(made, live=False)) == 6, "what was struck out stays on record"
    page = visit.get(url).text
    assert str(person) not in boxes(page), "who is on the day is not offered twice"


def test_two_who_count_at_once_do_not_overwrite_each_other(browser: Visit, member: Member) -> None:
    made = recorded(browser(member), first="1")
    url = f"/activities/{made}/attendance"
    assert browser(member).post(url, data={"first": "2", "again": "0", "was": "1-0"}).status_code == 302
    late = browser(member).post(url, data={"first": "3", "again": "1", "was": "1-0"})
    assert late.status_code == 409
    assert 'value="3"' in late.text
    assert "いまの匿名の人数：初めて2人" in late.text
    assert shape(made) == (0, 2, 0)
    assert browser(member).post(url, data={"first": "3", "again": "1", "was": "2-0"}).status_code == 302
    assert shape(made) == (0, 3, 1)


def test_the_same_form_twice_adds_nobody_twice(member: Member) -> None:
    made = make_activity(member)
    person = make_person(member)
    for _ in range(2):
        services.note_heads(
            member.actor, made, Heads({person: ""}, 2, 1), expected=None, idempotency_key="a" * 32
        )
    services.note_heads(member.actor, made, Heads({person: ""}, 2, 1))
    assert shape(made) == (1, 2, 1)


def test_a_note_on_one_person_stays_with_them(browser: Visit, member: Member) -> None:
    person = make_person(member)
    made = recorded(browser(member), people=str(person)) if make_case(member, person) else None
    assert made
    (row,) = heads(made)
    visit = browser(member)
    was = re.search(r'name="was"[^>]*value="([^"]+)"', visit.get(url_of(made, row.id)).text)
    assert was
    typed = {"note": "面接の話をした。", "was": was[1]}
    assert visit.post(url_of(made, row.id), data=typed).status_code == 302
    assert "面接の話をした。" in visit.get(f"/activities/{made}").text
    late = visit.post(url_of(made, row.id), data=typed | {"note": "別のことを書いた。"})
    assert late.status_code == 409
    assert "面接の話をした。" in late.text
    assert "別のことを書いた。" in late.text


def test_a_head_is_named_later_and_the_naming_taken_back(browser: Visit, member: Member) -> None:
    person = make_person(member, family="架空", given="二郎")
    make_case(member, person)
    made = recorded(browser(member), first="2")
    one, two = heads(made)
    visit = browser(member)
    assert boxes(visit.get(url_of(made, one.id, "/link")).text) == {str(person): False}
    assert visit.post(url_of(made, one.id, "/link"), data={}).status_code == 200
    answer = visit.post(url_of(made, one.id, "/link"), data={"people": str(person)})
    assert answer.status_code == 302
    assert "「架空 二郎」さんと結びつけました" in visit.get(answer.location).text
    assert shape(made) == (1, 1, 0)
    assert heads(made)[0].is_first, "what was said of the head that day stays"
    again = visit.post(url_of(made, two.id, "/link"), data={"people": str(person)})
    assert again.status_code == 409
    assert "すでにこの日の参加者です" in again.text
    assert visit.get(url_of(made, one.id, "/link")).status_code == 409
    assert "参加した活動" in visit.get(f"/cases/{make_case_of(member, person)}").text

    assert visit.get(url_of(made, one.id, "/unlink")).status_code == 200
    assert visit.post(url_of(made, one.id, "/unlink"), data={"note": "初めての方"}).status_code == 302
    assert shape(made) == (0, 2, 0)
    assert heads(made)[0].note == "初めての方"
    assert visit.get(url_of(made, one.id, "/unlink")).status_code == 409


def make_case_of(member: Member, person_id: UUID) -> UUID:
    from_db = db.read.execute(select(Case.id).where(Case.person_id == person_id))
    found: UUID = from_db.scalar_one()
    db.end()
    return found


def test_taking_one_back_asks_once_more(browser: Visit, member: Member) -> None:
    person = make_person(member)
    make_case(member, person)
    made = recorded(browser(member), people=str(person), again="1")
    visit = browser(member)
    for row in heads(made):
        assert "人数からも除きます" in visit.get(url_of(made, row.id, "/remove")).text
        assert visit.post(url_of(made, row.id, "/remove")).status_code == 302
        assert visit.get(url_of(made, row.id)).status_code == 404
    assert shape(made) == (0, 0, 0)
    assert "延べ0人" in visit.get(f"/activities/{made}").text


def test_who_may_be_named(member: Member, at: Callable[..., None]) -> None:
    other = make_member()
    told, lapsed, unknown = make_person(other), make_person(other), make_person(other)
    make_referral(other, member, person_id=told)
    until = date(2020, 12, 20)
    make_referral(
        other, member, person_id=lapsed, consent_id=make_consent(other, lapsed, [member], until=until)
    )
    services.record(member.actor, facts(), Heads({told: "", lapsed: ""}))
    at("2020-12-21T10:00")
    services.record(member.actor, facts(), Heads({told: ""}))
    for stranger in (lapsed, unknown, UUID(int=1)):
        with pytest.raises(Invalid):
            services.record(member.actor, facts(), Heads({stranger: ""}))
        made = services.record(member.actor, facts(), Heads(first=1)).id
        head_id = heads(made)[0].id
        with pytest.raises(Invalid):
            services.link(member.actor, made, head_id, stranger)


@pytest.mark.parametrize("number", [-1, 501])
def test_a_number_of_heads_has_its_limits(member: Member, number: int) -> None:
    with pytest.raises(Invalid):
        services.record(member.actor, facts(), Heads(again=number))


def test_the_actor_who_links_first_wins(member: Member) -> None:
    person = make_person(member)
    made = services.record(member.actor, facts(), Heads(first=2)).id
    outcomes: list[str] = []
    barrier = threading.Barrier(2)

    def link(head_id: UUID) -> None:
        barrier.wait()
        try:
            services.link(member.actor, made, head_id, person)
            outcomes.append("linked")
        except Conflict:
            outcomes.append("refused")
        finally:
            db.end()

    threads = [threading.Thread(target=link, args=(row.id,)) for row in heads(made)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["linked", "refused"]
    assert shape(made) == (1, 1, 0)


def test_of_two_corrections_at_once_one_wins(member: Member) -> None:
    made = make_activity(member)
    outcomes: list[str] = []
    barrier = threading.Barrier(2)

    def correct(text: str) -> None:
        barrier.wait()
        try:
            services.correct(member.actor, made, facts(text=text), version=1)
            outcomes.append(text)
        except StaleForm:
            outcomes.append("stale")
        finally:
            db.end()

    threads = [threading.Thread(target=correct, args=(word,)) for word in ("一人目", "二人目")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "stale" in outcomes
    assert len(set(outcomes)) == 2


PEOPLE, DAYS = 4, 3
ENTRY = st.one_of(
    st.tuples(st.just("person"), st.integers(0, DAYS - 1), st.integers(0, PEOPLE - 1)),
    st.tuples(st.just("heads"), st.integers(0, DAYS - 1), st.integers(0, 2)),
)


def world(member: Member, entries: list[tuple[str, int, int]]) -> tuple[list[int], int]:
    """What stands after these entries: heads of each day, and how many different people."""
    people = [make_person(member) for _ in range(PEOPLE)]
    days = [
        services.record(member.actor, facts(held_on=date(2020, 12, 1) + timedelta(days=n))).id
        for n in range(DAYS)
    ]
    for sort, day, n in entries:
        if sort == "person":
            first, again = shape(days[day])[1:]
            services.note_heads(member.actor, days[day], Heads({people[n]: ""}, first, again))
        else:
            first, again = shape(days[day])[1:]
            services.note_heads(member.actor, days[day], Heads({}, first + n, again))
    counted = queries.heads(db.read(), days)
    rows = [row for day in days for row in heads(day)]
    named = {row.person_id for row in rows if row.person_id}
    return [counted[day].visits for day in days], len(named)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.lists(ENTRY, max_size=8), data=st.data())
def test_the_order_of_entry_does_not_matter(member: Member, entries: list[Any], data: Any) -> None:
    seen = []
    for order in (entries, data.draw(st.permutations(entries))):
        visits, different = world(make_member(), order)
        assert sum(visits) >= different
        seen.append((visits, different))
    assert seen[0] == seen[1]
