"""An agency that keeps Hanako's record, and a caseworker elsewhere who comes to need it."""

from __future__ import annotations

from uuid import UUID

import pytest
from flask import Flask

from portal.people import services as people
from portal.people.categories import Category
from tests.emergency.acts import BIRTHDAY, HANAKO
from tests.factories import Member, make_member, make_person


@pytest.fixture
def home(app: Flask) -> Member:
    return make_member()


@pytest.fixture
def asker(app: Flask) -> Member:
    return make_member()


@pytest.fixture
def hanako(home: Member) -> UUID:
    person_id = make_person(home, **HANAKO, birth=BIRTHDAY)
    people.update_information(home.actor, person_id, Category.HEALTH, text="糖尿病でインスリンを使う")
    people.update_information(home.actor, person_id, Category.FINANCES, text="家賃の滞納がある")
    return person_id
