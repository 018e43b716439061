"""A log that is not trusted: people still come in and read, and nothing they do is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from portal.audit import log_integrity
from portal.audit.checkpoint_store import keeping
from portal.audit.vault import vault
from tests.browsers import PASSWORD, Browser
from tests.factories import Member, make_case, make_member


@pytest.fixture
def member(app: Flask, tmp_path: Path) -> Iterator[Member]:
    """Somebody of an agency whose database came without its checkpoints."""
    made = make_member()
    make_case(made)
    keeping.bind(tmp_path, is_strict=True)
    log_integrity.watch.forget()
    yield made
    keeping.bind(None, is_strict=False)
    log_integrity.watch.forget()


def test_one_signs_in_reads_and_is_told_that_nothing_is_saved(app: Flask, member: Member) -> None:
    page = Browser(app)
    answer = page.post("/sign-in", data={"email": member.email, "password": PASSWORD})
    assert answer.status_code in {302, 303}, answer.text
    people = page.get("/people/")
    assert people.status_code == 200
    assert "書き込みを停止しています" in people.text
    refused = page.post(
        "/people/new",
        data={
            "family": "見本",
            "given": "花子",
            "family_kana": "みほん",
            "given_kana": "はなこ",
            "distinct": "1",
        },
    )
    assert refused.status_code == 503
    assert "はなこ" in refused.text, "what was typed is still there"


def test_one_signs_in_although_the_keys_are_others(app: Flask, member: Member, tmp_path: Path) -> None:
    former = vault.folder
    vault.bind(tmp_path / "keys")
    log_integrity.watch.forget()
    try:
        page = Browser(app)
        answer = page.post("/sign-in", data={"email": member.email, "password": PASSWORD})
        assert answer.status_code in {302, 303}, answer.text
    finally:
        assert former
        vault.bind(former)
