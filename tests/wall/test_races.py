"""Two people at once, in real threads: one winner, one record, and after a withdrawal nothing more is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Barrier, Event, Thread, get_ident
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, event, select

from portal.audit.models import AuditEntry
from portal.core.db import db
from portal.core.errors import Conflict, NoBasis, PortalError, StaleForm
from portal.disclosures import services as disclosures
from portal.people import services as people
from portal.people.categories import Category
from portal.people.models import Person
from portal.people.services import Basics
from portal.referrals import conversation, services
from portal.referrals.models import Referral, ReferralEvent
from portal.referrals.services import Answer
from portal.referrals.states import ReferralAction, Refusal
from portal.transfers import services as transfers
from tests.factories import make_case, make_consent, make_member, make_note, make_person, make_referral, step
from tests.wall import oracle
from tests.wall.test_audit_guard import make_terms

pytestmark = pytest.mark.both_databases

A = ReferralAction
NAMED = Basics(family="見本", given="花子", family_kana="みほん", given_kana="はなこ")
TRIES = 20
PATIENCE = 30


class Runner(Thread):
    """Runs one act; keeps what it returned or raised."""

    def __init__(self, act: Callable[[], Any], ready: Barrier | None = None) -> None:
        super().__init__(daemon=True)
        self.act, self.ready = act, ready
        self.result: Any = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            if self.ready:
                self.ready.wait(PATIENCE)
            self.result = self.act()
        except Exception as error:
            self.error = error
        finally:
            db.end()

    def finish(self) -> Runner:
        self.join(PATIENCE)
        assert not self.is_alive(), "it never ended"
        return self


def together(*acts: Callable[[], Any]) -> list[Runner]:
    ready = Barrier(len(acts))
    runners = [Runner(act, ready) for act in acts]
    return [runner.finish() for runner in runners]


def test_of_two_answers_at_once_one_wins(app: Flask) -> None:
    a, b = make_member(), make_member()
    for _ in range(TRIES):
        referral_id = make_referral(a, b)
        db.end()
        both = together(
            lambda: services.perform(b.actor, A.ACCEPT, referral_id),  # noqa: B023 - they end in this turn
            lambda: services.perform(
                b.actor,
                A.REJECT,
                referral_id,  # noqa: B023
                Answer(text="空きなしです", refusal=Refusal.NO_CAPACITY),
            ),
        )
        losers = [one.error for one in both if one.error]
        assert len(losers) == 1
        assert isinstance(losers[0], Conflict)
        steps = db.read().scalars(
            select(ReferralEvent.what).where(
                ReferralEvent.referral_id == referral_id, ReferralEvent.what.in_(["accept", "reject"])
            )
        )
        assert len(steps.all()) == 1
        db.end()


def test_of_twenty_answers_at_once_one_is_the_outcome(app: Flask) -> None:
    """Ten colleagues accept, ten refuse, in one instant: one answer, one step, one entry, else conflicts."""
    a, b = make_member(), make_member()
    referral_id = make_referral(a, b)
    db.end()
    full = Answer(text="空きなしです", refusal=Refusal.NO_CAPACITY)
    acts: list[Callable[[], Any]] = []
    for _ in range(10):
        acts.append(lambda: services.perform(b.actor, A.ACCEPT, referral_id))
        acts.append(lambda: services.perform(b.actor, A.REJECT, referral_id, full))
    runners = together(*acts)
    losers = [one.error for one in runners if one.error]
    assert len(losers) == 19
    assert all(isinstance(error, Conflict) for error in losers), losers
    with oracle.reading(app.config["DATABASE_URL"]) as rows:
        steps = [what for (what,) in rows("SELECT what FROM referral_event") if what in {"accept", "reject"}]
        entries = [
            event
            for (event,) in rows("SELECT event FROM audit_entry")
            if event in {"referral:accepted", "referral:rejected"}
        ]
        (status,) = [status for (status,) in rows("SELECT status FROM referral")]
    assert (steps, entries, status) in [
        (["accept"], ["referral:accepted"], "accepted"),
        (["reject"], ["referral:rejected"], "rejected"),
    ]


def test_of_two_steps_from_the_same_form_one_wins(app: Flask) -> None:
    """Holding and then cancelling would be allowed; but the second was decided on what is no longer so."""
    a, b = make_member(), make_member()
    for _ in range(TRIES):
        referral_id = make_referral(a, b, status="accepted")
        version = db.read().get_one(Referral, referral_id).version
        db.end()
        text = Answer(text="見本の理由")
        both = together(
            lambda: services.perform(b.actor, A.HOLD, referral_id, text, version=version),  # noqa: B023
            lambda: services.perform(a.actor, A.CANCEL, referral_id, text, version=version),  # noqa: B023
        )
        losers = [one.error for one in both if one.error]
        assert len(losers) == 1
        assert isinstance(losers[0], StaleForm | Conflict)
        assert db.read().get_one(Referral, referral_id).version == version + 1
        db.end()


def test_of_two_transfers_at_once_one_wins(app: Flask) -> None:
    a, b, c = make_member(), make_member(), make_member()
    for _ in range(5):
        person_id = make_person(a)
        consent_id = make_consent(a, person_id, [b, c])
        make = {"kind": "transfer", "person_id": person_id, "consent_id": consent_id}
        one, two = make_referral(a, b, **make), make_referral(a, c, **make)
        db.end()
        both = together(
            lambda: transfers.perform(b.actor, A.ACCEPT, one),  # noqa: B023
            lambda: transfers.perform(c.actor, A.ACCEPT, two),  # noqa: B023
        )
        assert [type(runner.error) for runner in both].count(type(None)) == 1
        winner = b if both[0].error is None else c
        assert db.read().get_one(Person, person_id).home_agency_id == winner.agency_id
        db.end()


def test_the_same_form_sent_twice_at_once_makes_one_record(app: Flask) -> None:
    a, b = make_member(), make_member()
    case_id = make_case(a)
    person_id = make_person(a)
    db.end()
    for number in range(6):
        key = f"key-{number}"
        made = {
            "person": lambda: people.register(a.actor, NAMED, idempotency_key=key),  # noqa: B023
            "progress_note": lambda: make_note(a, case_id, idempotency_key=key + "note"),  # noqa: B023
            "consent": lambda: disclosures.record_consent(
                a.actor,
                person_id,
                make_terms(b.agency_id),
                idempotency_key=key + "consent",  # noqa: B023
            ),
        }
        for table, act in made.items():
            before = count(app, table)
            both = together(act, act, act)
            assert [runner.error for runner in both] == [None, None, None]
            assert len({runner.result for runner in both}) == 1
            assert count(app, table) == before + 1


def count(app: Flask, table: str) -> int:
    with oracle.reading(app.config["DATABASE_URL"]) as rows:
        return int(rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - our own word


def test_numbers_have_no_twins_and_the_log_no_gaps(app: Flask) -> None:
    a = make_member()
    db.end()
    results = together(*[lambda: [people.register(a.actor, NAMED) for _ in range(5)] for _ in range(6)])
    assert [one.error for one in results] == [None] * 6
    with oracle.reading(app.config["DATABASE_URL"]) as rows:
        numbers = sorted(number for (number,) in rows("SELECT number FROM person"))
        assert [int(number[-4:]) for number in numbers] == list(range(1, 31))
        entries = [seq for (seq,) in rows("SELECT seq FROM audit_entry ORDER BY seq")]
        assert entries == list(range(1, len(entries) + 1))


# Withdrawing against telling.


class Pause:
    """Holds a thread just before it runs a statement that begins so, and lets it go on."""

    def __init__(self, runs: str) -> None:
        self.runs, self.thread = runs, -1
        self.reached, self.go_on = Event(), Event()

    def __call__(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith(self.runs) and not self.reached.is_set() and get_ident() == self.thread:
            self.reached.set()
            assert self.go_on.wait(PATIENCE)

    def act(self, act: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            self.thread = get_ident()
            return act()

        return run


@contextmanager
def paused_at(runs: str) -> Iterator[Pause]:
    pause = Pause(runs)
    event.listen(Engine, "before_cursor_execute", pause)
    try:
        yield pause
    finally:
        pause.go_on.set()
        event.remove(Engine, "before_cursor_execute", pause)


TELLINGS: dict[str, tuple[str, str]] = {
    "send": ("draft", "INSERT INTO disclosure "),
    "message": ("requested", "INSERT INTO referral_event"),
    "accept": ("requested", "INSERT INTO referral_event"),
    "start": ("accepted", "INSERT INTO referral_event"),
}


def telling(name: str, a: Any, b: Any, referral_id: Any) -> Callable[[], Any]:
    if name == "message":
        return lambda: conversation.send_message(a.actor, referral_id, "よろしくお願いします")
    member = a if name == "send" else b
    return lambda: step(member, referral_id, name)


@pytest.mark.parametrize("name", TELLINGS)
def test_a_telling_that_has_begun_ends_before_the_withdrawal_is_acknowledged(app: Flask, name: str) -> None:
    a, b = make_member(), make_member()
    status, moment = TELLINGS[name]
    person_id = make_person(a)
    consent_id = make_consent(a, person_id, [b])
    referral_id = make_referral(a, b, person_id=person_id, consent_id=consent_id, status=status)
    db.end()
    with paused_at(moment) as pause:
        teller = Runner(pause.act(telling(name, a, b, referral_id)))
        assert pause.reached.wait(PATIENCE)
        withdrawer = Runner(lambda: disclosures.withdraw_consent(a.actor, consent_id))
        withdrawer.join(0.3)
        assert withdrawer.is_alive(), "it was acknowledged while something was still being told"
        pause.go_on.set()
        assert teller.finish().error is None
        assert withdrawer.finish().error is None
    assert last_of(app, "consent:withdrawn") > last_of(app, "disclosure:made", "message:sent", "referral:")
    later = Runner(telling("message", a, b, referral_id)).finish()
    assert isinstance(later.error, NoBasis)


@pytest.mark.parametrize("name", TELLINGS)
def test_a_withdrawal_that_has_begun_stops_what_comes_after(app: Flask, name: str) -> None:
    a, b = make_member(), make_member()
    person_id = make_person(a)
    consent_id = make_consent(a, person_id, [b])
    referral_id = make_referral(a, b, person_id=person_id, consent_id=consent_id, status=TELLINGS[name][0])
    db.end()
    with paused_at("INSERT INTO withdrawal") as pause:
        withdrawer = Runner(pause.act(lambda: disclosures.withdraw_consent(a.actor, consent_id)))
        assert pause.reached.wait(PATIENCE)
        teller = Runner(telling(name, a, b, referral_id))
        teller.join(0.3)
        assert teller.is_alive(), "it told something while the withdrawal was being written"
        pause.go_on.set()
        assert withdrawer.finish().error is None
        assert isinstance(teller.finish().error, NoBasis)
    assert last_of(app, "consent:withdrawn") > last_of(app, "disclosure:made", "message:sent", "referral:")


def last_of(app: Flask, *events: str) -> int:
    found = [
        entry.seq
        for entry in db.read().scalars(select(AuditEntry).order_by(AuditEntry.seq))
        if entry.event.startswith(events) and json.loads(entry.body)["outcome"] == "allow"
    ]
    db.end()
    return max(found, default=0)


def test_renewing_and_withdrawing_at_once_leaves_nothing_told_that_was_taken_back(app: Flask) -> None:
    a, b = make_member(), make_member()
    for _ in range(8):
        person_id = make_person(a)
        consent_id = make_consent(a, person_id, [b])
        make_referral(a, b, person_id=person_id, consent_id=consent_id)
        db.end()
        renewing, withdrawing = together(
            lambda: disclosures.record_consent(
                a.actor,
                person_id,  # noqa: B023
                make_terms(b.agency_id),
                replaces=consent_id,  # noqa: B023
                idempotency_key=str(uuid4()),
            ),
            lambda: disclosures.withdraw_consent(a.actor, consent_id),  # noqa: B023
        )
        assert renewing.error is None or isinstance(renewing.error, PortalError)
        view = disclosures.show(b.actor, person_id)
        if withdrawing.error is None:
            assert Category.BASIC not in view.visible_categories
        else:
            assert isinstance(withdrawing.error, Conflict)
            assert Category.BASIC in view.visible_categories
        db.end()
