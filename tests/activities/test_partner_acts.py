"""Scenario acts on partners, milestones and by what somebody came; a wrong line is named and nothing is loaded."""

from datetime import date

import pytest
from sqlalchemy import select

from portal.activities.models import Agreement, Partner
from portal.cases.codes import HeardBy, Milestone
from portal.cases.models import Case, CaseMilestone
from portal.core.db import db
from tests.test_scenario import NEXT_EVENT, WHOLE, Load, agency, counted, event, load

__all__ = ["load"]

PARTNERS = """\
  - {at: 2020-12-03T09:00, by: b1@example.jp, act: add_partner, key: b1, name: 見本倉庫, offers: [visit, job],
     signed: 2020-11-30, until: 2021-11-29, about: 仕分け, date: 2020-11-20,
     contact: {name: 総務 例文, telephone: 0797-00-0009, email: s@example.jp, address: 見本町9番}}
  - {at: 2020-12-03T09:10, by: b1@example.jp, act: add_partner, key: b2, name: 例文青果店, offers: []}
  - {at: 2020-12-04T09:00, by: b1@example.jp, act: sign_agreement, partner: b2, signed: 2020-12-04}
"""
CASES = """\
  - {at: 2020-12-05T09:00, by: a1@example.jp, act: open_case, key: k2, person: p1, heard_by: leaflet_of_commissioner}
  - {at: 2020-12-06T09:00, by: a1@example.jp, act: milestone, case: k2, what: plan_made, for_employment: true}
  - {at: 2021-01-06T09:00, by: b1@example.jp, act: milestone, case: k1, what: part_time_job, date: 2021-01-04, helper: jiritsu, text: 週3日}
"""


def test_partners_and_milestones_of_a_file(load: Load) -> None:
    done = load(WHOLE.replace("case_key: k1}", "case_key: k1, heard_by: cafe}") + PARTNERS + CASES)
    assert done.exit_code == 0, done.output
    store, grocer = db.read.scalars(select(Partner).order_by(Partner.added_on)).all()
    assert (store.name, store.offers, store.added_on) == ("見本倉庫", ["visit", "job"], date(2020, 11, 20))
    assert (store.contact_name, store.telephone) == ("総務 例文", "0797-00-0009")
    assert (store.email, store.address, store.about) == ("s@example.jp", "見本町9番", "仕分け")
    assert (grocer.added_on, grocer.agency_id) == (date(2020, 12, 3), agency("就労準備支援事業").id)
    signed = db.read.scalars(select(Agreement).order_by(Agreement.signed_on)).all()
    assert [(one.partner_id, one.signed_on, one.valid_until) for one in signed] == [
        (store.id, date(2020, 11, 30), date(2021, 11, 29)),
        (grocer.id, date(2020, 12, 4), None),
    ]
    theirs, ours = db.read.scalars(select(Case).order_by(Case.opened_on)).all()
    assert (theirs.heard_by, ours.heard_by) == (HeardBy.CAFE, HeardBy.LEAFLET_OF_COMMISSIONER)
    plan, job = db.read.scalars(select(CaseMilestone).order_by(CaseMilestone.happened_on)).all()
    assert (plan.case_id, plan.what, plan.for_employment) == (ours.id, Milestone.PLAN_MADE, True)
    assert (plan.happened_on, plan.helper_agency_id) == (date(2020, 12, 6), None)
    assert (job.case_id, job.happened_on, job.text) == (theirs.id, date(2021, 1, 4), "週3日")
    assert job.helper_agency_id == agency("自立相談支援機関").id


WRONG = {
    "an offer that nobody makes": ("act: add_partner, name: 見本, offers: [lunch]", "lunch"),
    "no offers": ("act: add_partner, name: 見本", "offers"),
    "an end without a beginning": (
        "act: add_partner, name: 見本, offers: [], until: 2021-03-31",
        "協定を結んだ日",
    ),
    "signed in the future": ("act: add_partner, name: 見本, offers: [], signed: 2020-12-04", "今日より後"),
    "over before it begins": (
        "act: add_partner, name: 見本, offers: [], signed: 2020-12-01, until: 2020-11-30",
        "有効期限",
    ),
    "a contact's fax": ("act: add_partner, name: 見本, offers: [], contact: {fax: 0797-00-0001}", "fax"),
    "no such partner": ("act: sign_agreement, partner: b9, signed: 2020-12-03", "b9"),
    "no such milestone": ("act: milestone, case: k1, what: lottery", "lottery"),
    "a milestone before the case": ("act: milestone, case: k1, what: employed, date: 2020-12-01", "開始日"),
    "a job for employment": ("act: milestone, case: k1, what: employed, for_employment: true", "プラン作成"),
    "one's own help": ("act: milestone, case: k1, what: employed, helper: shuro", "ほかの機関"),
    "help of a service": ("act: milestone, case: k1, what: employed, helper: cafe", "支援メニュー"),
    "heard in a dream": ("act: open_case, person: p1, heard_by: dream", "dream"),
}


@pytest.mark.parametrize(("rest", "says"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_line_is_named(load: Load, rest: str, says: str) -> None:
    refused = load(event(rest))
    assert refused.exit_code == 1
    told = [words for words in refused.stderr.splitlines() if f"line {NEXT_EVENT}:" in words]
    assert len(told) == 1, refused.stderr
    assert says in told[0]
    assert counted(Partner) == counted(Case) == counted(CaseMilestone) == 0


def test_only_who_keeps_a_partner_signs(load: Load) -> None:
    line = "  - {at: 2020-12-05T09:00, by: a1@example.jp, act: sign_agreement, partner: b2, signed: 2020-12-05}\n"
    refused = load(WHOLE + PARTNERS + line)
    assert refused.exit_code == 1
    assert f"line {NEXT_EVENT + PARTNERS.count(chr(10))}:" in refused.stderr
    assert "権限" in refused.stderr
