"""Nobody's failures keep others out: what is counted by account, by device and by address (docs/decisions/026)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import func, select

from portal.accounts import attempts
from portal.accounts.models import SignInAttempt
from portal.core import clock
from portal.core.db import db
from tests.browsers import PASSWORD, Browser
from tests.factories import Member, make_member

Open = Callable[..., Browser]
At = Callable[..., None]

MORNING = "2026-11-24T09:00"
HALL = "100.20.30.40"
ELSEWHERE = "100.20.30.41"
WRONG = PASSWORD[::-1]


def attempt(client: Any, email: str, password: str = WRONG, address: str = HALL) -> Any:
    form = {"email": email, "password": password}
    return client.post("/sign-in", data=form, environ_base={"REMOTE_ADDR": address})


def hammer(app: Flask, at: At, email: str, times: int, address: str = HALL) -> None:
    """So many failures of one account, each as soon as it is let in; the clock stands at the last one."""
    for _ in range(times):
        answer = attempt(app.test_client(), email, address=address)
        if answer.status_code == 429:
            at(clock.now() + timedelta(seconds=int(answer.headers["Retry-After"])), tick=False)
            answer = attempt(app.test_client(), email, address=address)
        assert answer.status_code == 400


def spray(app: Flask, at: At, accounts: int, address: str = HALL) -> None:
    """One wrong password for each of so many accounts."""
    for n in range(accounts):
        hammer(app, at, f"s{n}@example.jp", 1, address)


def test_where_the_address_is_a_proxys_other_accounts_are_not_delayed(app: Flask, at: At) -> None:
    at(MORNING, tick=False)
    member = make_member()
    for address in ("127.0.0.1", "10.0.0.7", "192.168.3.4", "::1", "", "unknown"):
        for n in range(attempts.FREE_PER_DEVICE):
            attempt(app.test_client(), f"s{n % 4}@example.jp", address=address)
        assert attempt(app.test_client(), member.email, PASSWORD, address).status_code == 303


def test_the_word_of_a_proxy_counts_only_where_one_is_named(app: Flask, at: At) -> None:
    at(MORNING, tick=False)
    app.config["PROXY_HOPS"] = 1
    try:
        client = app.test_client()
        for headers in ({"X-Forwarded-For": "10.0.0.7"}, {"X-Forwarded-For": "10.0.0.8"}, {}):
            client.post(
                "/sign-in",
                data={"email": "x@example.jp", "password": WRONG},
                headers=headers,
                environ_base={"REMOTE_ADDR": headers.get("X-Forwarded-For", "127.0.0.1")},
            )
    finally:
        app.config["PROXY_HOPS"] = 0
    attempt(client, "x@example.jp", address="127.0.0.1")
    seen = db.read.scalars(select(SignInAttempt.device_hash).order_by(SignInAttempt.id)).all()
    assert len(set(seen)) == 3
    assert seen[2] == seen[3]  # not through the proxy: nobody knows from where


def test_an_address_that_tries_many_accounts_waits_seconds_not_minutes(app: Flask, at: At) -> None:
    at(MORNING, tick=False)
    member = make_member()
    spray(app, at, attempts.FREE_PER_DEVICE)
    refused = attempt(app.test_client(), member.email, PASSWORD)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) <= 5
    spray(app, at, attempts.MANY)
    refused = attempt(app.test_client(), member.email, PASSWORD)
    assert int(refused.headers["Retry-After"]) <= 5
    assert attempt(app.test_client(), member.email, PASSWORD, ELSEWHERE).status_code == 303
    at(clock.now() + timedelta(seconds=5), tick=False)
    assert attempt(app.test_client(), member.email, PASSWORD).status_code == 303


def test_a_known_device_is_not_delayed_by_its_colleagues(app: Flask, browser: Open, at: At) -> None:
    at(MORNING, tick=False)
    member = make_member()
    own = app.test_client()
    assert attempt(own, member.email, PASSWORD).status_code == 303
    own.post("/sign-out")
    spray(app, at, attempts.FREE_PER_DEVICE)
    hammer(app, at, member.email, attempts.FREE_PER_ACCOUNT)
    assert attempt(app.test_client(), member.email, PASSWORD).status_code == 429
    assert attempt(own, member.email, PASSWORD).status_code == 303


def test_one_address_never_delays_an_account_elsewhere(app: Flask, at: At) -> None:
    at(MORNING, tick=False)
    member = make_member()
    hammer(app, at, member.email, attempts.MANY)
    here = attempt(app.test_client(), member.email, PASSWORD)
    assert int(here.headers["Retry-After"]) == attempts.DELAY_OF_MANY
    assert attempt(app.test_client(), member.email, PASSWORD, ELSEWHERE).status_code == 303


def test_an_account_tried_from_many_addresses_is_delayed_for_all(app: Flask, at: At) -> None:
    at(MORNING, tick=False)
    member = make_member()
    addresses = [f"100.20.40.{n}" for n in range(attempts.FREE_PER_ACCOUNT_ANYWHERE // 4)]
    for address in addresses:
        for _ in range(4):
            assert attempt(app.test_client(), member.email, address=address).status_code == 400
    refused = attempt(app.test_client(), member.email, PASSWORD, ELSEWHERE)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) == attempts.FIRST_DELAY


def test_all_addresses_of_one_ipv6_network_are_one(app: Flask) -> None:
    for last in (":1", ":2", "ffff:1:2:3"):
        attempt(app.test_client(), "x@example.jp", address=f"2400:1:1:1:{last}")
    attempt(app.test_client(), "x@example.jp", address="2400:1:1:2::1")
    attempt(app.test_client(), "x@example.jp", address=f"::ffff:{HALL}")
    attempt(app.test_client(), "x@example.jp", address=HALL)
    seen = db.read.scalars(select(SignInAttempt.device_hash).order_by(SignInAttempt.id)).all()
    assert [seen.index(one) for one in seen] == [0, 0, 0, 3, 4, 4]


def test_a_success_makes_good_what_failed_here_only(app: Flask, at: At) -> None:
    at(MORNING, tick=False)
    member = make_member()
    for address in (HALL, ELSEWHERE):
        attempt(app.test_client(), member.email, address=address)
    attempt(app.test_client(), "other@example.jp")
    assert attempt(app.test_client(), member.email, PASSWORD).status_code == 303
    assert db.read.scalar(select(func.count()).select_from(SignInAttempt)) == 2


def ask_for_own_password(client: Browser, member: Member, current: str) -> Any:
    new = {"new": "atarashii aikotoba desu", "again": "atarashii aikotoba desu"}
    return client.post(
        "/account/password", data={"current": current, **new}, environ_base={"REMOTE_ADDR": HALL}
    )


def test_nobody_elses_failures_delay_ones_own_password(app: Flask, browser: Open, at: At) -> None:
    """As before an emergency access: it must not wait for what a stranger did behind the same address."""
    at(MORNING, tick=False)
    member = make_member()
    client = browser(member)
    spray(app, at, attempts.FREE_PER_DEVICE)
    hammer(app, at, member.email, attempts.FREE_PER_ACCOUNT)
    for _ in range(attempts.FREE_PER_ACCOUNT):
        assert ask_for_own_password(client, member, WRONG).status_code == 400
    assert ask_for_own_password(client, member, PASSWORD).status_code == 429
    at(clock.now() + timedelta(seconds=attempts.FIRST_DELAY), tick=False)
    assert ask_for_own_password(client, member, PASSWORD).status_code == 303
