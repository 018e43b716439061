"""From nothing: a clone, `./run`, and a browser in both languages. What other tests set up themselves, a user gets so."""

from __future__ import annotations

import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, SIZES
from tests.browser.watch import Watch
from tests.machines import Machine, SignIn, Started
from tests.test_words import JAPANESE, told

ENGLISH = dict(told())
# An English word. The names of formats are called so in Japanese, too.
LATIN = re.compile(r"(?!PDF|CSV|Excel|ZIP)\b[A-Za-z]{2,}")
READERS = {"madoguchi@example.jp": "staff", "soudan@example.jp": "coordinator", "kansa@example.jp": "auditor"}
SCENARIO = """
agencies:
  - {key: a, name: みほん相談室, short: みほん, kind: self_reliance}
staff:
  - {email: hitori@example.jp, name: 見本 一人, agency: a, role: staff, password: "tsunagu no tameno aikotoba"}
events: []
"""


def word(japanese: str, language: str) -> str:
    return ENGLISH[japanese] if language == "en" else japanese


def sign_in(page: Page, who: SignIn, language: str) -> None:
    """In a browser that has asked for nothing; the sign-in page itself is in the language already."""
    page.goto("/")
    if language == "en":
        page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", language)
    page.get_by_label(word("メールアドレス", language)).fill(who.email)
    page.get_by_label(word("パスワード", language)).fill(who.password)
    page.get_by_role("main").get_by_role("button", name=word("サインインする", language)).click()
    expect(page.locator("body")).not_to_have_attribute("data-staff", "")


def looked_at(page: Page, language: str, most: int | None) -> list[str]:
    """The pages of the menu, all or so many, are opened and are in this language; returns the words of the menu."""
    menu = page.locator("#nav a").evaluate_all(
        "links => links.map(one => [one.href, one.firstChild.data.trim()])"
    )
    for address, _name in menu[:most]:
        page.goto(address)
        expect(page.locator("html")).to_have_attribute("lang", language)
        said = page.locator("#nav, h1, main h2, .site-foot").all_inner_texts()
        wrong = (JAPANESE if language == "en" else LATIN).findall(" ".join(said))
        assert not wrong, f"{language} {address}: {wrong}"
    return [name for _address, name in menu]


def read_as(
    chromium: Chromium, started: Started, who: SignIn, language: str, most: int | None = 1
) -> list[str]:
    context = chromium.new_context(base_url=started.url, viewport=SIZES[DESKTOP], locale="ja-JP")
    watch, page = Watch(context, started.url), context.new_page()
    sign_in(page, who, language)
    menu = looked_at(page, language, most)
    context.close()
    assert not watch.problems, "\n".join(watch.problems)
    return menu


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    yield Machine(tmp_path)
    shutil.rmtree(tmp_path / "tsunagu")  # 270 MB of libraries


def test_a_clone_serves_both_languages_and_verifies(
    chromium: Chromium, machine: Machine, seed: int, pytestconfig: pytest.Config
) -> None:
    """The only installation of a whole run of the tests: all that wants a clone stands here.

    One reader, whom the seed draws, opens every page of their menu; with --long each does.
    """
    drawn = Random(seed).choice(list(READERS))
    with machine.run() as started:
        assert "installing the libraries of requirements.lock" in started.said
        assert len(started.sign_ins) > 20
        for email, role in READERS.items():
            who = started.sign_ins[email]
            assert who.role == role
            most = None if email == drawn or pytestconfig.getoption("--long") else 1
            menu = read_as(chromium, started, who, "ja", most)
            assert len(menu) > 5
            assert read_as(chromium, started, who, "en", most) == [ENGLISH[name] for name in menu]

        made = machine.flask(
            *("accounts", "create", "--email", "atarashii@example.jp"),
            *("--name", "Somebody New", "--role", "system_admin"),
        )
        read_as(chromium, started, SignIn(*made.rstrip("\n").split("\t")), "en")
        machine.flask("audit", "verify")
    machine.flask("audit", "verify")

    instance = machine.checkout / "instance"
    assert {"secret_key", "keys", "tsunagu.db"} <= {path.name for path in instance.iterdir()}
    assert modes(instance) == {0o600}
    assert modes(machine.folder / "home" / "state" / "tsunagu" / "checkpoints") == {0o600}

    later_starts(chromium, machine, started)
    commands_of_documents(machine)


def later_starts(chromium: Chromium, machine: Machine, first: Started) -> None:
    """The sign-ins are printed once; another database has a file of its own."""
    kept = next((machine.checkout / "instance").glob("sign-ins-*.tsv"))
    place = str(kept.relative_to(machine.checkout))
    assert f"sign-ins of the first start: {place}" in first.said
    with machine.run() as again:
        assert "installing" not in again.said
        assert again.printed == [again.url]
        assert f"はじめのログインの控え / the sign-ins of the first start: {place}" in again.said
        who = SignIn(*kept.read_text(encoding="utf-8").splitlines()[0].split("\t"))
        assert first.sign_ins[who.email] == who
        read_as(chromium, again, who, "en")

    (machine.folder / "own.yaml").write_text(SCENARIO, encoding="utf-8")
    own = {"DATABASE_URL": f"sqlite:///{machine.folder}/own.db"}
    machine.flask("db", "upgrade", "0003", **own)  # an older version had made it
    with machine.run("--scenario", str(machine.folder / "own.yaml"), **own) as started:
        assert started.sign_ins.keys() == {"hitori@example.jp"}
        assert "sign-ins of the first start: instance/sign-ins-" in started.said
        assert place not in started.said


def commands_of_documents(machine: Machine) -> None:
    """What the documents say to type, on a database of its own; none leaves anything that git would see."""
    scratch = {"DATABASE_URL": f"sqlite:///{machine.folder}/scratch.db"}
    machine.flask("db", "upgrade", **scratch)
    machine.flask("seed", "scale", "--referrals", "120", "--agencies", "10", **scratch)
    machine.flask("audit", "verify", **scratch)
    machine.command("make", "--old-file=tools", "words")  # the tools themselves are this run's own
    assert machine.command("git", "status", "--porcelain") == ""
