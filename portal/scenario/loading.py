"""Replaying a scenario file: all of it in one transaction, each event at its own time."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import Staff
from portal.accounts.passwords import AT_ONCE, hashing
from portal.agencies.models import Agency
from portal.audit import bound, checkpoints
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.scenario.plan import understand
from portal.scenario.play import Play, told_by_line
from portal.scenario.setting import enter
from portal.scenario.source import read

# Characters that nobody mistakes for others, in groups that can be read out.
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
GROUPS, GROUP = 5, 4


class NotEmpty(Exception):
    """The database holds data already, and nobody said that more may be added."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """One member of staff, with a password as typed; `is_new`: it was made up here and is known nowhere else."""

    email: str
    password: str
    role: Role
    agency: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Loaded:
    sign_ins: list[SignIn]
    agencies: int
    events: int


def new_password() -> str:
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(GROUP)) for _ in range(GROUPS))


def is_empty(session: Session) -> bool:
    """Whether nobody works here yet."""
    return not session.scalar(select(Agency.id).limit(1)) and not session.scalar(select(Staff.id).limit(1))


def require_empty() -> None:
    with db.transaction() as session:
        if not is_empty(session):
            raise NotEmpty


def load(path: Path, *, add: bool = False, random_passwords: bool = False) -> Loaded:
    """Replay the whole file, or nothing of it.

    Raises:
        NotEmpty: the database holds data, and `add` was not given.
        WrongFile: with the lines that are wrong.
    """
    if not add:
        require_empty()
    plan = understand(read(path))
    passwords = {
        entry.given["email"]: (not random_passwords and entry.given.get("password")) or new_password()
        for entry in plan.staff
    }
    # Before the transaction begins: it would keep everybody else waiting meanwhile.
    with ThreadPoolExecutor(AT_ONCE) as threads:
        hashes = dict(zip(passwords, threads.map(hashing.hash, passwords.values()), strict=True))
    with db.transaction() as session:
        if not add:
            require_empty()
        # A page that an event opens must show what the events before it have written.
        for reading in (db.read, db.unrestricted):
            reading.remove()
            reading.registry.set(session)
        play = Play(session)
        with clock.frozen(plan.begins_at):
            enter(play, plan, hashes)
        for event in plan.events:
            with clock.frozen(event.at), told_by_line(event.where):
                event.act.run(play, play.actors[event.by], event.given)
                session.flush()
        with clock.frozen(plan.events[-1].at if plan.events else plan.begins_at):
            bound.write(session)  # at the time of what it binds, and below the checkpoint
        checkpoints.make(session)  # what was replayed is signed as a whole
    sign_ins = [
        SignIn(
            email=email,
            password=passwords[email],
            role=play.actors[email].role,
            agency=play.actors[email].agency_name,
            is_new=random_passwords or "password" not in entry.given,
        )
        for entry in plan.staff
        for email in [entry.given["email"]]
    ]
    return Loaded(sign_ins, len(plan.agencies), len(plan.events))
