"""What a visitor of the pages measured sends: signed in through the page, with real forms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from itertools import cycle, islice
from urllib.parse import urlencode
from uuid import UUID, uuid4

from sqlalchemy import Engine, text

from portal.core import clock
from portal.people.categories import Category
from portal.referrals.drafts import Proposal, draft
from portal.referrals.states import ReferralKind
from tests.bench.gathering import actor_of, busiest_partner, call_meeting
from tests.bench.load import Connection, Wrong
from tests.bench.worlds import World, acting

Fields = dict[str, str] | list[tuple[str, str]]
INPUT = re.compile(r'<(?:input|button)\b[^>]*?\bname="([^"]+)"[^>]*?\bvalue="([^"]*)"')


class Visitor:
    """A browser with its cookies. Builds requests; `ask` sends one at once."""

    def __init__(self, port: int, email: str, password: str) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}
        hidden = self.hidden("/sign-in")
        status, _body = self.ask(self.post("/sign-in", hidden | {"email": email, "password": password}))
        if status not in {302, 303}:
            raise Wrong(f"{email} could not sign in: {status}")

    def request(self, method: str, path: str, body: str = "", kind: str = "") -> bytes:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Cookie: {cookies}"]
        if method == "POST":
            lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def get(self, path: str) -> bytes:
        return self.request("GET", path)

    def post(self, path: str, fields: Fields) -> bytes:
        return self.request("POST", path, urlencode(fields), "application/x-www-form-urlencoded")

    def ask(self, request: bytes) -> tuple[int, str]:
        connection = Connection(self.port)
        try:
            status, head, body = connection.ask(request)
        finally:
            connection.socket.close()
        for name, value in re.findall(r"(?im)^set-cookie: ([^=]+)=([^;\r]*)", head.decode()):
            self.cookies[name] = value
        return status, body.decode()

    def hidden(self, path: str) -> dict[str, str]:
        """The fields that a page's form brings with it."""
        status, body = self.ask(self.get(path))
        if status != 200:
            raise Wrong(f"{path}: {status}")
        fields = {name: unescape(value) for name, value in INPUT.findall(body) if value}
        return {name: fields[name] for name in ("csrf_token", "acting", "idempotency_key") if name in fields}


@dataclass(frozen=True)
class Page:
    """A page measured: the requests for it, and the least share of the bare page's rate it must reach."""

    name: str
    share: float
    requests: Callable[[Visitor, Engine, World], Iterator[bytes]]
    expect: int = 200


def referral_list(visitor: Visitor, _engine: Engine, _here: World) -> Iterator[bytes]:
    return cycle([visitor.get("/referrals/")])


def referral_with_20_events(visitor: Visitor, engine: Engine, here: World) -> Iterator[bytes]:
    """Many such referrals in turn: one alone would sit in every cache."""
    query = """
        SELECT referral.id FROM referral
        JOIN membership ON membership.agency_id IN (referral.from_agency_id, referral.to_agency_id)
        JOIN staff ON staff.id = membership.staff_id
        WHERE staff.email = :email AND membership.ended_at IS NULL
        AND (SELECT count(*) FROM referral_event WHERE referral_event.referral_id = referral.id) = 20
        LIMIT 200"""
    with engine.connect() as connection:
        ids = [UUID(str(key)) for key in connection.scalars(text(query), {"email": here.email})]
    if not ids:
        raise Wrong("no referral with 20 events in this agency")
    return cycle([visitor.get(f"/referrals/{key}") for key in ids])


def name_search(visitor: Visitor, _engine: Engine, _here: World) -> Iterator[bytes]:
    fields = visitor.hidden("/people/")
    names = ("山田", "やまだ", "ﾔﾏﾀﾞ", "髙橋", "さとう", "花子", "タロウ")
    stored = [visitor.ask(visitor.post("/people/", fields | {"q": name}))[1] for name in names]
    found = [re.search(r"/people/\?s=[\w-]+", body) for body in stored]
    if not all(found):
        raise Wrong("a search was not stored")
    return cycle([visitor.get(one[0]) for one in found if one])


SENDABLE = """
    SELECT consent.id, consent.person_id, consent_recipient.agency_id FROM consent
    JOIN consent_recipient ON consent_recipient.consent_id = consent.id
    JOIN person ON person.id = consent.person_id AND person.home_agency_id = consent.agency_id
    JOIN membership ON membership.agency_id = consent.agency_id
    JOIN staff ON staff.id = membership.staff_id
    WHERE staff.email = :email AND membership.ended_at IS NULL AND consent.valid_until > :today
    AND consent_recipient.agency_id <> consent.agency_id
    AND NOT EXISTS (SELECT 1 FROM withdrawal WHERE withdrawal.consent_id = consent.id)
    AND NOT EXISTS (SELECT 1 FROM consent newer WHERE newer.replaces_id = consent.id)
    AND EXISTS (SELECT 1 FROM consent_category WHERE consent_id = consent.id AND category = 'basic')
    LIMIT 100"""


def send_referral(visitor: Visitor, engine: Engine, here: World) -> Iterator[bytes]:
    """Drafts written beforehand by the service; measured is the one POST that sends each."""
    with engine.connect() as connection:
        rows = connection.execute(text(SENDABLE), {"email": here.email, "today": clock.today()}).all()
    if not rows:
        raise Wrong("no consent to send a referral on")
    with acting(here.url):
        actor = actor_of(here.email)
        drafts = [draft(actor, proposal(*row)) for row in islice(cycle(rows), here.drafts)]
    fields = visitor.hidden(f"/referrals/{drafts[0]}/send")
    return (
        visitor.post(f"/referrals/{key}/send", fields | {"idempotency_key": uuid4().hex, "version": "1"})
        for key in drafts
    )


def proposal(consent: str, person: str, recipient: str) -> Proposal:
    return Proposal(
        person_id=UUID(str(person)),
        to_agency_id=UUID(str(recipient)),
        kind=ReferralKind.REFERRAL,
        need="働く準備について、一度お話を聞いていただけますか。",
        categories=frozenset({Category.BASIC}),
        consent_id=UUID(str(consent)),
    )


def referrals_sent(engine: Engine, here: World) -> Iterator[UUID]:
    """Referrals that the agency has sent, over and over."""
    query = """
        SELECT referral.id FROM referral
        JOIN membership ON membership.agency_id = referral.from_agency_id
        JOIN staff ON staff.id = membership.staff_id
        WHERE staff.email = :email AND membership.ended_at IS NULL AND referral.sent_at IS NOT NULL
        LIMIT 100"""
    with engine.connect() as connection:
        return cycle([UUID(str(key)) for key in connection.scalars(text(query), {"email": here.email})])


def person(visitor: Visitor, engine: Engine, here: World) -> Iterator[bytes]:
    """Those of the agency's own people of whom most is on record, in turn."""
    query = """
        SELECT person.id FROM person
        JOIN membership ON membership.agency_id = person.home_agency_id
        JOIN staff ON staff.id = membership.staff_id
        WHERE staff.email = :email AND membership.ended_at IS NULL
        ORDER BY (SELECT count(*) FROM referral WHERE referral.person_id = person.id) DESC, person.id
        LIMIT 100"""
    with engine.connect() as connection:
        ids = [UUID(str(key)) for key in connection.scalars(text(query), {"email": here.email})]
    return cycle([visitor.get(f"/people/{key}") for key in ids])


def today(visitor: Visitor, _engine: Engine, _here: World) -> Iterator[bytes]:
    return cycle([visitor.get("/")])


def packet(visitor: Visitor, _engine: Engine, here: World) -> Iterator[bytes]:
    """An announced meeting with what the work of two busy agencies puts on its agenda."""
    with acting(here.url):
        actor = actor_of(here.coordinator)
        meeting_id = call_meeting(actor, busiest_partner(actor), announced=True)
    request = visitor.get(f"/meetings/{meeting_id}/packet")
    visitor.ask(request)  # the first opening tells, and writes; every other finds it told
    return cycle([request])


PAGES = (
    Page("referral list of 25", 0.20, referral_list),
    Page("referral with 20 events", 0.15, referral_with_20_events),
    Page("person", 0.10, person),
    Page("Today", 0.08, today),
    Page("name search", 0.15, name_search),
    Page("sending a referral", 0.10, send_referral, expect=302),
    Page("packet", 0.05, packet),
)
